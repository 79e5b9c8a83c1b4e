//! PP-TinyPose's wide naive Lite-HRNet up to its last feature: 40 channels at stride 4.

use crate::model::conv::ConvBn;
use burn::prelude::*;
use burn::tensor::activation::relu;

/// The backbone of tmpose-t.
#[derive(Module, Debug)]
pub struct LiteHrNet {
    pub stem1: ConvBn,
    pub stem2: ConvBn,
}

impl LiteHrNet {
    /// Fresh weights.
    pub fn new(device: &Device) -> LiteHrNet {
        LiteHrNet { stem1: ConvBn::new(3, 32, 3, 2, device), stem2: ConvBn::new(32, 40, 3, 2, device) }
    }

    /// `[B,3,H,W]` to `[B,40,H/4,W/4]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        relu(self.stem2.forward(relu(self.stem1.forward(images))))
    }

    /// Batch norms folded into the convolutions; inference only.
    pub fn fold(self) -> LiteHrNet {
        LiteHrNet { stem1: self.stem1.fold(), stem2: self.stem2.fold() }
    }

    /// Multiply-accumulates for an input of `[height, width]`.
    pub fn macs(&self, input: [usize; 2]) -> u64 {
        let (half, first) = self.stem1.macs(input);
        first + self.stem2.macs(half).1
    }
}
