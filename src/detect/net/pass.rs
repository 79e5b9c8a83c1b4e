//! The network as Burn runs it.

use super::layers::{ConvSilu, Csp, Separable};
use super::topology::{Branches, Layers};
use burn::nn::conv::Conv2d;
use burn::prelude::*;
use burn::tensor::activation::{hard_sigmoid, silu};
use burn::tensor::module::{interpolate, max_pool2d};
use burn::tensor::ops::{InterpolateMode, InterpolateOptions, MaxPoolOptions};

/// How a pass runs a convolution that SiLU follows. Inference and training just run it;
/// [`super::DetectorNet::settled`] looks at what comes out.
pub(super) type Run<'a> = &'a mut dyn FnMut(&Conv2d, Tensor<4>) -> Tensor<4>;

/// Computes every map (`[N,C,H,W]`) at once.
pub(super) struct BurnLayers<'a> {
    /// Called for each convolution that SiLU follows.
    pub run: Run<'a>,
}

impl Layers for BurnLayers<'_> {
    type Map = Tensor<4>;

    fn conv(&mut self, layer: &ConvSilu, x: &Tensor<4>) -> Tensor<4> {
        silu((self.run)(&layer.conv, x.clone()))
    }

    fn linear(&mut self, layer: &Conv2d, x: &Tensor<4>) -> Tensor<4> {
        layer.forward(x.clone())
    }

    fn separable(&mut self, layer: &Separable, x: &Tensor<4>) -> Tensor<4> {
        let seen = self.conv(&layer.depthwise, x);
        self.conv(&layer.pointwise, &seen)
    }

    fn separable_over(
        &mut self,
        layer: &Separable,
        x: &Tensor<4>,
        old: Tensor<4>,
        residual: bool,
    ) -> Tensor<4> {
        let made = self.separable(layer, x);
        if residual { made + old } else { made }
    }

    fn branches(&mut self, csp: &Csp, x: &Tensor<4>) -> Branches<Tensor<4>> {
        let short = self.conv(&csp.short, x);
        Branches { main: self.conv(&csp.main, x), short }
    }

    fn concat(&mut self, parts: &[&Tensor<4>]) -> Tensor<4> {
        Tensor::cat(parts.iter().map(|&part| part.clone()).collect(), 1)
    }

    fn upsample_concat(&mut self, coarse: &Tensor<4>, fine: &Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = coarse.dims();
        let options = InterpolateOptions::new(InterpolateMode::Nearest)
            .with_align_corners(false)
            .with_output_size([2 * height, 2 * width]);
        self.concat(&[&interpolate(coarse.clone(), options), fine])
    }

    fn max_pool(&mut self, x: &Tensor<4>) -> Tensor<4> {
        max_pool2d(x.clone(), MaxPoolOptions::new([5, 5]).with_stride([1, 1]).with_padding([2, 2]))
    }

    fn gated_conv(&mut self, gate: &Conv2d, layer: &ConvSilu, x: &Tensor<4>) -> Tensor<4> {
        let mean = x.clone().mean_dims(&[2, 3]);
        let open = hard_sigmoid(gate.forward(mean), 1.0 / 6.0, 0.5);
        self.conv(layer, &(x.clone() * open))
    }
}
