//! The mean of several networks' weights.
//!
//! A network that was trained further, averaged with the one it started from, keeps what both are good at
//! (WiSE-FT, arXiv 2109.01903); the mean of several trainings from one start is better than most of them ("model
//! soups", arXiv 2203.05482). Networks that were trained apart from the beginning have no useful mean.

use super::{TrainingRecord, WeightsError, container};
use crate::model::fill_params;
use burn::module::Module;
use std::collections::HashMap;
use std::path::Path;

/// A file's network with its share of a mean.
pub struct AverageInput<M> {
    /// The network of one of the files.
    pub network: M,
    /// Above 0; shares count relative to their sum.
    pub share: f64,
    /// The history of its weights.
    pub record: TrainingRecord,
    /// What the file is called in the mean's record.
    pub name: String,
}

/// The mean of networks of one configuration, number by number, and its history. `None` without networks. Statistics of
/// batch norms are averaged too, which is right where they are alike; `path` is where the mean will go, for messages.
///
/// # Errors
/// The numbers of a network cannot be read from its device.
pub fn average<M: Module>(
    parts: Vec<AverageInput<M>>,
    path: &Path,
) -> Result<Option<(M, TrainingRecord)>, WeightsError> {
    let whole: f64 = parts.iter().map(|part| part.share).sum();
    let mut sums: HashMap<String, Vec<f64>> = HashMap::new();
    for part in &parts {
        for tensor in container::collect(&part.network, path)? {
            let share = part.share / whole;
            let sum = sums.entry(tensor.name).or_insert_with(|| vec![0.0; tensor.values.len()]);
            sum.iter_mut().zip(&tensor.values).for_each(|(sum, &value)| *sum += share * f64::from(value));
        }
    }
    let record = record(&parts, whole);
    let Some(first) = parts.into_iter().next() else { return Ok(None) };
    let mean = fill_params(first.network, |param| {
        Some(sums.remove(&param.path)?.into_iter().map(|value| value as f32).collect())
    });
    Ok(Some((mean, record)))
}

/// The history of a mean: everything that any of its parts saw.
fn record<M>(parts: &[AverageInput<M>], whole: f64) -> TrainingRecord {
    let mut mean = TrainingRecord::default();
    for AverageInput { record, .. } in parts {
        let new = record.sets.iter().filter(|set| !mean.sets.contains(set)).cloned().collect::<Vec<_>>();
        mean.sets.extend(new);
        mean.steps = mean.steps.max(record.steps);
        mean.epochs = mean.epochs.max(record.epochs);
        mean.seconds += record.seconds;
    }
    let told = parts.iter().map(|AverageInput { name, share, record, .. }| {
        let start = if record.start.is_empty() { "random" } else { &record.start };
        format!("{:.2} of {name} (from {start})", share / whole)
    });
    mean.start = format!("mean of {}", told.collect::<Vec<_>>().join("; "));
    mean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{DetectorConfig, DetectorNet};
    use burn::prelude::*;

    fn net(value: f32) -> DetectorNet {
        fill_params(DetectorConfig::default().init(&Device::flex()), |param| {
            Some(vec![value; param.shape.iter().product()])
        })
    }

    fn part(value: f32, share: f64, set: &str) -> AverageInput<DetectorNet> {
        let record = TrainingRecord {
            sets: vec![format!("{set} x1")],
            start: "RTMDet-nano".into(),
            steps: 10,
            seconds: 5.0,
            ..TrainingRecord::default()
        };
        AverageInput { network: net(value), share, record, name: format!("{value}.safetensors") }
    }

    #[test]
    fn every_number_is_the_weighted_mean_and_nothing_is_forgotten() {
        let parts = vec![part(1.0, 3.0, "a/train"), part(5.0, 1.0, "b/train")];
        let (mean, record) = average(parts, Path::new("mean")).unwrap().unwrap();
        for tensor in container::collect(&mean, Path::new("mean")).unwrap() {
            assert!(tensor.values.iter().all(|&v| v == 2.0), "{}", tensor.name);
        }
        assert_eq!(record.trained_on(), ["a/train", "b/train"]);
        assert_eq!((record.steps, record.seconds), (10, 10.0));
        assert_eq!(
            record.start,
            "mean of 0.75 of 1.safetensors (from RTMDet-nano); 0.25 of 5.safetensors (from RTMDet-nano)"
        );
        assert!(average::<DetectorNet>(Vec::new(), Path::new("mean")).unwrap().is_none());
    }
}
