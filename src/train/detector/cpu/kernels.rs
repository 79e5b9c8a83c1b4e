//! The parts of the passes that are no matrix products. Maps are pixel by pixel, channels together.

use crate::cpu::{exp, kernels};

kernels! {
    /// Adds `bias` to each row of `sums` and writes the SiLU of that to `out`.
    pub fn bias_silu(sums: &mut [f32], bias: &[f32], out: &mut [f32]) {
        for (row, out) in sums.chunks_exact_mut(bias.len()).zip(out.chunks_exact_mut(bias.len())) {
            for ((v, o), b) in row.iter_mut().zip(out).zip(bias) {
                *v += b;
                *o = *v / (1.0 + exp(-*v));
            }
        }
    }

    /// Adds `bias` to each row of `sums`.
    pub fn add_bias(sums: &mut [f32], bias: &[f32]) {
        for row in sums.chunks_exact_mut(bias.len()) {
            for (v, b) in row.iter_mut().zip(bias) {
                *v += b;
            }
        }
    }

    /// Turns the gradient of SiLU's results into that of its inputs `sums`.
    pub fn silu_back(sums: &[f32], gradient: &mut [f32]) {
        for (g, v) in gradient.iter_mut().zip(sums) {
            let s = 1.0 / (1.0 + exp(-*v));
            *g *= s * (1.0 + v * (1.0 - s));
        }
    }

    /// Adds each row of `rows` to `sums`.
    pub fn add_rows(rows: &[f32], sums: &mut [f32]) {
        for row in rows.chunks_exact(sums.len()) {
            for (s, v) in sums.iter_mut().zip(row) {
                *s += v;
            }
        }
    }

    /// Adds numbers to numbers.
    pub fn add(values: &[f32], sums: &mut [f32]) {
        for (s, v) in sums.iter_mut().zip(values) {
            *s += v;
        }
    }

    /// A depthwise convolution with zero padding, without bias: `out` (all zero) is `height` x `width` pixels of
    /// `channels`, made of `from_height` x `from_width` pixels of `from`. `weights` hold all channels of a tap
    /// together, tap by tap.
    pub fn depthwise(
        from: &[f32],
        from_height: usize,
        from_width: usize,
        weights: &[f32],
        kernel: usize,
        stride: usize,
        channels: usize,
        width: usize,
        out: &mut [f32],
    ) {
        let reach = kernel / 2;
        for (y, row) in out.chunks_exact_mut(width * channels).enumerate() {
            for ky in 0..kernel {
                let sy = (y * stride + ky).wrapping_sub(reach);
                if sy >= from_height {
                    continue;
                }
                let source = &from[sy * from_width * channels..][..from_width * channels];
                for (x, out) in row.chunks_exact_mut(channels).enumerate() {
                    for kx in 0..kernel {
                        let sx = (x * stride + kx).wrapping_sub(reach);
                        if sx >= from_width {
                            continue;
                        }
                        let weights = &weights[(ky * kernel + kx) * channels..][..channels];
                        let source = &source[sx * channels..][..channels];
                        for ((o, w), v) in out.iter_mut().zip(weights).zip(source) {
                            *o += w * v;
                        }
                    }
                }
            }
        }
    }

    /// From the gradient `given` of what [`depthwise`] made: adds that of the weights to `taps`, and that of the
    /// input to `back` unless that is empty.
    pub fn depthwise_back(
        from: &[f32],
        from_height: usize,
        from_width: usize,
        weights: &[f32],
        kernel: usize,
        stride: usize,
        channels: usize,
        width: usize,
        given: &[f32],
        taps: &mut [f32],
        back: &mut [f32],
    ) {
        let reach = kernel / 2;
        for (y, row) in given.chunks_exact(width * channels).enumerate() {
            for ky in 0..kernel {
                let sy = (y * stride + ky).wrapping_sub(reach);
                if sy >= from_height {
                    continue;
                }
                for (x, given) in row.chunks_exact(channels).enumerate() {
                    for kx in 0..kernel {
                        let sx = (x * stride + kx).wrapping_sub(reach);
                        if sx >= from_width {
                            continue;
                        }
                        let tap = (ky * kernel + kx) * channels;
                        let at = (sy * from_width + sx) * channels;
                        let source = &from[at..][..channels];
                        for ((t, g), v) in taps[tap..][..channels].iter_mut().zip(given).zip(source) {
                            *t += g * v;
                        }
                        if !back.is_empty() {
                            let weights = &weights[tap..][..channels];
                            for ((b, g), w) in back[at..][..channels].iter_mut().zip(given).zip(weights) {
                                *b += g * w;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The pixels under a square kernel with zero padding side by side, for a convolution as a matrix product: for each of
/// `height` x `width` output pixels `kernel * kernel * channels` numbers.
pub fn columns(
    from: &[f32],
    from_height: usize,
    from_width: usize,
    channels: usize,
    kernel: usize,
    stride: usize,
    width: usize,
    height: usize,
) -> Vec<f32> {
    let line = kernel * kernel * channels;
    let mut out = vec![0.0; height * width * line];
    for_each_tap(from_height, from_width, kernel, stride, width, height, |pixel, tap, source| {
        let to = &mut out[pixel * line + tap * channels..][..channels];
        to.copy_from_slice(&from[source * channels..][..channels]);
    });
    out
}

/// Adds the gradient of [`columns`] to that of the pixels.
pub fn columns_back(
    given: &[f32],
    from_height: usize,
    from_width: usize,
    channels: usize,
    kernel: usize,
    stride: usize,
    width: usize,
    height: usize,
    back: &mut [f32],
) {
    let line = kernel * kernel * channels;
    for_each_tap(from_height, from_width, kernel, stride, width, height, |pixel, tap, source| {
        let given = &given[pixel * line + tap * channels..][..channels];
        back[source * channels..][..channels].iter_mut().zip(given).for_each(|(b, g)| *b += g);
    });
}

/// Calls `visit` with each output pixel, tap of the kernel and pixel under it that lies inside.
fn for_each_tap(
    from_height: usize,
    from_width: usize,
    kernel: usize,
    stride: usize,
    width: usize,
    height: usize,
    mut visit: impl FnMut(usize, usize, usize),
) {
    let reach = kernel / 2;
    // A place before the first row or column wraps round to one behind the last.
    let under = |at: usize, k: usize| (at * stride + k).wrapping_sub(reach);
    for y in 0..height {
        for ky in (0..kernel).filter(|&k| under(y, k) < from_height) {
            for x in 0..width {
                for kx in (0..kernel).filter(|&k| under(x, k) < from_width) {
                    visit(y * width + x, ky * kernel + kx, under(y, ky) * from_width + under(x, kx));
                }
            }
        }
    }
}
