//! Two operations whose general form is slow on the CPU backend, written as copies and matrix products there.
//!
//! Measured on one core for a 256x192 picture: first convolution 3.5 ms, three up-samplings 1.6 ms, of 20 ms
//! for the whole backbone. Other devices take the general form, which is one kernel there.

use burn::nn::conv::Conv2d;
use burn::prelude::*;
use burn::tensor::module::{conv2d, interpolate};
use burn::tensor::ops::{ConvOptions, InterpolateMode, InterpolateOptions};

fn on_cpu(x: &Tensor<4>) -> bool {
    x.device() == Device::flex()
}

/// A 3x3 convolution of stride 2 and padding 1 over few channels: `[B,C,H,W] -> [B,C_out,H/2,W/2]`, H and W
/// even.
///
/// On the CPU: the nine shifted pictures side by side, then one matrix product.
pub(super) fn picture_convolution(conv: &Conv2d, image: Tensor<4>) -> Tensor<4> {
    if !on_cpu(&image) {
        return conv.forward(image);
    }
    let [batch, channels, height, width] = image.dims();
    let weight = conv.weight.val();
    let [channels_out, ..] = weight.dims();
    let padded = image.pad((1, 0, 1, 0), 0.0);
    let shifted = (0..9).map(|tap| {
        let (row, column) = (tap / 3, tap % 3);
        padded.clone().slice(s![.., .., row..row + height - 1; 2, column..column + width - 1; 2])
    });
    let columns = Tensor::cat(shifted.collect(), 1);
    let kernel = weight.permute([0, 2, 3, 1]).reshape([channels_out, 9 * channels, 1, 1]);
    let bias = conv.bias.as_ref().map(|bias| bias.val());
    debug_assert_eq!(columns.dims(), [batch, 9 * channels, height / 2, width / 2]);
    conv2d(columns, kernel, bias, ConvOptions::new([1, 1], [0, 0], [1, 1], 1))
}

/// Bilinear up-sampling to twice the size, corners aligned: `[B,C,H,W] -> [B,C,2H,2W]`.
///
/// On the CPU: a matrix product from either side, since the weights of rows and columns are independent.
pub(super) fn double_bilinear(map: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = map.dims();
    if !on_cpu(&map) {
        let options = InterpolateOptions::new(InterpolateMode::Bilinear)
            .with_align_corners(true)
            .with_output_size([2 * height, 2 * width]);
        return interpolate(map, options);
    }
    let device = map.device();
    let weights = |size: usize| {
        Tensor::<2>::from_data(TensorData::new(doubling_weights(size), [2 * size, size]), &device)
    };
    let wide = map.reshape([batch * channels * height, width]).matmul(weights(width).transpose());
    let tall = weights(height).unsqueeze::<3>().matmul(wide.reshape([batch * channels, height, 2 * width]));
    tall.reshape([batch, channels, 2 * height, 2 * width])
}

/// Row `i`: how much each of `size` samples counts in the `i`-th of twice as many, first and last aligned.
fn doubling_weights(size: usize) -> Vec<f32> {
    let mut weights = vec![0.0; 2 * size * size];
    let step = (size - 1) as f32 / (2 * size - 1) as f32;
    for (i, row) in weights.chunks_exact_mut(size).enumerate() {
        let place = i as f32 * step;
        let below = (place as usize).min(size.saturating_sub(2));
        row[below] = 1.0 - (place - below as f32);
        if let Some(above) = row.get_mut(below + 1) {
            *above = place - below as f32;
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::PaddingConfig2d;
    use burn::nn::conv::Conv2dConfig;
    use burn::tensor::Distribution;

    fn random(shape: [usize; 4]) -> Tensor<4> {
        Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
    }

    fn assert_close(a: Tensor<4>, b: Tensor<4>) {
        assert_eq!(a.dims(), b.dims());
        let worst: f32 = (a - b).abs().max().into_scalar();
        assert!(worst < 1e-5, "differs by {worst}");
    }

    #[test]
    fn the_picture_convolution_is_the_general_one() {
        let conv = Conv2dConfig::new([3, 32], [3, 3])
            .with_stride([2, 2])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
            .init(&Device::flex());
        let image = random([2, 3, 16, 12]);
        assert_close(picture_convolution(&conv, image.clone()), conv.forward(image));
    }

    #[test]
    fn doubling_is_bilinear_interpolation_with_aligned_corners() {
        for (height, width) in [(8, 6), (3, 5), (2, 1), (1, 1)] {
            let map = random([2, 4, height, width]);
            let options = InterpolateOptions::new(InterpolateMode::Bilinear)
                .with_align_corners(true)
                .with_output_size([2 * height, 2 * width]);
            assert_close(double_bilinear(map.clone()), interpolate(map, options));
        }
    }
}
