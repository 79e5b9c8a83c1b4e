//! The detector's network on the CPU, written out by hand for inference.
//!
//! [`CpuNet::new`] writes the topology down as programs: lists of layers over maps, once for each network.
//!
//! Operation by operation, the CPU backend walks over every map four times (convolution, bias, sigmoid, product) with a
//! scalar exponential; here a strip of rows passes through depthwise and pointwise convolution with their rectifiers
//! while it lies in a core's cache. `tests` compares the results with [`DetectorNet`]'s.

#[allow(clippy::too_many_arguments)] // Kernels take plain slices; a struct would hide what they write.
mod kernels;
mod layers;
mod map;
mod pool;
mod program;

use super::net::{DetectorNet, STRIDES, topology};
use crate::pose::Size;
pub use map::Map;
use program::{CpuProgram, Recorder};
use rayon::prelude::*;

/// The weights of a [`DetectorNet`], and the layers that they belong to.
#[derive(Clone, Debug)]
pub struct CpuNet {
    /// Backbone and neck: a picture to three maps, finest first.
    trunk: CpuProgram,
    heads: Vec<HeadPrograms>,
}

/// The two rows of layers of a head; both see the same map.
#[derive(Clone, Debug)]
struct HeadPrograms {
    scores: CpuProgram,
    distances: CpuProgram,
}

/// What the network says on one map of one picture, cell by cell in rows.
#[derive(Clone, Debug)]
pub struct CpuLevel {
    /// In cells.
    pub size: Size,
    /// Logits.
    pub scores: Vec<f32>,
    /// Left, top, right, bottom of each cell in pixels of the network's input; may be negative.
    pub distances: Vec<[f32; 4]>,
}

impl CpuNet {
    /// Copies the weights of `net`, wherever it lives.
    pub fn new(net: &DetectorNet) -> CpuNet {
        let channels = net.backbone.stem[0].conv.weight.dims()[1];
        let mut recorder = Recorder::new(channels);
        let maps = topology::trunk(&net.backbone, &net.neck, &mut recorder, Recorder::INPUT);
        let heads = net.heads.iter().zip(&maps).map(|(head, map)| {
            let channels = recorder.channels(*map);
            let mut scores = Recorder::new(channels);
            let logits = topology::scores(head, &mut scores, &Recorder::INPUT);
            let mut distances = Recorder::new(channels);
            let sides = topology::distances(head, &mut distances, &Recorder::INPUT);
            HeadPrograms { scores: scores.finish(&[logits]), distances: distances.finish(&[sides]) }
        });
        let heads = heads.collect();
        CpuNet { trunk: recorder.finish(&maps), heads }
    }

    /// A normalised RGB picture whose sides are multiples of 32, to what the maps at strides 8, 16 and 32 say.
    pub fn forward(&self, picture: &Map) -> Vec<CpuLevel> {
        let maps = self.trunk.run(picture);
        let heads = self.heads.par_iter().zip(&maps).zip(STRIDES);
        heads.map(|((head, map), stride)| head.forward(map, stride)).collect()
    }
}

impl HeadPrograms {
    fn forward(&self, map: &Map, stride: usize) -> CpuLevel {
        let run = |program: &CpuProgram| program.run(map).into_iter().flat_map(|map| map.values).collect();
        let (scores, distances): (Vec<f32>, Vec<f32>) =
            rayon::join(|| run(&self.scores), || run(&self.distances));
        let distances = distances.as_chunks::<4>().0.iter();
        CpuLevel {
            size: Size::from_hw(map.size()),
            scores,
            distances: distances.map(|cell| cell.map(|d| d * stride as f32)).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
