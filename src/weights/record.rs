//! Where weights come from and which network they are of: the header of a weight file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::ModelConfig;
use crate::pose::Skeleton;

/// How weights came about, kept inside the file so that no file is without its history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainingRecord {
    /// The command that made them.
    pub command: String,
    /// Names of the data sets, with their parts and repetitions.
    pub sets: Vec<String>,
    /// Starting point with its source and licence; empty for random weights.
    pub start: String,
    /// Optimiser steps.
    pub steps: u64,
    /// Passes over the training persons.
    pub epochs: f64,
    /// Wall-clock training time.
    pub seconds: f64,
    /// Anything else worth keeping, e.g. accuracy on a named set.
    pub notes: BTreeMap<String, String>,
}

/// Everything in a weight file besides its tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightsInfo {
    pub config: ModelConfig,
    pub skeleton: Skeleton,
    pub record: TrainingRecord,
    /// Format version of the file; [`super::FORMAT`] for one about to be written.
    pub format: u32,
}

impl WeightsInfo {
    /// The header of new weights.
    pub fn new(config: ModelConfig, skeleton: Skeleton, record: TrainingRecord) -> WeightsInfo {
        WeightsInfo { config, skeleton, record, format: super::FORMAT }
    }
}
