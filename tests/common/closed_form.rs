//! The closed-form numbers that stand for weights and inputs in the reference fixtures, so that no weights
//! need to be stored: FNV-1a of a tensor's name starts a SplitMix64 sequence, whose top 24 bits become a
//! number in [-1, 1).

/// FNV-1a of the name.
pub fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The first `count` closed-form values of the tensor `name`.
pub fn closed_form(name: &str, center: f64, amp: f64, count: usize) -> Vec<f32> {
    let hash = fnv1a(name);
    let (center, amp) = (center as f32, amp as f32);
    (1..=count as u64)
        .map(|i| {
            let mut z = hash.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            let t = (z >> 40) as f32 * 2f32.powi(-23) - 1.0;
            if center == 0.0 { amp * t } else { center + amp * t }
        })
        .collect()
}
