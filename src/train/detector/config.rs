//! Every setting of a detector's training, as one TOML file and the flags of `tmpose train detector` know it.

use crate::data::{BoxAugmentation, SetSource, SetSpec};
use crate::gpu::DeviceChoice;
use crate::train::checks::refused;
use crate::train::config::{ConfigError, Decay, RunSection, ScheduleSection, as_text, read_over, read_text};
use crate::train::settings::Catalogue;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// A whole training. Every field has a default, so a file names only what differs.
///
/// The doc comments of the fields are what users read: `tmpose train detector --print-config` shows them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DetectorTraining {
    pub model: StartSection,
    pub data: BoxSection,
    pub augmentation: BoxAugmentation,
    pub loss: BoxLossSection,
    pub schedule: ScheduleSection,
    pub run: RunSection,
}

/// Where the network starts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StartSection {
    /// Starting weights: a detector's .safetensors of ours, or RTMDet-nano's .onnx.
    pub init: Option<PathBuf>,
    /// What stays as it starts: `none`, `backbone`, or `neck` (backbone and neck). No gradient is computed for it,
    /// so that a step costs less.
    #[serde(with = "as_text")]
    pub freeze: Frozen,
}

/// Which pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BoxSection {
    /// Sets to train on: FOLDER[:passes an epoch].
    pub train: Vec<SetSpec>,
    /// The set that decides which weights are best.
    pub val: Option<SetSource>,
    /// Train on at most this many pictures, spread over all sets (0: all).
    pub limit: usize,
    /// Validate on at most this many pictures during the training (0: all). The end always uses all.
    pub val_limit: usize,
    /// Annotations that contradict their layout, and pictures that cannot be decoded, may be this part of all
    /// before the training stops.
    pub bad_limit: f64,
}

/// What is minimised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BoxLossSection {
    /// Factor of the quality focal loss of the scores.
    pub scores: f64,
    /// Factor of the generalized IoU loss of the boxes.
    pub boxes: f64,
}

/// The part of the network that is not trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Frozen {
    #[default]
    Nothing,
    Backbone,
    /// Backbone and neck: only the heads learn.
    Neck,
}

/// A name that is no [`Frozen`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" cannot be frozen; use none, backbone or neck (backbone and neck)")]
pub struct UnknownFrozen(pub String);

impl Frozen {
    /// The name used in flags and files.
    pub fn name(self) -> &'static str {
        match self {
            Frozen::Nothing => "none",
            Frozen::Backbone => "backbone",
            Frozen::Neck => "neck",
        }
    }
}

impl std::fmt::Display for Frozen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Frozen {
    type Err = UnknownFrozen;

    fn from_str(text: &str) -> Result<Frozen, UnknownFrozen> {
        let all = [Frozen::Nothing, Frozen::Backbone, Frozen::Neck];
        all.into_iter().find(|f| f.name() == text).ok_or_else(|| UnknownFrozen(text.to_owned()))
    }
}

impl Default for DetectorTraining {
    fn default() -> Self {
        DetectorTraining {
            model: StartSection::default(),
            data: BoxSection::default(),
            augmentation: BoxAugmentation::default(),
            loss: BoxLossSection::default(),
            schedule: ScheduleSection {
                epochs: 12.0,
                batch: 16,
                learning_rate: 3e-4,
                warm_up: 100,
                decay: Decay::Cosine,
                weight_decay: 0.01,
                betas: [0.9, 0.999],
                gradient_norm: 35.0,
                ema: 0.999,
                ..ScheduleSection::default()
            },
            run: RunSection {
                out: "runs/detector".into(),
                device: DeviceChoice::Auto,
                ..RunSection::default()
            },
        }
    }
}

impl Default for BoxSection {
    fn default() -> Self {
        BoxSection { train: Vec::new(), val: None, limit: 0, val_limit: 0, bad_limit: 0.01 }
    }
}

impl Default for BoxLossSection {
    fn default() -> Self {
        // RTMDet's.
        BoxLossSection { scores: 1.0, boxes: 2.0 }
    }
}

/// The settings of `tmpose train detector`.
fn catalogue() -> &'static Catalogue {
    static ALL: LazyLock<Catalogue> = LazyLock::new(|| {
        let sources = [
            include_str!("config.rs"),
            include_str!("../config.rs"),
            include_str!("../../data/boxes/augment.rs"),
        ];
        Catalogue::read("tmpose train detector", "DetectorTraining", &sources)
    });
    &ALL
}

impl DetectorTraining {
    /// Reads a file. Whether the settings can work is asked by [`DetectorTraining::check`], when flags have been
    /// added.
    ///
    /// # Errors
    /// The file cannot be read, is no TOML, or has a setting that does not exist or holds something else than it
    /// should.
    pub fn load(path: &Path) -> Result<DetectorTraining, ConfigError> {
        DetectorTraining::parse(&read_text(path)?, &path.display().to_string())
    }

    /// [`DetectorTraining::load`] for text that came from `path`.
    ///
    /// # Errors
    /// As for [`DetectorTraining::load`].
    pub fn parse(text: &str, path: &str) -> Result<DetectorTraining, ConfigError> {
        read_over(text, path, catalogue(), |_: &DetectorTraining, _| DetectorTraining::default())
    }

    /// The same settings as a TOML file, each with its meaning above it.
    pub fn to_toml(&self) -> String {
        // Every field is a plain number, text or list, which TOML can always hold.
        catalogue().documented(self).unwrap_or_default()
    }

    /// Refuses settings that cannot work, before anything is computed.
    ///
    /// # Errors
    /// The first such setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.data.train.is_empty() {
            return refused("data.train", "empty".into(), "a list of sets, e.g. [\"data/detect\"]");
        }
        self.schedule.check(self.data.val.is_some())?;
        if let Some((name, value, must)) = self.augmentation.fault() {
            return refused(name, value, must);
        }
        for (name, value) in [("loss.scores", self.loss.scores), ("loss.boxes", self.loss.boxes)] {
            if !(value.is_finite() && value > 0.0) {
                return refused(name, value.to_string(), "above 0");
            }
        }
        if self.model.freeze != Frozen::Nothing && self.model.init.is_none() {
            let must = "none without starting weights (model.init): what is frozen would stay random";
            return refused("model.freeze", self.model.freeze.to_string(), must);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<DetectorTraining, String> {
        DetectorTraining::parse(text, "d.toml").map_err(|e| e.to_string())
    }

    #[test]
    fn a_file_names_only_what_differs_and_survives_a_round_trip() {
        let config =
            parse("[data]\ntrain = [\"detect:2\"]\n[schedule]\nbatch = 4\n[model]\nfreeze = \"neck\"")
                .unwrap();
        assert_eq!((config.schedule.batch, config.model.freeze), (4, Frozen::Neck));
        assert_eq!(config.schedule.weight_decay, 0.01, "the detector's own default, not the poses'");
        let text = config.to_toml();
        assert_eq!(parse(&text).unwrap(), config);
        for line in ["# Probability of four pictures around a point instead of one.", "tmpose train detector"]
        {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        let documented = |line: &&str| line.contains(" = ") && !line.starts_with('#');
        let lines: Vec<&str> = text.lines().collect();
        for (i, line) in lines.iter().enumerate().filter(|(_, line)| documented(line)) {
            assert!(lines[i - 1].starts_with("# "), "{line} has no meaning");
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_named() {
        let error = parse("[augmentation]\nmosiac = 1").unwrap_err();
        assert!(error.contains("did you mean augmentation.mosaic"), "{error}");
        assert!(parse("[model]\nfreeze = \"all\"").unwrap_err().contains("none, backbone or neck"));
    }

    #[test]
    fn impossible_settings_are_named_before_anything_runs() {
        let mut config = DetectorTraining::default();
        let refused = |c: &DetectorTraining| c.check().unwrap_err().to_string();
        assert!(refused(&config).contains("data.train"));
        config.data.train = vec!["detect".parse().unwrap()];
        config.check().unwrap();
        config.model.freeze = Frozen::Backbone;
        assert!(refused(&config).contains("model.init"));
        config.model.init = Some("start.onnx".into());
        config.check().unwrap();
        config.augmentation.mixup = 2.0;
        assert!(refused(&config).contains("augmentation.mixup"));
        config.augmentation.mixup = 0.1;
        config.loss.boxes = 0.0;
        assert!(refused(&config).contains("loss.boxes"));
    }
}
