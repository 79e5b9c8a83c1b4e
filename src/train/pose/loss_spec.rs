//! What a step minimises.

use super::passes::SandwichPasses;
use crate::pose::Size;
use crate::train::config::{LossSection, TrainConfig};
use crate::train::distill::DistillWeights;

/// What a step minimises.
pub struct LossSpec {
    /// Terms that compare with the annotations.
    pub loss: LossSection,
    /// Weights of the terms that compare with a teacher and with the pass with all tokens.
    pub distill: DistillWeights,
    /// The passes of each person.
    pub passes: SandwichPasses,
}

impl LossSpec {
    /// What `config` minimises, for a network whose visual tokens lie in this grid.
    pub fn new(config: &TrainConfig, grid: Size) -> LossSpec {
        LossSpec {
            loss: config.loss.clone(),
            distill: DistillWeights::new(config),
            passes: SandwichPasses::new(&config.masks, grid),
        }
    }
}
