//! The detector's network.

mod backbone;
mod head;
mod layers;
mod neck;

use super::DetectorConfig;
use crate::model::backbone::{ConvMismatch, ConvWeights, fill_convolutions};
pub use backbone::Backbone;
use burn::nn::conv::Conv2d;
use burn::prelude::*;
pub use head::Head;
pub use neck::Neck;

/// Pixels of the picture from one cell to the next on each of the three maps.
pub const STRIDES: [usize; 3] = [8, 16, 32];

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
    pub backbone: Backbone,
    pub neck: Neck,
    /// Finest map first.
    pub heads: Vec<Head>,
}

impl DetectorNet {
    pub(super) fn new(config: &DetectorConfig, device: &Device) -> Self {
        Self {
            backbone: Backbone::new(config, device),
            neck: Neck::new(config, device),
            heads: STRIDES.iter().map(|_| Head::new(config.head, config.head_layers, device)).collect(),
        }
    }

    /// Normalised RGB `[N,3,H,W]`, H and W multiples of 32, to what the maps at strides 8, 16 and 32 say.
    pub fn forward(&self, images: Tensor<4>) -> Vec<Level> {
        let maps = self.neck.forward(self.backbone.forward(images));
        let heads = self.heads.iter().zip(maps).zip(STRIDES);
        heads.map(|((head, map), stride)| head.forward(map, stride)).collect()
    }

    /// Multiply-adds of one picture of `input` (height, width): every weight of a convolution once for each position
    /// of its output.
    pub fn macs(&self, input: [usize; 2]) -> u64 {
        let cells = |stride: usize| ((input[0] / stride) * (input[1] / stride)) as u64;
        let heads = self.heads.iter().zip(STRIDES).map(|(head, stride)| head.macs(cells(stride)));
        self.backbone.macs(cells) + self.neck.macs(cells) + heads.sum::<u64>()
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
        assert_eq!(net.weight_shapes().len(), 123);
        assert_eq!(net.num_params(), 985_927);
        assert_eq!(net.macs([320, 320]), 308_035_840);
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
    fn a_fresh_network_is_unsure_everywhere_and_neither_explodes_nor_dies() {
        let device = Device::flex();
        device.seed(5);
        let net = DetectorConfig::default().init(&device);
        let maps = net.neck.forward(net.backbone.forward(picture(320, &device)));
        for (map, head) in maps.into_iter().zip(&net.heads) {
            let spread: f32 = map.clone().var(1).mean().sqrt().into_scalar();
            assert!((0.05..20.0).contains(&spread), "deviation {spread}");
            let level = head.forward(map, 8);
            let least: f32 = level.distances.min().into_scalar();
            assert!(least >= 0.0);
            let highest: f32 = level.scores.max().into_scalar();
            assert!(highest < 0.0, "logit {highest}");
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
