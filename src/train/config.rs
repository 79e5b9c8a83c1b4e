//! Every setting of a training, as one TOML file, the flags of `tmpose train` and the window's form
//! know it.

use crate::data::{Augmentation, SetSpec, TeacherRules};
use crate::gpu::DeviceChoice;
use crate::model::{MaskKind, Variant};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A whole training. Every field has a default, so a file names only what differs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    pub model: ModelSection,
    pub data: DataSection,
    pub augmentation: Augmentation,
    pub loss: LossSection,
    pub masks: MaskSection,
    pub schedule: ScheduleSection,
    pub run: RunSection,
}

/// Which network, and where it starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSection {
    /// tmpose-t, -s, -b, -l-d6, -l-d18 or -l-d24.
    #[serde(with = "as_text")]
    pub variant: Variant,
    /// `coco17`, `mpii16` or the path of a skeleton file.
    pub skeleton: String,
    /// Layers of the transformer; 0 is the variant's own number.
    pub depth: usize,
    /// Starting weights: .safetensors of ours, .pth of TokenPose, TMPose, PPT or HRNet, or the .onnx
    /// file of PP-TinyPose (backbone of tmpose-t).
    pub init: Option<PathBuf>,
    /// Leave the backbone as it starts. Its features are then computed once and kept on disk.
    pub freeze_backbone: bool,
}

/// Which people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataSection {
    /// Sets to train on: FOLDER[:passes an epoch].
    pub train: Vec<SetSpec>,
    /// The set that decides which weights are best.
    pub val: Option<PathBuf>,
    /// Further sets that the finished weights are measured on, for the model card.
    pub report: Vec<PathBuf>,
    /// Use labels of public models that lie beside a set.
    pub teacher_labels: bool,
    pub teacher: TeacherRules,
    /// Train on at most this many samples, spread over all sets (0: all).
    pub limit: usize,
    /// Validate on at most this many persons after each epoch (0: all). The end always uses all.
    pub val_limit: usize,
    /// Persons whose picture cannot be decoded may be this part of all before the training stops.
    pub bad_limit: f64,
    /// With a frozen backbone: different crops of each sample whose features are kept; every pass over the
    /// data takes the next.
    pub draws: u64,
    /// Folder for cached features; default: `features` in the run's folder.
    pub cache: Option<PathBuf>,
}

/// What is minimised: `mse` x METHOD 5's loss plus `cross_entropy` x the softmax term of
/// docs/TRAINING.md.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossSection {
    pub mse: f64,
    pub cross_entropy: f64,
    /// The maps are multiplied by this before the softmax.
    pub temperature: f64,
    /// Standard deviation of the target in heatmap cells.
    pub sigma: f32,
}

/// Which tokens the network sees while it learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MaskSection {
    /// Part of the steps that keep every token.
    pub full: f64,
    /// Keep ratio of the others, drawn uniformly from this range.
    pub ratio: [f64; 2],
    /// Part of the masked steps that use `fixed`, the mask of inference; the others draw a random set
    /// for each person.
    pub fixed_share: f64,
    #[serde(with = "as_text")]
    pub fixed: MaskKind,
}

/// How long and how fast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleSection {
    /// Number of steps; 0: `epochs` decides.
    pub steps: u64,
    pub epochs: f64,
    pub batch: usize,
    pub learning_rate: f64,
    /// Steps over which the learning rate rises from 0.
    pub warm_up: u64,
    pub decay: Decay,
    pub weight_decay: f64,
    pub betas: [f64; 2],
    pub epsilon: f64,
    /// Longest gradient; a longer one is shortened to it (0: no limit).
    pub gradient_norm: f64,
    /// Largest share that the average of the weights keeps at a step (0: no averaging).
    pub ema: f64,
}

/// The course of the learning rate after the warm-up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Decay {
    /// Half a cosine down to 0 at the last step.
    Cosine,
    /// Times 0.1 after each of these parts of the training (METHOD: 200/300 and 260/300).
    Steps(Vec<f64>),
    Constant,
}

/// Where and how it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunSection {
    /// Folder for checkpoints, logs and the weights.
    pub out: PathBuf,
    /// `auto`, `gpu` or `cpu`.
    #[serde(with = "as_text")]
    pub device: DeviceChoice,
    /// Parts that a batch is cut into, worked on at once (0: one for each CPU core; 1 on a GPU).
    pub shards: usize,
    pub seed: u64,
    /// Steps between checkpoints (0: only after each validation).
    pub checkpoint_steps: u64,
    /// Steps between validations (0: after each epoch).
    pub val_steps: u64,
    /// Steps between progress events.
    pub log_steps: u64,
}

impl Default for ModelSection {
    fn default() -> Self {
        let skeleton = "coco17".into();
        ModelSection { variant: Variant::T, skeleton, depth: 0, init: None, freeze_backbone: false }
    }
}

impl Default for DataSection {
    fn default() -> Self {
        DataSection {
            train: Vec::new(),
            val: None,
            report: Vec::new(),
            teacher_labels: true,
            teacher: TeacherRules::default(),
            limit: 0,
            val_limit: 0,
            bad_limit: 0.01,
            draws: 1,
            cache: None,
        }
    }
}

impl Default for LossSection {
    fn default() -> Self {
        LossSection { mse: 200.0, cross_entropy: 1.0, temperature: 20.0, sigma: 2.0 }
    }
}

impl Default for MaskSection {
    fn default() -> Self {
        MaskSection { full: 0.15, ratio: [0.2, 0.8], fixed_share: 0.5, fixed: MaskKind::Progressive }
    }
}

impl Default for ScheduleSection {
    fn default() -> Self {
        ScheduleSection {
            steps: 0,
            epochs: 5.0,
            batch: 32,
            learning_rate: 1e-3,
            warm_up: 60,
            decay: Decay::Cosine,
            weight_decay: 0.03,
            betas: [0.9, 0.99],
            epsilon: 1e-8,
            gradient_norm: 1.0,
            ema: 0.9995,
        }
    }
}

impl Default for RunSection {
    fn default() -> Self {
        RunSection {
            out: "runs/tmpose".into(),
            device: DeviceChoice::Auto,
            shards: 0,
            seed: 1,
            checkpoint_steps: 200,
            val_steps: 0,
            log_steps: 10,
        }
    }
}

/// Why a training's settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the settings {path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("{path} is not a settings file of `tmpose train`: {reason}")]
    Parse { path: String, reason: String },
    #[error("the setting {name} is {value}; it must be {must}")]
    Range { name: &'static str, value: String, must: &'static str },
}

impl TrainConfig {
    pub fn load(path: &Path) -> Result<TrainConfig, ConfigError> {
        let shown = || path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: shown(), source })?;
        let config: TrainConfig = toml::from_str(&text)
            .map_err(|e| ConfigError::Parse { path: shown(), reason: e.to_string().trim().into() })?;
        config.check()?;
        Ok(config)
    }

    /// The same settings as a TOML file.
    pub fn to_toml(&self) -> String {
        // Every field is a plain number, text or list, which TOML can always hold.
        toml::to_string_pretty(self).unwrap_or_default()
    }

    /// Refuses settings that cannot work, before anything is computed.
    pub fn check(&self) -> Result<(), ConfigError> {
        let s = &self.schedule;
        let m = &self.masks;
        let range = |name, value: String, must| Err(ConfigError::Range { name, value, must });
        if self.data.train.is_empty() {
            return range("data.train", "empty".into(), "a list of sets, e.g. [\"data/people:2\"]");
        }
        if s.batch == 0 {
            return range("schedule.batch", "0".into(), "1 or more");
        }
        if s.steps == 0 && !(s.epochs.is_finite() && s.epochs > 0.0) {
            return range("schedule.epochs", s.epochs.to_string(), "above 0 when schedule.steps is 0");
        }
        if !(s.learning_rate.is_finite() && s.learning_rate > 0.0) {
            return range("schedule.learning_rate", s.learning_rate.to_string(), "above 0");
        }
        if s.betas.iter().any(|b| !(0.0..1.0).contains(b)) {
            return range("schedule.betas", format!("{:?}", s.betas), "two numbers from 0 to below 1");
        }
        if !(0.0..1.0).contains(&s.ema) {
            return range("schedule.ema", s.ema.to_string(), "from 0 to below 1");
        }
        let [low, high] = m.ratio;
        if !(low > 0.0 && low <= high && high <= 1.0) {
            return range("masks.ratio", format!("{:?}", m.ratio), "[low, high] with 0 < low <= high <= 1");
        }
        for (name, value) in [("masks.full", m.full), ("masks.fixed_share", m.fixed_share)] {
            if !(0.0..=1.0).contains(&value) {
                return range(name, value.to_string(), "from 0 to 1");
            }
        }
        if let Some((name, value, must)) = self.augmentation.fault() {
            return range(name, value, must);
        }
        if self.loss.sigma.is_nan() || self.loss.sigma <= 0.0 {
            return range("loss.sigma", self.loss.sigma.to_string(), "above 0");
        }
        Ok(())
    }
}

/// Words such as `tmpose-t` in the file, parsed by the type's own `FromStr`.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::fmt::Display;
    use std::str::FromStr;

    pub fn serialize<T: Display, S: Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(value)
    }

    pub fn deserialize<'de, T, D>(d: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_names_only_what_differs_and_survives_a_round_trip() {
        let text = r#"
            [data]
            train = ["data/people", "data/people_coco:2"]
            [masks]
            fixed_share = 0.25
        "#;
        let config: TrainConfig = toml::from_str(text).unwrap();
        assert_eq!(config.data.train[1].repeat, 2);
        assert_eq!(config.masks.fixed_share, 0.25);
        assert_eq!(config.schedule, ScheduleSection::default());
        config.check().unwrap();
        assert_eq!(toml::from_str::<TrainConfig>(&config.to_toml()).unwrap(), config);
    }

    #[test]
    fn an_unknown_setting_is_refused_by_name() {
        let error = toml::from_str::<TrainConfig>("[schedule]\nleraning_rate = 1").unwrap_err().to_string();
        assert!(error.contains("leraning_rate") && error.contains("learning_rate"), "{error}");
    }

    #[test]
    fn impossible_settings_are_named_before_anything_runs() {
        let mut config = TrainConfig::default();
        assert!(config.check().unwrap_err().to_string().contains("data.train"));
        config.data.train = vec!["data/people".parse().unwrap()];
        config.masks.ratio = [0.5, 0.2];
        assert!(config.check().unwrap_err().to_string().contains("masks.ratio"));
    }
}
