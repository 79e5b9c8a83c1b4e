//! Weights in the order in which the tile reads them.

use super::buffer::Buffer;
use super::lanes::Lanes;

/// Output channels that one pass of the tile makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panel {
    /// Where its weights begin in [`Packed::values`].
    pub at: usize,
    /// Its first output channel.
    pub first: usize,
    /// Vectors of output channels; the last one may be filled up with zeros.
    pub vectors: usize,
}

/// Weights of a convolution: panel by panel `[taps][inputs][vectors * N]`.
#[derive(Clone, Debug)]
pub struct Packed {
    /// See above.
    pub values: Buffer,
    /// One number for each output channel, filled up with zeros to whole vectors.
    pub bias: Buffer,
    /// Which output channels lie where.
    pub panels: Vec<Panel>,
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
}

/// Most vectors of a panel, so that the tile's sums fit the registers.
pub fn most_vectors<L: Lanes>() -> usize {
    if L::REGISTERS < 32 { 2 } else { 4 }
}

/// Packs `weights` `[outputs][inputs][taps]` for the lanes L.
///
/// # Panics
/// When there are not as many weights as said.
pub fn pack<L: Lanes>(weights: &[f32], bias: &[f32], inputs: usize, taps: usize) -> Packed {
    let outputs = bias.len();
    assert_eq!(weights.len(), outputs * inputs * taps, "weights of a convolution");
    let vectors = outputs.div_ceil(L::N);
    let count = vectors.div_ceil(most_vectors::<L>());
    let mut values = Vec::with_capacity(vectors * L::N * inputs * taps);
    let mut panels = Vec::with_capacity(count);
    for i in 0..count {
        // As even as possible.
        let (from, to) = (vectors * i / count, vectors * (i + 1) / count);
        panels.push(Panel { at: values.len(), first: from * L::N, vectors: to - from });
        for tap in 0..taps {
            for input in 0..inputs {
                values.extend((from * L::N..to * L::N).map(|output| {
                    if output < outputs { weights[(output * inputs + input) * taps + tap] } else { 0.0 }
                }));
            }
        }
    }
    let mut bias = bias.to_vec();
    bias.resize(vectors * L::N, 0.0);
    Packed { values: Buffer::from(&values[..]), bias: Buffer::from(&bias[..]), panels, inputs, outputs }
}

/// Weights of a depthwise convolution: `[taps][channels filled up to whole vectors]`.
#[derive(Clone, Debug)]
pub struct PackedDepthwise {
    /// See above.
    pub values: Buffer,
    /// One number for each channel, filled up likewise.
    pub bias: Buffer,
}

impl PackedDepthwise {
    /// Channels filled up to whole vectors.
    pub fn wide(&self) -> usize {
        self.bias.len()
    }
}

/// Packs `weights` `[channels][taps]`.
///
/// # Panics
/// When there are not as many weights as said.
pub fn pack_depthwise<L: Lanes>(weights: &[f32], bias: &[f32], taps: usize) -> PackedDepthwise {
    let channels = bias.len();
    assert_eq!(weights.len(), channels * taps, "weights of a depthwise convolution");
    let wide = channels.next_multiple_of(L::N);
    let mut values = vec![0.0; taps * wide];
    for (tap, row) in values.chunks_exact_mut(wide).enumerate() {
        for (channel, value) in row.iter_mut().take(channels).enumerate() {
            *value = weights[channel * taps + tap];
        }
    }
    let mut bias = bias.to_vec();
    bias.resize(wide, 0.0);
    PackedDepthwise { values: Buffer::from(&values[..]), bias: Buffer::from(&bias[..]) }
}
