//! What a step minimises.

use super::passes::SandwichPasses;
use crate::pose::Size;
use crate::train::config::{LossSection, TrainConfig};
use crate::train::distill::DistillWeights;

/// What a step minimises.
pub struct LossSpec {
    /// Against the truth.
    pub loss: LossSection,
    /// Against a teacher, and against the pass with all tokens.
    pub distill: DistillWeights,
    /// In which passes.
    pub passes: SandwichPasses,
}

impl LossSpec {
    /// For a network whose tokens lie in a grid of [rows, columns].
    pub fn new(config: &TrainConfig, grid: Size) -> LossSpec {
        LossSpec {
            loss: config.loss.clone(),
            distill: DistillWeights::new(config),
            passes: SandwichPasses::new(&config.masks, grid),
        }
    }
}
