//! A convolution and its batch norm, which folding merges into one convolution.

use crate::cpu::{Filter, NormOrigin, Origin, WeightOrder};
use crate::pose::Size;
use burn::module::Param;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, PaddingConfig2d};
use burn::prelude::*;

/// Convolution without bias, then batch norm. After [`ConvBn::fold`] `bn` is gone and the convolution
/// has a bias. No activation.
#[derive(Module, Debug)]
pub struct ConvBn {
    pub conv: Conv2d,
    pub bn: Option<BatchNorm>,
}

impl ConvBn {
    /// Square kernel of odd size with "same" zero padding.
    pub fn new(inputs: usize, outputs: usize, kernel: usize, stride: usize, device: &Device) -> ConvBn {
        ConvBn::grouped(inputs, outputs, kernel, stride, 1, device)
    }

    /// Like [`ConvBn::new`] in `groups` groups (`groups == inputs == outputs`: depthwise).
    pub fn grouped(
        inputs: usize,
        outputs: usize,
        kernel: usize,
        stride: usize,
        groups: usize,
        device: &Device,
    ) -> ConvBn {
        let pad = kernel / 2;
        ConvBn {
            conv: Conv2dConfig::new([inputs, outputs], [kernel, kernel])
                .with_stride([stride, stride])
                .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
                .with_groups(groups)
                .with_bias(false)
                .with_initializer(Initializer::Normal { mean: 0.0, std: 0.001 })
                .init(device),
            bn: Some(BatchNormConfig::new(outputs).init(device)),
        }
    }

    /// `[B,inputs,H,W]` to `[B,outputs,ceil(H/stride),ceil(W/stride)]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = self.conv.forward(x);
        match &self.bn {
            Some(bn) => bn.forward(y),
            None => y,
        }
    }

    /// The same map as one convolution with a bias; for inference, since batch statistics are gone.
    pub fn fold(self) -> ConvBn {
        let ConvBn { mut conv, bn } = self;
        let Some(bn) = bn else { return ConvBn { conv, bn: None } };
        let (scale, shift) = scale_and_shift(&bn);
        let [outputs] = scale.dims();
        conv.weight = Param::from_tensor(conv.weight.val() * scale.clone().reshape([outputs, 1, 1, 1]));
        let shift = match &conv.bias {
            Some(bias) => shift + bias.val() * scale,
            None => shift,
        };
        conv.bias = Some(Param::from_tensor(shift));
        ConvBn { conv, bn: None }
    }

    /// The weights of [`ConvBn::fold`] for the CPU's engine, which takes them apart again where they are trained.
    pub fn filter(&self) -> Filter {
        let mut folded = filter(&self.clone().fold().conv);
        if let Some(bn) = &self.bn {
            let (gamma, beta) = (bn.gamma.id.val(), bn.beta.id.val());
            let norm = NormOrigin { gamma, beta, epsilon: bn.epsilon as f32 };
            folded.origin = filter(&self.conv).origin.map(|origin| Origin { norm: Some(norm), ..origin });
        }
        folded
    }

    /// Size of the output map for an input map of size `input`, and multiply-accumulates.
    pub fn macs(&self, input: Size) -> (Size, u64) {
        let [outputs, group_inputs, kh, kw] = self.conv.weight.lazy_shape().dims();
        let [sh, sw] = self.conv.stride;
        let [height, width] = input.hw();
        let out = Size::from_hw([height.div_ceil(sh), width.div_ceil(sw)]);
        (out, (outputs * group_inputs * kh * kw * out.area()) as u64)
    }
}

/// The weights of a convolution with a square kernel for the CPU's engine.
///
/// # Panics
/// When the device that holds them fails.
pub fn filter(conv: &Conv2d) -> Filter {
    let [outputs, _, kernel, _] = conv.weight.lazy_shape().dims();
    let bias = conv.bias.as_ref().map_or_else(|| vec![0.0; outputs], |bias| numbers(bias.val()));
    let bias_id = conv.bias.as_ref().map(|bias| bias.id.val());
    let origin = Origin::whole(conv.weight.id.val(), bias_id, outputs, WeightOrder::OutputsFirst);
    Filter { weights: numbers(conv.weight.val()), bias, kernel, origin: Some(origin) }
}

/// A tensor's numbers, row-major.
///
/// # Panics
/// When the device that holds them fails.
pub fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let data = tensor.into_data().convert::<f32>();
    data.try_into_vec().expect("the data were converted to f32 just now")
}

/// A batch norm with its running statistics as `x * scale + shift` for each channel.
pub fn scale_and_shift(bn: &BatchNorm) -> (Tensor<1>, Tensor<1>) {
    let scale = bn.gamma.val() / bn.running_var.value_sync().add_scalar(bn.epsilon).sqrt();
    let shift = bn.beta.val() - bn.running_mean.value_sync() * scale.clone();
    (scale, shift)
}
