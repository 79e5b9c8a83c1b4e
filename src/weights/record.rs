//! Where weights come from and which network they are of: the header of a weight file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::PoseNetConfig;
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

impl TrainingRecord {
    /// Titles of every set that these weights saw, repetitions left out: this training's, and those of the
    /// trainings that it went on from, which `start` tells of.
    pub fn trained_on(&self) -> Vec<String> {
        let mut titles: Vec<String> = Vec::new();
        let before = self.start.split([',', ';', ':']).filter_map(|part| {
            // "2560 steps on people/train x1, people_coco/train x2; ..."
            let part = part.rsplit(" on ").next().unwrap_or(part).trim();
            let (title, repeat) = part.rsplit_once(" x")?;
            (title.contains('/') && repeat.parse::<usize>().is_ok()).then_some(title)
        });
        let now = self.sets.iter().map(|set| match set.rsplit_once(" x") {
            Some((title, repeat)) if repeat.parse::<usize>().is_ok() => title,
            _ => set.as_str(),
        });
        for title in now.chain(before) {
            if !titles.iter().any(|t| t == title) {
                titles.push(title.to_owned());
            }
        }
        titles
    }
}

/// Everything in a weight file besides its tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightsInfo {
    /// Shapes of the network.
    pub config: PoseNetConfig,
    /// The joints that it estimates.
    pub skeleton: Skeleton,
    /// How its weights came about.
    pub record: TrainingRecord,
    /// Format version of the file; [`super::FORMAT`] for one about to be written.
    pub format: u32,
}

impl WeightsInfo {
    /// The header of new weights.
    pub fn new(config: PoseNetConfig, skeleton: Skeleton, record: TrainingRecord) -> WeightsInfo {
        WeightsInfo { config, skeleton, record, format: super::FORMAT }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_this_training_and_of_those_before_it_are_known() {
        let record = TrainingRecord {
            sets: vec!["people/train x1".into(), "my people/train x2".into()],
            start: "t.safetensors: 2560 steps on people/train x1, people_coco/train x2; backbone: \
                    pp_tinypose_256x192.onnx (PP-TinyPose, trained on COCO train2017); the rest random"
                .into(),
            ..TrainingRecord::default()
        };
        assert_eq!(record.trained_on(), ["people/train", "my people/train", "people_coco/train"]);
        assert!(TrainingRecord::default().trained_on().is_empty());
    }
}
