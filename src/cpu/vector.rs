//! Vector instructions without intrinsics: what the compiler makes of plain loops.

/// Compiles each kernel twice, for the machine's baseline and for AVX2 with FMA, and picks at run
/// time: the program itself is built for the oldest processor of its kind.
macro_rules! kernels {
    ($($(#[$doc:meta])* pub fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? $body:block)*) => {
        $(
            $(#[$doc])*
            pub fn $name($($arg: $type),*) $(-> $ret)? {
                #[inline(always)]
                fn plain($($arg: $type),*) $(-> $ret)? $body

                #[cfg(target_arch = "x86_64")]
                {
                    #[target_feature(enable = "avx2,fma")]
                    fn wide($($arg: $type),*) $(-> $ret)? {
                        plain($($arg),*)
                    }
                    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                        // SAFETY: the features it is compiled for were found just now.
                        return unsafe { wide($($arg),*) };
                    }
                }
                plain($($arg),*)
            }
        )*
    };
}

pub(crate) use kernels;

/// e^x to 2e-7 relative for x in [-87, 88]; clamped beyond.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    // x = n ln 2 + r with |r| <= ln 2 / 2; adding and taking away 1.5 x 2^23 rounds to a whole number.
    const MAGIC: f32 = 12_582_912.0;
    let shifted = x * std::f32::consts::LOG2_E + MAGIC;
    let n = shifted - MAGIC;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5e-1;
    let value = p * r * r + r + 1.0;
    // The low bits of `shifted` are n already; a conversion to an integer, which saturates, would be scalar.
    value * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_exact_to_seven_digits() {
        for i in -860..880 {
            let x = i as f32 * 0.1;
            let expected = f64::from(x).exp();
            assert!((f64::from(exp(x)) / expected - 1.0).abs() < 3e-7, "{x}: {} {expected}", exp(x));
        }
    }
}
