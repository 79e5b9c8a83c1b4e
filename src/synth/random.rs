//! Random numbers that are a function of a seed.
//!
//! Everything the mannequin shows is a pure function of (seed, size, time). So each choice hashes a seed and a topic
//! of its own, and no generator is shared between choices. The order of the draws within a topic is part of what a
//! seed means: to change it changes the pictures.

/// Mixes two numbers into one that looks random (the finaliser of SplitMix64).
pub(super) fn hash(a: u64, b: u64) -> u64 {
    let mut z = a.wrapping_add(b.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A short sequence of random numbers that begins at a hash of its seed and its topic.
pub(super) struct SeededRng(u64);

impl SeededRng {
    /// The numbers for one topic of one seed: topics of the same seed are independent of each other.
    pub(super) fn new(seed: u64, topic: u64) -> SeededRng {
        SeededRng(hash(seed, topic))
    }

    /// Uniform in [0, 1).
    pub(super) fn unit(&mut self) -> f32 {
        self.0 = hash(self.0, 1);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Uniform in [low, high).
    pub(super) fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// True with probability `p`.
    pub(super) fn chance(&mut self, p: f32) -> bool {
        self.unit() < p
    }

    /// An index below `n` (`n` > 0).
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((self.unit() * n as f32) as usize).min(n - 1)
    }

    /// One of `from`, which has at least one element; each is as likely as another.
    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}
