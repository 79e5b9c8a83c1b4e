//! Multiply-adds of the network: every weight of a convolution once for each cell of what it makes.

use super::layers::{ConvSilu, Csp, Separable};
use super::topology::{Branches, Layers};
use crate::pose::Size;
use burn::nn::conv::Conv2d;

/// Counts instead of computing; a map is its size in cells.
#[derive(Default)]
pub(super) struct MacCounter {
    /// Multiply-adds so far.
    pub macs: u64,
}

impl MacCounter {
    fn count(&mut self, conv: &Conv2d, x: Size) -> Size {
        let [down, right] = conv.stride;
        let size = Size::new(x.width.div_ceil(right as u32), x.height.div_ceil(down as u32));
        self.macs += weights(conv) * size.area() as u64;
        size
    }
}

impl Layers for MacCounter {
    type Map = Size;

    fn conv(&mut self, layer: &ConvSilu, x: &Size) -> Size {
        self.count(&layer.conv, *x)
    }

    fn linear(&mut self, layer: &Conv2d, x: &Size) -> Size {
        self.count(layer, *x)
    }

    fn separable(&mut self, layer: &Separable, x: &Size) -> Size {
        let size = self.count(&layer.depthwise.conv, *x);
        self.count(&layer.pointwise.conv, size)
    }

    fn separable_over(&mut self, layer: &Separable, x: &Size, _: Size, _: bool) -> Size {
        self.separable(layer, x)
    }

    fn branches(&mut self, csp: &Csp, x: &Size) -> Branches<Size> {
        Branches { main: self.conv(&csp.main, x), short: self.conv(&csp.short, x) }
    }

    fn concat(&mut self, parts: &[&Size]) -> Size {
        *parts[0]
    }

    fn upsample_concat(&mut self, _: &Size, fine: &Size) -> Size {
        *fine
    }

    fn max_pool(&mut self, x: &Size) -> Size {
        *x
    }

    fn gated_conv(&mut self, gate: &Conv2d, layer: &ConvSilu, x: &Size) -> Size {
        // The gate sees one cell: the mean.
        self.macs += weights(gate);
        self.conv(layer, x)
    }
}

/// Number of a convolution's weights, without biases.
fn weights(conv: &Conv2d) -> u64 {
    conv.weight.lazy_shape().iter().product::<usize>() as u64
}
