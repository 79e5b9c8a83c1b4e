//! Rows of numbers: layer norms, sums and largest values in an order that no instruction set changes.

use super::convolution::{load, store};
use super::lanes::{Lanes, exp};
use super::view::View;

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
    /// The parameters that gamma and beta are, where a training may ask.
    pub origin: Option<[u64; 2]>,
}

/// Where the vectors of a row of `channels` numbers begin, and how many numbers they have.
fn parts<L: Lanes>(channels: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..channels).step_by(L::N).map(move |at| (at, (channels - at).min(L::N)))
}

/// Mean and 1 / standard deviation of a row of `channels` numbers.
///
/// # Safety
/// As [`Lanes`]; the row is as long.
#[inline(always)]
unsafe fn moments<L: Lanes>(from: *const f32, channels: usize, epsilon: f32) -> (f32, f32) {
    // SAFETY: as the caller says.
    unsafe {
        let mut sum = SpreadSum::new::<L>();
        for (at, count) in parts::<L>(channels) {
            let slot = sum.slot::<L>(at);
            *slot = L::add(*slot, load::<L>(from.add(at), count));
        }
        // An array, so that lanes behind the row's end stay zero.
        let mean = [sum.total::<L>() / channels as f32; SPREAD];
        let mut squares = SpreadSum::new::<L>();
        for (at, count) in parts::<L>(channels) {
            let v = L::sub(load::<L>(from.add(at), count), load::<L>(mean.as_ptr(), count));
            let slot = squares.slot::<L>(at);
            *slot = L::fma(v, v, *slot);
        }
        (mean[0], 1.0 / (squares.total::<L>() / channels as f32 + epsilon).sqrt())
    }
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
        let (mean, scale) = moments::<L>(from, channels, norm.epsilon);
        let (mean, scale) = (L::splat(mean), L::splat(scale));
        for (at, count) in parts::<L>(channels) {
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

/// What [`layer_norm_gradient`] does: the gradients of a layer norm of rows.
pub struct LayerNormGradient<'a> {
    /// What was normalised.
    pub source: View,
    /// The norm.
    pub norm: &'a Norm,
    /// The gradient of what it made; as many rows as it has are looked at.
    pub gradient: View,
    /// Where the gradient of what was normalised goes, if it is needed.
    pub output: Option<View>,
    /// Added to what is there instead of taking its place.
    pub add: bool,
    /// To these numbers, one a channel, the gradient of gamma is added.
    pub gamma: *mut f32,
    /// Likewise of beta.
    pub beta: *mut f32,
}

/// The gradients of a layer norm.
///
/// # Safety
/// As [`Lanes`]; the memory belongs to the caller for the time of the call, and nobody writes what is read.
#[inline(always)]
pub unsafe fn layer_norm_gradient<L: Lanes>(job: &LayerNormGradient) {
    // SAFETY: as the caller says.
    unsafe {
        let LayerNormGradient { source, norm, gradient, output, add, gamma, beta } = *job;
        let channels = norm.gamma.len();
        for row in 0..gradient.height * gradient.width {
            let x = source.at.add(row * source.step).cast_const();
            let g = gradient.at.add(row * gradient.step).cast_const();
            let (mean, scale) = moments::<L>(x, channels, norm.epsilon);
            let (mean, scale) = (L::splat(mean), L::splat(scale));
            let normed = |at: usize, count: usize| L::mul(L::sub(load::<L>(x.add(at), count), mean), scale);
            let (mut sum, mut along) = (SpreadSum::new::<L>(), SpreadSum::new::<L>());
            for (at, count) in parts::<L>(channels) {
                // Zero in the lanes behind the row's end.
                let (g, n) = (load::<L>(g.add(at), count), normed(at, count));
                let weighted = L::mul(g, load::<L>(norm.gamma.as_ptr().add(at), count));
                let slot = sum.slot::<L>(at);
                *slot = L::add(*slot, weighted);
                let slot = along.slot::<L>(at);
                *slot = L::fma(weighted, n, *slot);
                for (to, v) in [(gamma, L::mul(g, n)), (beta, g)] {
                    let to = to.add(at);
                    store::<L>(to, count, L::add(load::<L>(to, count), v));
                }
            }
            let Some(output) = output else { continue };
            let to = output.at.add(row * output.step);
            let sum = L::splat(sum.total::<L>() / channels as f32);
            let along = L::splat(along.total::<L>() / channels as f32);
            for (at, count) in parts::<L>(channels) {
                let weighted =
                    L::mul(load::<L>(g.add(at), count), load::<L>(norm.gamma.as_ptr().add(at), count));
                let v = L::sub(L::sub(weighted, sum), L::mul(normed(at, count), along));
                let before = if add { load::<L>(to.add(at), count) } else { L::splat(0.0) };
                store::<L>(to.add(at), count, L::fma(v, scale, before));
            }
        }
    }
}

/// From the gradient `gradient` of a softmax's `probabilities` to that of what they were made of, times `scale`, in place.
///
/// # Safety
/// As [`Lanes`]; both rows have `count` numbers.
#[inline(always)]
pub unsafe fn softmax_gradient<L: Lanes>(
    probabilities: *const f32,
    gradient: *mut f32,
    count: usize,
    scale: f32,
) {
    // SAFETY: as the caller says.
    unsafe {
        let mut sum = SpreadSum::new::<L>();
        for (at, count) in parts::<L>(count) {
            let (p, g) = (load::<L>(probabilities.add(at), count), load::<L>(gradient.add(at), count));
            let slot = sum.slot::<L>(at);
            *slot = L::fma(p, g, *slot);
        }
        let (mean, scale) = (L::splat(sum.total::<L>()), L::splat(scale));
        for (at, count) in parts::<L>(count) {
            let (p, g) = (load::<L>(probabilities.add(at), count), load::<L>(gradient.add(at), count));
            store::<L>(gradient.add(at), count, L::mul(L::mul(p, L::sub(g, mean)), scale));
        }
    }
}
