//! Every setting of a detector's training: what stands here is what settings files and the flags of
//! `tmpose train detector` show.

use crate::data::{BoxAugmentation, SetSource, SetSpec};
use crate::settings::{Catalogue, InvalidSetting, as_text, choice_values, define_settings, require};
use crate::train::TrainSettings;
use crate::train::config::{Decay, RunSection, ScheduleSection};
use std::path::PathBuf;
use std::sync::LazyLock;

define_settings! {
    /// A whole training of a detector. Every field has a default, so a file names only what differs.
    pub struct DetectorTrainConfig {}
    sections {
        pub model: DetectorModelSection = DetectorModelSection::default(),
        pub data: DetectorDataSection = DetectorDataSection::default(),
        pub augmentation: BoxAugmentation = BoxAugmentation::default(),
        pub loss: DetectorLossSection = DetectorLossSection::default(),
        pub schedule: ScheduleSection = ScheduleSection {
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
        pub run: RunSection = RunSection { out: "runs/detector".into(), ..RunSection::default() },
    }
}

define_settings! {
    /// Where the network starts.
    pub struct DetectorModelSection {
        /// File of weights to start from: .safetensors of a detector of tmpose, or the .onnx file of RTMDet-nano.
        /// Without one the weights are random.
        #[flag("--init FILE")]
        pub init: Option<PathBuf> = None,
        /// What stays as it starts. No gradient is computed for it, so that a step costs less.
        #[flag("--freeze STAGES")]
        #[serde(with = "as_text")]
        pub freeze: Frozen = Frozen::Nothing,
    }
}

define_settings! {
    /// Which pictures.
    pub struct DetectorDataSection {
        /// Sets to train on, boxes in COCO's layout (annotations/instances_train.json): FOLDER, or FOLDER:N to pass N
        /// times an epoch through it.
        #[flag("--data FOLDER[:N]")]
        pub train: Vec<SetSpec> = Vec::new(),
        /// The set that decides which weights are best. Without one the newest are.
        #[flag("--val FOLDER")]
        pub val: Option<SetSource> = None,
        /// Train on at most this many pictures, spread over all sets (0: all).
        #[flag("--limit N")]
        pub limit: usize = 0,
        /// Validate on at most this many pictures during the training (0: all). At its end all are used.
        #[flag("--val-limit N")]
        pub val_limit: usize = 0,
        /// The training stops when more than this share of the annotations contradict their layout, or of the
        /// pictures cannot be decoded.
        pub bad_limit: f64 = 0.01,
    }
}

define_settings! {
    /// What is minimised. The defaults are RTMDet's.
    pub struct DetectorLossSection {
        /// Factor of the quality focal loss of the scores.
        pub scores: f64 = 1.0,
        /// Factor of the generalized IoU loss of the boxes.
        pub boxes: f64 = 2.0,
    }
}

/// The part of the network that is not trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Frozen {
    /// All of it is trained.
    #[default]
    Nothing,
    /// The backbone.
    Backbone,
    /// Backbone and neck: only the heads learn.
    Neck,
}

/// A name that is no [`Frozen`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" cannot be frozen; use none, backbone or neck (backbone and neck)")]
pub struct UnknownFrozen(pub String);

impl Frozen {
    /// Every choice.
    pub const ALL: [Frozen; 3] = [Frozen::Nothing, Frozen::Backbone, Frozen::Neck];

    /// The name used in flags and files.
    pub fn name(self) -> &'static str {
        match self {
            Frozen::Nothing => "none",
            Frozen::Backbone => "backbone",
            Frozen::Neck => "neck",
        }
    }

    /// What it means, in a few words.
    pub fn description(self) -> &'static str {
        match self {
            Frozen::Nothing => "the whole network is trained",
            Frozen::Backbone => "neck and heads are trained",
            Frozen::Neck => "backbone and neck are frozen, only the heads are trained",
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
        Frozen::ALL.into_iter().find(|f| f.name() == text).ok_or_else(|| UnknownFrozen(text.to_owned()))
    }
}

choice_values!(Frozen);

impl TrainSettings for DetectorTrainConfig {
    fn catalogue() -> &'static Catalogue {
        static ALL: LazyLock<Catalogue> =
            LazyLock::new(|| Catalogue::of::<DetectorTrainConfig>("tmpose train detector"));
        &ALL
    }

    fn check(&self) -> Result<(), InvalidSetting> {
        let must = "a list of sets, e.g. [\"data/detect\"]";
        require(!self.data.train.is_empty(), "data.train", "empty", must)?;
        self.schedule.check(self.data.val.is_some())?;
        self.augmentation.check()?;
        for (name, value) in [("loss.scores", self.loss.scores), ("loss.boxes", self.loss.boxes)] {
            require(value.is_finite() && value > 0.0, name, value, "above 0")?;
        }
        let freeze = self.model.freeze;
        let must = "none without starting weights (model.init): what is frozen would stay random";
        require(freeze == Frozen::Nothing || self.model.init.is_some(), "model.freeze", freeze, must)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<DetectorTrainConfig, String> {
        DetectorTrainConfig::parse(text, "d.toml", toml::Table::new()).map_err(|e| e.to_string())
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
        let mut config = DetectorTrainConfig::default();
        let refused = |c: &DetectorTrainConfig| c.check().unwrap_err().to_string();
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
