//! Rows of numbers: layer norms, sums and largest values in an order that no instruction set changes.

use super::convolution::{load, store};
use super::lanes::{Lanes, exp};

/// Numbers that a sum of a row is spread over, in every instruction set.
const SPREAD: usize = 16;
/// Most vectors that [`SPREAD`] numbers need.
const MOST_VECTORS: usize = 4;

/// A sum of a row, spread over [`SPREAD`] numbers.
struct SpreadSum<V>([V; MOST_VECTORS]);

impl<V: Copy> SpreadSum<V> {
    /// # Safety
    /// As [`Lanes`].
    #[inline(always)]
    unsafe fn new<L: Lanes<V = V>>() -> SpreadSum<V> {
        // SAFETY: the caller has the instruction set.
        SpreadSum(unsafe { [L::splat(0.0); MOST_VECTORS] })
    }

    /// Which of the vectors takes the numbers at `at`, a multiple of N.
    #[inline(always)]
    fn slot<L: Lanes<V = V>>(&mut self, at: usize) -> &mut V {
        &mut self.0[at % SPREAD / L::N]
    }

    /// # Safety
    /// As [`Lanes`].
    #[inline(always)]
    unsafe fn total<L: Lanes<V = V>>(&self) -> f32 {
        let mut lanes = [0f32; SPREAD];
        for i in 0..SPREAD / L::N {
            // SAFETY: the vectors that are used fill the array.
            unsafe { L::store(lanes.as_mut_ptr().add(i * L::N), self.0[i]) };
        }
        lanes.iter().sum()
    }
}

/// A layer norm's numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Norm {
    /// Factor of each channel.
    pub gamma: Vec<f32>,
    /// Added to each channel.
    pub beta: Vec<f32>,
    /// Added to the variance.
    pub epsilon: f32,
}

/// Layer norm of one row of `gamma.len()` numbers.
///
/// # Safety
/// As [`Lanes`]; both rows are as long as the norm.
#[inline(always)]
pub unsafe fn layer_norm<L: Lanes>(from: *const f32, norm: &Norm, to: *mut f32) {
    // SAFETY: as the caller says.
    unsafe {
        let channels = norm.gamma.len();
        let parts = || (0..channels).step_by(L::N).map(|at| (at, (channels - at).min(L::N)));
        let mut sum = SpreadSum::new::<L>();
        for (at, count) in parts() {
            let slot = sum.slot::<L>(at);
            *slot = L::add(*slot, load::<L>(from.add(at), count));
        }
        // An array, so that lanes behind the row's end stay zero.
        let mean = [sum.total::<L>() / channels as f32; SPREAD];
        let mut squares = SpreadSum::new::<L>();
        for (at, count) in parts() {
            let v = L::sub(load::<L>(from.add(at), count), load::<L>(mean.as_ptr(), count));
            let slot = squares.slot::<L>(at);
            *slot = L::fma(v, v, *slot);
        }
        let scale = 1.0 / (squares.total::<L>() / channels as f32 + norm.epsilon).sqrt();
        let (mean, scale) = (L::splat(mean[0]), L::splat(scale));
        for (at, count) in parts() {
            let v = L::mul(L::sub(load::<L>(from.add(at), count), mean), scale);
            let gamma = load::<L>(norm.gamma.as_ptr().add(at), count);
            let beta = load::<L>(norm.beta.as_ptr().add(at), count);
            store::<L>(to.add(at), count, L::fma(v, gamma, beta));
        }
    }
}

/// The softmax of `scale` times a row of `count` numbers, in place, but for a factor that is returned: whoever sums
/// something with these weights multiplies the sum by it.
///
/// # Safety
/// As [`Lanes`]; the row is as long.
#[inline(always)]
pub unsafe fn softmax<L: Lanes>(row: *mut f32, count: usize, scale: f32) -> f32 {
    // SAFETY: as the caller says.
    unsafe {
        let whole = count / L::N * L::N;
        let mut lanes = [f32::NEG_INFINITY; SPREAD];
        let mut top = L::splat(f32::NEG_INFINITY);
        for at in (0..whole).step_by(L::N) {
            top = L::max(L::load(row.add(at)), top);
        }
        L::store(lanes.as_mut_ptr(), top);
        let mut top = lanes.iter().fold(f32::NEG_INFINITY, |most, v| most.max(*v));
        for at in whole..count {
            top = top.max(*row.add(at));
        }
        let (top, scale) = (L::splat(top), L::splat(scale));
        let mut sum = SpreadSum::new::<L>();
        for at in (0..count).step_by(L::N) {
            let left = (count - at).min(L::N);
            let e = exp::<L>(L::mul(L::sub(load::<L>(row.add(at), left), top), scale));
            store::<L>(row.add(at), left, e);
            // Read again where the row ends, so that what lies behind is not counted.
            let e = if left == L::N { e } else { load::<L>(row.add(at), left) };
            let slot = sum.slot::<L>(at);
            *slot = L::add(*slot, e);
        }
        1.0 / sum.total::<L>()
    }
}
