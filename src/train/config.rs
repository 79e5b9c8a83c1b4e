//! Every setting of a training, as one TOML file, the flags of `tmpose train` and the window's form
//! know it.

use super::recipe::Recipe;
use super::settings::{self, Catalogue};
use crate::data::{Augmentation, SetSource, SetSpec, TeacherRules};
use crate::gpu::DeviceChoice;
use crate::model::{MaskKind, Variant};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A whole training. Every field has a default, so a file names only what differs.
///
/// The doc comments of the fields are what users read: `tmpose train --print-config` and the window
/// show them ([`settings::settings`]).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// What the settings start from: `modern` or `tmpose` (the paper's).
    #[serde(with = "as_text")]
    pub recipe: Recipe,
    pub model: ModelSection,
    pub data: DataSection,
    pub augmentation: Augmentation,
    pub loss: LossSection,
    pub distillation: DistillationSection,
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
    pub val: Option<SetSource>,
    /// Further sets that the finished weights are measured on, for the model card.
    pub report: Vec<SetSource>,
    /// Use labels of public models that lie beside a set.
    pub teacher_labels: bool,
    /// When such a label is believed.
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

/// What is minimised: `mse` x the weighted squared error plus `cross_entropy` x the softmax term, both of
/// docs/TRAINING.md.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossSection {
    /// Factor of the halved mean squared error of the maps.
    pub mse: f64,
    /// Factor of the softmax cross-entropy of the maps (0: left out).
    pub cross_entropy: f64,
    /// Part of the training over which that factor falls evenly to 0 (0: it stays). The term helps random
    /// weights off the ground and then costs precision.
    pub cross_entropy_until: f64,
    /// The maps are multiplied by this before the softmax.
    pub temperature: f64,
    /// Standard deviation of the target in heatmap cells.
    pub sigma: f32,
}

/// Another network whose outputs are learnt beside the truth (docs/METHOD.md, "Distillation").
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DistillationSection {
    /// The teacher: .safetensors of ours (also imported ones), or the .onnx file of PP-TinyPose. It sees
    /// the same crops with all tokens.
    pub teacher: Option<PathBuf>,
    /// Weight of the teacher's heatmaps: 1 counts them as much as `loss.mse` counts the truth. They teach
    /// joints without a label too.
    pub heatmaps: f64,
    /// Factor of the mean squared error between the keypoint tokens of matched layers; not with an .onnx
    /// teacher. 5e-4 in DistilPose (CVPR 2023), 5e-6 in SDPose (CVPR 2024).
    pub tokens: f64,
    /// Factor of the mean divergence KL(teacher || student) of the keypoint tokens' attention over the kept
    /// tokens; not with an .onnx teacher.
    pub attention: f64,
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
    /// The mask of that part: none, random, uniform, block or progressive.
    #[serde(with = "as_text")]
    pub fixed: MaskKind,
    /// Draw one random set for all persons of a batch, as the reference does, instead of one for each.
    pub shared: bool,
    /// Keep ratio of the validations that decide which weights are best (progressive mask).
    pub validation: f64,
    /// Show every person three times a step: with all tokens, as drawn above, and with the fewest (the low
    /// end of `ratio`, progressive mask). The pass with all tokens teaches the other two.
    pub sandwich: bool,
    /// Weight of what that pass teaches, in the scale of `loss.mse`.
    pub sandwich_weight: f64,
}

/// How long and how fast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleSection {
    /// Number of steps; 0: `epochs` decides.
    pub steps: u64,
    /// Passes over all samples.
    pub epochs: f64,
    /// Persons that the network sees at once.
    pub batch: usize,
    /// Batches a step: their gradients are added before the weights move, so that a step has
    /// batch x accumulate persons with the memory of one batch.
    pub accumulate: usize,
    /// Highest learning rate, reached after the warm-up.
    pub learning_rate: f64,
    /// Steps over which the learning rate rises from 0.
    pub warm_up: u64,
    /// How the learning rate falls afterwards: "cosine" (to 0), "constant" or { steps = [0.67, 0.87] }
    /// (times 0.1 after each of these parts of the training).
    pub decay: Decay,
    /// How strongly AdamW pulls matrices towards 0, times the learning rate (0: plain Adam).
    pub weight_decay: f64,
    /// Shares that Adam's running means of the gradient and of its square keep at a step.
    pub betas: [f64; 2],
    /// Adam's guard against a division by nothing.
    pub epsilon: f64,
    /// Longest gradient; a longer one is shortened to it (0: no limit).
    pub gradient_norm: f64,
    /// Largest share that the average of the weights keeps at a step (0: no averaging).
    pub ema: f64,
    /// End after this many validations in a row without a better AP (0: never).
    pub patience: u64,
}

/// The course of the learning rate after the warm-up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Decay {
    /// Half a cosine down to 0 at the last step.
    Cosine,
    /// Times 0.1 after each of these parts of the training (the paper: 200/300 and 260/300).
    Steps(Vec<f64>),
    Constant,
}

/// Where and how it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunSection {
    /// Folder for checkpoints, logs and the weights.
    pub out: PathBuf,
    /// `auto`, `gpu`, `cpu`, or `cuda` (`cuda:1` for the second GPU) in a program built with it.
    #[serde(with = "as_text")]
    pub device: DeviceChoice,
    /// Parts that a batch is cut into, worked on at once (0: one for each CPU core; 1 on a GPU).
    pub shards: usize,
    /// Threads that read and crop pictures where no features are cached (0: one for each CPU core, or
    /// for every second one when the network is trained on the CPU too).
    pub loaders: usize,
    /// Another number draws other crops, orders and masks.
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
        LossSection {
            mse: 200.0,
            cross_entropy: 1.0,
            cross_entropy_until: 0.1,
            temperature: 20.0,
            sigma: 2.0,
        }
    }
}

impl LossSection {
    /// The factors at a part of the training from 0 to 1.
    pub fn at(&self, part: f64) -> LossSection {
        let until = self.cross_entropy_until;
        let left = if until > 0.0 { (1.0 - part / until).max(0.0) } else { 1.0 };
        LossSection { cross_entropy: self.cross_entropy * left, ..self.clone() }
    }
}

impl Default for DistillationSection {
    fn default() -> Self {
        DistillationSection { teacher: None, heatmaps: 1.0, tokens: 0.0, attention: 0.0 }
    }
}

impl Default for MaskSection {
    fn default() -> Self {
        MaskSection {
            full: 0.15,
            ratio: [0.2, 0.8],
            fixed_share: 0.5,
            fixed: MaskKind::Progressive,
            shared: false,
            validation: 1.0,
            sandwich: false,
            sandwich_weight: 1.0,
        }
    }
}

impl Default for ScheduleSection {
    fn default() -> Self {
        ScheduleSection {
            steps: 0,
            epochs: 5.0,
            batch: 32,
            accumulate: 1,
            learning_rate: 1e-3,
            warm_up: 60,
            decay: Decay::Cosine,
            weight_decay: 0.03,
            betas: [0.9, 0.99],
            epsilon: 1e-8,
            gradient_norm: 1.0,
            ema: 0.9995,
            patience: 0,
        }
    }
}

impl Default for RunSection {
    fn default() -> Self {
        RunSection {
            out: "runs/tmpose".into(),
            device: DeviceChoice::Auto,
            shards: 0,
            loaders: 0,
            seed: 1,
            checkpoint_steps: 200,
            val_steps: 0,
            log_steps: 10,
        }
    }
}

impl RunSection {
    /// Number of threads that read and crop pictures.
    pub fn loader_threads(&self, on_gpu: bool) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        match self.loaders {
            0 if on_gpu => cores,
            0 => cores.div_ceil(2),
            given => given,
        }
    }
}

/// Why a training's settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the settings {path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("{path} is not a settings file of `{command}`: {reason}")]
    Parse { path: String, command: &'static str, reason: String },
    #[error("unknown setting {name} in {path}{hint}")]
    Unknown { path: String, name: String, hint: String },
    #[error("the setting {name} is {value}; it must be {must}")]
    Range { name: &'static str, value: String, must: &'static str },
}

impl TrainConfig {
    /// Reads a file: a recipe (the file's own, or `recipe` when given) and what differs from it.
    /// Whether the settings can work is asked by [`TrainConfig::check`], when flags have been added.
    ///
    /// # Errors
    /// The file cannot be read, is no TOML, or has a setting that does not exist or holds something
    /// else than it should.
    pub fn load(path: &Path, recipe: Option<Recipe>) -> Result<TrainConfig, ConfigError> {
        TrainConfig::parse(&read_text(path)?, &path.display().to_string(), recipe)
    }

    /// [`TrainConfig::load`] for text that came from `path`.
    ///
    /// # Errors
    /// As for [`TrainConfig::load`].
    pub fn parse(text: &str, path: &str, recipe: Option<Recipe>) -> Result<TrainConfig, ConfigError> {
        read_over(text, path, settings::catalogue(), |alone: &TrainConfig, table| {
            let recipe = recipe.unwrap_or(alone.recipe);
            table.insert("recipe".into(), recipe.name().into());
            TrainConfig::recipe(recipe)
        })
    }

    /// The same settings as a TOML file, each with its meaning above it.
    pub fn to_toml(&self) -> String {
        // Every field is a plain number, text or list, which TOML can always hold.
        settings::catalogue().documented(self).unwrap_or_default()
    }
}

/// The text of a settings file.
pub(super) fn read_text(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.display().to_string(), source })
}

/// The settings in `text`, which came from `path`. What it leaves out is taken from `base`, which is shown the file
/// read by itself and may change its table.
///
/// # Errors
/// The text is no TOML, or has a setting that does not exist or holds something else than it should.
pub(super) fn read_over<C: Serialize + DeserializeOwned>(
    text: &str,
    path: &str,
    known: &Catalogue,
    base: impl FnOnce(&C, &mut toml::Table) -> C,
) -> Result<C, ConfigError> {
    let command = known.command;
    let wrong =
        |reason: String| ConfigError::Parse { path: path.into(), command, reason: reason.trim().into() };
    let mut table: toml::Table = toml::from_str(text).map_err(|e| wrong(e.to_string()))?;
    if let Some(name) = known.unknown_key(&table) {
        let hint = match known.nearest(&name) {
            Some(near) => format!("; did you mean {near}?"),
            None => format!("; `{command} --print-config` lists all settings"),
        };
        return Err(ConfigError::Unknown { path: path.into(), name, hint });
    }
    // Read as it stands first: such an error knows its line.
    let alone: C = toml::from_str(text).map_err(|e| wrong(e.to_string()))?;
    let base = base(&alone, &mut table);
    let mut whole = toml::Table::try_from(base).map_err(|e| wrong(e.to_string()))?;
    lay_over(&mut whole, table);
    whole.try_into().map_err(|e: toml::de::Error| wrong(e.to_string()))
}

/// Puts the values of `over` in the place of those in `base`, section by section.
fn lay_over(base: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(value)) => lay_over(inner, value),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Words such as `tmpose-t` in the file, parsed by the type's own `FromStr`.
pub(super) mod as_text {
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
    fn a_file_names_a_recipe_and_what_differs() {
        let read = |text, recipe| TrainConfig::parse(text, "a.toml", recipe).unwrap();
        let text = "recipe = \"tmpose\"\n[schedule]\nbatch = 8\ndecay = \"constant\"";
        let config = read(text, None);
        assert_eq!((config.schedule.batch, config.schedule.accumulate), (8, 4));
        assert_eq!(config.schedule.decay, Decay::Constant);
        assert_eq!(config.augmentation, Augmentation::tmpose());
        // A recipe that is asked for beside the file wins; what the file names stays.
        let config = read(text, Some(Recipe::Modern));
        assert_eq!((config.recipe, config.schedule.batch), (Recipe::Modern, 8));
        assert_eq!(config.augmentation, Augmentation::default());
        // What a run leaves in its folder is complete: it comes back unchanged.
        let config = read("recipe = \"tmpose\"\n[masks]\nratio = [0.2, 1.0]", None);
        assert_eq!(read(&config.to_toml(), None), config);
    }

    #[test]
    fn an_unknown_setting_is_refused_and_the_nearest_one_named() {
        let error = |text| TrainConfig::parse(text, "a.toml", None).unwrap_err().to_string();
        assert_eq!(
            error("[schedule]\nleraning_rate = 1"),
            "unknown setting schedule.leraning_rate in a.toml; did you mean schedule.learning_rate?"
        );
        assert!(error("[xyzzy]").contains("--print-config"));
        assert!(error("recipe = \"paper\"").contains("modern or tmpose"));
        assert!(error("[schedule]\n\nbatch = \"many\"").contains("line 3"));
    }

    #[test]
    fn the_softmax_term_fades_out() {
        let loss = LossSection { cross_entropy: 2.0, cross_entropy_until: 0.2, ..LossSection::default() };
        let at = |part| loss.at(part).cross_entropy;
        assert_eq!((at(0.0), at(0.1), at(0.2), at(1.0)), (2.0, 1.0, 0.0, 0.0));
        let stays = LossSection { cross_entropy_until: 0.0, ..loss.clone() };
        assert_eq!(stays.at(0.9).cross_entropy, 2.0);
        assert_eq!(loss.at(0.9).mse, loss.mse, "the squared error never fades");
    }
}
