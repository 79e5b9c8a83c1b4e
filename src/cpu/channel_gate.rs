//! A gate in training: every channel of a map times how far it is open (squeeze and excitation, arXiv 1709.01507).

use super::convolution::{load, store};
use super::lanes::Lanes;
use super::view::View;

/// What [`gate_channels`] and [`gate_gradient`] do.
#[derive(Clone, Copy, Debug)]
pub struct GateChannels<'a> {
    /// The map. Never up-sampled.
    pub source: View,
    /// From the channels' means to how far they are open, before the hard sigmoid: `[channels][channels]`, an output a row.
    pub weights: &'a [f32],
    /// One number for each channel.
    pub bias: &'a [f32],
    /// Kept from the forward pass for the backward one: each channel's mean, then how far it is open.
    pub kept: *mut f32,
    /// The gated map, or its gradient.
    pub output: View,
}

/// The gated map.
///
/// # Safety
/// As [`Lanes`]; the memory belongs to the caller for the time of the call, and nobody writes what is read.
#[inline(always)]
pub unsafe fn gate_channels<L: Lanes>(job: &GateChannels) {
    let GateChannels { source, weights, bias, kept, output } = *job;
    let (channels, pixels) = (source.channels, source.height * source.width);
    // SAFETY: as the caller says.
    unsafe {
        for channel in (0..channels).step_by(L::N) {
            let count = (channels - channel).min(L::N);
            let mut sum = L::splat(0.0);
            for pixel in 0..pixels {
                sum = L::add(sum, load::<L>(source.at.add(pixel * source.step + channel), count));
            }
            store::<L>(kept.add(channel), count, L::mul(sum, L::splat(1.0 / pixels as f32)));
        }
        for (channel, row) in weights.chunks_exact(channels).enumerate() {
            let mut sum = bias[channel];
            for (k, w) in row.iter().enumerate() {
                sum += *kept.add(k) * w;
            }
            *kept.add(channels + channel) = (sum / 6.0 + 0.5).clamp(0.0, 1.0);
        }
        for pixel in 0..pixels {
            for channel in (0..channels).step_by(L::N) {
                let count = (channels - channel).min(L::N);
                let v = load::<L>(source.at.add(pixel * source.step + channel), count);
                let open = load::<L>(kept.add(channels + channel), count);
                store::<L>(output.at.add(pixel * output.step + channel), count, L::mul(v, open));
            }
        }
    }
}

/// What [`gate_gradient`] does.
#[derive(Clone, Copy, Debug)]
pub struct GateGradient<'a> {
    /// The gate, with the gradient of the gated map in its output.
    pub gate: GateChannels<'a>,
    /// Where the gradient of the map goes, if it is needed; it is added to what is there.
    pub output: Option<View>,
    /// To these numbers `[inputs][outputs]` the gradient of the weights is added.
    pub weights: *mut f32,
    /// To these that of the bias.
    pub bias: *mut f32,
    /// Memory for two numbers a channel.
    pub scratch: *mut f32,
}

/// The gradients of a gate.
///
/// # Safety
/// As [`gate_channels`].
#[inline(always)]
pub unsafe fn gate_gradient<L: Lanes>(job: &GateGradient) {
    let GateGradient { gate, output, weights, bias, scratch } = *job;
    let GateChannels { source, kept, output: gradient, .. } = gate;
    let (channels, pixels) = (source.channels, source.height * source.width);
    // SAFETY: as the caller says.
    unsafe {
        let (logits, means) = (scratch, scratch.add(channels));
        for channel in (0..channels).step_by(L::N) {
            let count = (channels - channel).min(L::N);
            let mut sum = L::splat(0.0);
            for pixel in 0..pixels {
                let g = load::<L>(gradient.at.add(pixel * gradient.step + channel), count);
                sum = L::fma(g, load::<L>(source.at.add(pixel * source.step + channel), count), sum);
            }
            store::<L>(logits.add(channel), count, sum);
        }
        for channel in 0..channels {
            let open = *kept.add(channels + channel);
            let slope = if open > 0.0 && open < 1.0 { 1.0 / 6.0 } else { 0.0 };
            *logits.add(channel) *= slope;
            *bias.add(channel) += *logits.add(channel);
            *means.add(channel) = 0.0;
        }
        for k in 0..channels {
            for (channel, row) in gate.weights.chunks_exact(channels).enumerate() {
                *weights.add(k * channels + channel) += *logits.add(channel) * *kept.add(k);
                *means.add(k) += row[k] * *logits.add(channel) / pixels as f32;
            }
        }
        let Some(output) = output else { return };
        for pixel in 0..pixels {
            for channel in (0..channels).step_by(L::N) {
                let count = (channels - channel).min(L::N);
                let g = load::<L>(gradient.at.add(pixel * gradient.step + channel), count);
                let open = load::<L>(kept.add(channels + channel), count);
                let to = output.at.add(pixel * output.step + channel);
                let v = L::add(load::<L>(to, count), load::<L>(means.add(channel), count));
                store::<L>(to, count, L::fma(g, open, v));
            }
        }
    }
}
