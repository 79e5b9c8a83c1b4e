//! The detector's network.

mod backbone;
mod head;
mod layers;
mod macs;
mod neck;
mod pass;
pub mod topology;

use super::DetectorConfig;
use crate::model::backbone::{ConvMismatch, ConvWeights, fill_convolutions};
use crate::pose::Size;
pub use backbone::CspNext;
use burn::nn::conv::Conv2d;
use burn::prelude::*;
use burn::tensor::activation::relu;
pub use head::Head;
pub use layers::{ConvSilu, Csp, Separable};
use macs::MacCounter;
pub use neck::Neck;
use pass::{BurnLayers, Run};
use std::collections::HashMap;

/// Pixels of the picture from one cell to the next on each of the three maps.
pub const STRIDES: [usize; 3] = [8, 16, 32];

/// Added to the deviation of a channel that may not vary at all.
const SMALLEST_DEVIATION: f64 = 1e-3;

/// What the network says on one map of `h` x `w` cells. Cell `(i, j)`, row and column, stands for the pixel
/// `x = j * stride, y = i * stride` of its input.
#[derive(Clone, Debug)]
pub struct Level {
    /// `[N,1,h,w]`: logit that the cell lies on a person.
    pub scores: Tensor<4>,
    /// `[N,4,h,w]`: from the cell's pixel to the left, top, right and bottom of the person's box, in pixels of the
    /// network's input, never negative.
    pub distances: Tensor<4>,
    /// One of [`STRIDES`].
    pub stride: usize,
}

/// RTMDet with one class: CSPNeXt, CSPNeXt-PAFPN and a head on each of three maps; made by [`DetectorConfig::init`].
#[derive(Module, Debug)]
pub struct DetectorNet {
    /// CSPNeXt.
    pub backbone: CspNext,
    /// CSPNeXt-PAFPN.
    pub neck: Neck,
    /// Finest map first.
    pub heads: Vec<Head>,
}

impl DetectorNet {
    /// Convolutions in a network of the default configuration.
    pub const CONVOLUTIONS: usize = 123;

    pub(super) fn new(config: &DetectorConfig, device: &Device) -> Self {
        Self {
            backbone: CspNext::new(config, device),
            neck: Neck::new(config, device),
            heads: STRIDES.iter().map(|_| Head::new(config.head, config.head_layers, device)).collect(),
        }
    }

    /// Normalised RGB `[N,3,H,W]`, H and W multiples of 32, to what the maps at strides 8, 16 and 32 say.
    pub fn forward(&self, images: Tensor<4>) -> Vec<Level> {
        self.pass(images, &mut |conv, x| conv.forward(x))
    }

    fn pass(&self, images: Tensor<4>, run: Run) -> Vec<Level> {
        let mut layers = BurnLayers { run };
        let maps = topology::trunk(&self.backbone, &self.neck, &mut layers, images);
        let heads = self.heads.iter().zip(maps).zip(STRIDES);
        let level = |((head, map), stride)| {
            let scores = topology::scores(head, &mut layers, &map);
            let distances = topology::distances(head, &mut layers, &map) * stride as f64;
            Level { scores, distances: not_negative(distances), stride }
        };
        heads.map(level).collect()
    }

    /// A network with random weights, made ready for training: every channel in front of a rectifier gets mean 0 and
    /// deviation 1 over `images` (`[N,3,H,W]`, a batch of what it will learn from). The network has no batch norms
    /// that would do so, and without them a signal fades or grows from layer to layer (Salimans and Kingma, arXiv
    /// 1602.07868). Never for trained weights: it would undo them.
    pub fn settled(mut self, images: Tensor<4>) -> Self {
        let mut found = HashMap::new();
        self.pass(images, &mut |conv, x| {
            let made = conv.forward(x);
            let [_, channels, _, _] = made.dims();
            let row = made.clone().swap_dims(0, 1).reshape([channels as i32, -1]);
            let mean = row.clone().mean_dim(1);
            let deviation = (row - mean.clone()).square().mean_dim(1).sqrt().add_scalar(SMALLEST_DEVIATION);
            let (mean, scale) =
                (mean.squeeze_dim::<1>(1).detach(), deviation.recip().squeeze_dim::<1>(1).detach());
            found.insert(conv.weight.id, (mean.clone(), scale.clone()));
            let shape = [1, channels, 1, 1];
            (made - mean.reshape(shape)) * scale.reshape(shape)
        });
        for conv in self.convolutions() {
            let Some((mean, scale)) = found.remove(&conv.weight.id) else { continue };
            let [channels] = scale.dims();
            let shaped = scale.clone().reshape([channels, 1, 1, 1]);
            conv.weight = conv.weight.clone().map(|w| leaf_like(&w, w.clone() * shaped));
            conv.bias = conv.bias.take().map(|bias| bias.map(|b| leaf_like(&b, (b.clone() - mean) * scale)));
        }
        self
    }

    /// Multiply-adds for one picture whose sides, in pixels, are multiples of 32.
    pub fn macs(&self, picture: Size) -> u64 {
        let mut counter = MacCounter::default();
        let maps = topology::trunk(&self.backbone, &self.neck, &mut counter, picture);
        for (head, map) in self.heads.iter().zip(&maps) {
            topology::scores(head, &mut counter, map);
            topology::distances(head, &mut counter, map);
        }
        counter.macs
    }

    /// Replaces all weights, given in the order in which the published graph runs its convolutions: backbone, neck,
    /// then head by head scores and distances. The first convolution must expect RGB.
    ///
    /// # Errors
    /// Another number of convolutions, or another shape.
    pub fn with_weights(mut self, given: Vec<ConvWeights>) -> Result<Self, ConvMismatch> {
        let convolutions = self.convolutions();
        if convolutions.len() != given.len() {
            return Err(ConvMismatch::Count { wanted: convolutions.len(), found: given.len() });
        }
        fill_convolutions(convolutions, given, 0)?;
        Ok(self)
    }

    /// Shapes of the convolutions' weights in the order of [`Self::with_weights`]; a bias has the first length.
    pub fn weight_shapes(&self) -> Vec<Vec<usize>> {
        let shape = |conv: &mut Conv2d| conv.weight.lazy_shape().iter().copied().collect();
        self.clone().convolutions().into_iter().map(shape).collect()
    }

    /// All convolutions in the order of [`Self::with_weights`].
    fn convolutions(&mut self) -> Vec<&mut Conv2d> {
        let mut list = Vec::new();
        self.backbone.convolutions(&mut list);
        self.neck.convolutions(&mut list);
        self.heads.iter_mut().for_each(|head| head.convolutions(&mut list));
        list
    }
}

/// Zero where `x` is negative, with the gradient of `x` itself: a distance that fell below zero can grow again, which
/// the gradient of a rectifier would forbid. The published network leaves such distances negative.
fn not_negative(x: Tensor<4>) -> Tensor<4> {
    let missing = relu(-x.clone()).detach();
    x + missing
}

/// The numbers of `values` as a parameter that is trained if `old` is: what is computed from a parameter is none.
fn leaf_like<const D: usize>(old: &Tensor<D>, values: Tensor<D>) -> Tensor<D> {
    let device = values.device();
    Tensor::from_data(values.into_data(), &device).set_require_grad(old.is_require_grad())
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;

    fn picture(side: usize, device: &Device) -> Tensor<4> {
        Tensor::random([1, 3, side, side], Distribution::Normal(0.0, 1.0), device)
    }

    #[test]
    fn size_and_cost_are_those_of_the_published_graph() {
        let config = DetectorConfig::default();
        let net = config.init(&Device::flex());
        assert_eq!(net.weight_shapes().len(), DetectorNet::CONVOLUTIONS);
        assert_eq!(net.num_params(), 985_927);
        assert_eq!(net.macs(Size::square(320)), 308_035_840);
    }

    #[test]
    fn three_maps_come_out_of_any_multiple_of_32() {
        let device = Device::flex();
        let net = DetectorConfig::default().init(&device);
        let levels = net.forward(Tensor::zeros([2, 3, 64, 96], &device));
        for (level, stride) in levels.iter().zip(STRIDES) {
            assert_eq!(level.stride, stride);
            assert_eq!(level.scores.dims(), [2, 1, 64 / stride, 96 / stride]);
            assert_eq!(level.distances.dims(), [2, 4, 64 / stride, 96 / stride]);
        }
    }

    #[test]
    fn a_fresh_network_settled_on_pictures_is_active_and_uncertain_everywhere() {
        let device = Device::flex();
        device.seed(5);
        let images = Tensor::cat(vec![picture(96, &device), picture(96, &device) * 0.3], 0);
        let net = DetectorConfig::default().init(&device).settled(images.clone());
        let mut seen = 0;
        let levels = net.pass(images, &mut |conv, x| {
            let made = conv.forward(x);
            let spread: f32 = made.clone().square().mean().sqrt().into_scalar();
            assert!((0.5..1.1).contains(&spread), "convolution {seen}: root mean square {spread}");
            seen += 1;
            made
        });
        assert_eq!(seen, DetectorNet::CONVOLUTIONS - 4 - 6); // without gates and last layers
        for level in levels {
            assert!(level.distances.min().into_scalar::<f32>() >= 0.0);
            assert!(level.scores.max().into_scalar::<f32>() < -3.0);
        }
    }

    #[test]
    fn it_can_be_trained_from_the_first_convolution_on() {
        let device = Device::flex().autodiff();
        let net = DetectorConfig::default().init(&device);
        let levels = net.forward(picture(64, &device));
        let loss = levels.into_iter().map(|level| level.scores.mean() + level.distances.mean());
        let gradients = loss.reduce(|a, b| a + b).expect("three levels").backward();
        let first = net.backbone.stem[0].conv.weight.val();
        let first = first.grad(&gradients).expect("the first convolution has a gradient");
        assert!(first.abs().max().into_scalar::<f32>() > 0.0);
    }
}
