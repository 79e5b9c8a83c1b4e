//! Every setting of a pose network's training, with its default and its text. Settings files, the flags of `tmpose train`
//! and the window's form show these texts.

use crate::data::{Augmentation, SetSource, SetSpec, TeacherRules};
use crate::gpu::DeviceChoice;
use crate::model::{KeepRatio, MaskKind, Variant};
use crate::settings::{SettingValue, as_text, choice_values, define_settings, text_values};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

define_settings! {
    /// A whole training. Every field has a default, so a file names only what differs.
    pub struct TrainConfig {
        /// The recipe: a named set of defaults for all other settings.
        #[flag("--recipe NAME")]
        #[serde(with = "as_text")]
        pub recipe: Recipe = Recipe::Modern,
    }
    sections {
        pub model: ModelSection = ModelSection::default(),
        pub data: DataSection = DataSection::default(),
        pub augmentation: Augmentation = Augmentation::default(),
        pub loss: LossSection = LossSection::default(),
        pub distillation: DistillationSection = DistillationSection::default(),
        pub masks: MaskSection = MaskSection::default(),
        pub schedule: ScheduleSection = ScheduleSection::default(),
        pub run: RunSection = RunSection::default(),
    }
}

define_settings! {
    /// The network and its starting weights.
    pub struct ModelSection {
        /// The network's architecture.
        #[flag("--variant NAME")]
        #[serde(with = "as_text")]
        pub variant: Variant = Variant::T,
        /// The keypoints to learn: coco17, mpii16, or the path of a skeleton file.
        #[flag("--skeleton NAME")]
        pub skeleton: String = "coco17".into(),
        /// Number of transformer layers; 0 keeps the number of the variant.
        #[flag("--depth N")]
        pub depth: usize = 0,
        /// File of weights to start from: .safetensors of tmpose, a .pth checkpoint of TokenPose, TMPose, PPT or
        /// HRNet, or the .onnx file of PP-TinyPose (backbone of tmpose-t). Without one the weights are random.
        #[flag("--init FILE")]
        pub init: Option<PathBuf> = None,
        /// Leave the backbone as it starts. Its features are computed once and kept on disk, so that training is
        /// much faster and the result a little less accurate.
        #[flag("--freeze-backbone")]
        pub freeze_backbone: bool = false,
    }
}

define_settings! {
    /// The people to learn from and to validate on.
    pub struct DataSection {
        /// Sets to train on, in the layout of COCO or MPII: FOLDER, or FOLDER:N to pass N times an epoch through it.
        /// mannequin:N draws N pictures of the built-in figure.
        #[flag("--data FOLDER[:N]")]
        pub train: Vec<SetSpec> = Vec::new(),
        /// The set that decides which weights are best. Without one the newest are.
        /// mannequin:N draws N pictures of figures that are not trained on.
        #[flag("--val FOLDER")]
        pub val: Option<SetSource> = None,
        /// Further sets on which the finished weights are measured for the model card.
        #[flag("--report FOLDER")]
        pub report: Vec<SetSource> = Vec::new(),
        /// Use labels of public models that lie beside a set.
        pub teacher_labels: bool = true,
        /// Train on at most this many persons, spread over all sets (0: all).
        #[flag("--limit N")]
        pub limit: usize = 0,
        /// Validate on at most this many persons during the training (0: all). At its end all are used.
        #[flag("--val-limit N")]
        pub val_limit: usize = 0,
        /// The training stops when more than this share of the annotations contradict their layout, or of the
        /// pictures cannot be decoded.
        pub bad_limit: f64 = 0.01,
        /// With a frozen backbone: number of different crops of each person whose features are kept. Each epoch
        /// takes the next.
        #[flag("--draws N")]
        pub draws: u64 = 1,
        /// Folder for cached features. Without one it is `features` in the run's folder.
        #[flag("--cache FOLDER")]
        pub cache: Option<PathBuf> = None,
    }
    sections {
        pub teacher: TeacherRules = TeacherRules::default(),
    }
}

define_settings! {
    /// What is minimised: `mse` x the weighted squared error of the heatmaps plus `cross_entropy` x their softmax
    /// cross-entropy (docs/TRAINING.md).
    pub struct LossSection {
        /// Factor of the halved mean squared error of the heatmaps.
        pub mse: f64 = 200.0,
        /// Factor of the softmax cross-entropy of the heatmaps (0: left out).
        pub cross_entropy: f64 = 1.0,
        /// Share of the training over which that factor falls evenly to 0 (0: it stays). The term helps random
        /// weights to start learning; later it costs precision.
        pub cross_entropy_until: f64 = 0.1,
        /// The heatmaps are multiplied by this before the softmax.
        pub temperature: f64 = 20.0,
        /// Standard deviation of the targets in heatmap cells.
        pub sigma: f32 = 2.0,
    }
}

define_settings! {
    /// Another network whose outputs are learnt beside the annotations (docs/METHOD.md, "Distillation").
    pub struct DistillationSection {
        /// Weights of the teacher: .safetensors of tmpose (imported ones included), or the .onnx file of PP-TinyPose.
        /// It gets the same crops and keeps all tokens.
        #[flag("--teacher FILE")]
        pub teacher: Option<PathBuf> = None,
        /// Weight of the teacher's heatmaps: 1 counts them as much as `loss.mse` counts the annotations. They are
        /// targets for joints without a label too.
        pub heatmaps: f64 = 1.0,
        /// Factor of the mean squared error between the keypoint tokens of matched layers; not with an .onnx
        /// teacher. 5e-4 in DistilPose (CVPR 2023), 5e-6 in SDPose (CVPR 2024).
        pub tokens: f64 = 0.0,
        /// Factor of the mean divergence KL(teacher || student) of the keypoint tokens' attention over the kept
        /// tokens; not with an .onnx teacher.
        pub attention: f64 = 0.0,
    }
}

define_settings! {
    /// Which visual tokens the network keeps while it learns.
    pub struct MaskSection {
        /// Share of the batches that keep every token.
        pub full: f64 = 0.15,
        /// Lowest and highest keep ratio of the other batches; each draws its own from this range.
        pub ratio: [KeepRatio; 2] = [const { KeepRatio::constant(0.2) }, const { KeepRatio::constant(0.8) }],
        /// Share of these batches that use the mask `fixed`, as inference does; the others draw a random set of tokens
        /// for each person.
        pub fixed_share: f64 = 0.5,
        /// The mask of that share of the batches.
        #[serde(with = "as_text")]
        pub fixed: MaskKind = MaskKind::Progressive,
        /// Draw one random set of tokens for all persons of a batch, as the reference does, instead of one for each.
        pub shared: bool = false,
        /// Keep ratio of the validations that decide which weights are best (progressive mask).
        pub validation: KeepRatio = KeepRatio::ALL,
        /// Compute every person three times a step: with all tokens, as drawn above, and with the fewest (the low
        /// end of `ratio`, progressive mask). The heatmaps with all tokens are targets of the other two passes.
        #[flag("--sandwich")]
        pub sandwich: bool = false,
        /// Weight of these targets, in the scale of `loss.mse`.
        pub sandwich_weight: f64 = 1.0,
    }
}

define_settings! {
    /// How long and how fast. A sample is a person; for the detector it is a picture.
    pub struct ScheduleSection {
        /// Number of steps; 0: `epochs` decides.
        #[flag("--steps N")]
        pub steps: u64 = 0,
        /// Passes over all samples.
        #[flag("--epochs N")]
        pub epochs: f64 = 5.0,
        /// Samples that the network sees at once.
        #[flag("--batch N")]
        pub batch: usize = 32,
        /// Batches a step: their gradients are added before the weights change, so that a step learns from
        /// batch x accumulate samples with the memory of one batch.
        #[flag("--accumulate N")]
        pub accumulate: usize = 1,
        /// Highest learning rate, reached after the warm-up.
        #[flag("--learning-rate RATE")]
        pub learning_rate: f64 = 1e-3,
        /// Steps over which the learning rate rises from 0.
        pub warm_up: u64 = 60,
        /// How the learning rate falls afterwards: "cosine" (to 0), "constant" or { steps = [0.67, 0.87] }
        /// (times 0.1 after each of these shares of the training).
        pub decay: Decay = Decay::Cosine,
        /// How strongly AdamW pulls matrices towards 0, times the learning rate (0: plain Adam).
        pub weight_decay: f64 = 0.03,
        /// Adam's betas: the shares that the running means of the gradient and of its square keep at a step.
        pub betas: [f64; 2] = [0.9, 0.99],
        /// Adam's epsilon, which keeps it from dividing by 0.
        pub epsilon: f64 = 1e-8,
        /// Largest norm of the gradient; a longer one is shortened to it (0: no limit).
        pub gradient_norm: f64 = 1.0,
        /// Largest share that the moving average of the weights keeps at a step (0: no averaging).
        pub ema: f64 = 0.9995,
        /// End after this many validations in a row without a better AP (0: never).
        #[flag("--patience N")]
        pub patience: u64 = 0,
    }
}

/// How the learning rate falls after the warm-up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Decay {
    /// Half a cosine down to 0 at the last step.
    Cosine,
    /// Times 0.1 after each of these shares of the training (the paper: 200/300 and 260/300).
    Steps(Vec<f64>),
    /// It does not fall.
    Constant,
}

define_settings! {
    /// Where and how it runs.
    pub struct RunSection {
        /// Folder for checkpoints, log and weights.
        #[flag("--out RUN")]
        pub out: PathBuf = "runs/tmpose".into(),
        /// Where the network is trained: auto (a real GPU, else the CPU), gpu, cpu, or cuda (cuda:1 for the second
        /// GPU) in a program built with it.
        #[flag("--device DEVICE")]
        pub device: DeviceChoice = DeviceChoice::Auto,
        /// Shards that a batch is cut into and that are computed at once on the CPU (0: twice as many as
        /// CPU cores, 32 at most).
        pub shards: usize = 0,
        /// Threads that read and crop pictures where no features are cached (0: one for each CPU core, or
        /// for every second one when the network is trained on the CPU too).
        pub loaders: usize = 0,
        /// Seed of everything random: crops, order and masks.
        #[flag("--seed N")]
        pub seed: u64 = 1,
        /// Steps between checkpoints (0: only after each validation).
        pub checkpoint_steps: u64 = 200,
        /// Steps between validations (0: after each epoch).
        #[flag("--val-steps N")]
        pub val_steps: u64 = 0,
        /// Steps between reports of the loss in the log and on the screen.
        pub log_steps: u64 = 10,
    }
}

/// A named set of settings that a training starts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Recipe {
    /// Good for short trainings (docs/TRAINING.md): the defaults of all settings.
    #[default]
    Modern,
    /// The TMPose paper's training, which is long and meant for a large GPU.
    Tmpose,
}

/// A name that is no [`Recipe`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no recipe \"{0}\"; use modern or tmpose")]
pub struct UnknownRecipe(pub String);

impl Recipe {
    /// Every recipe.
    pub const ALL: [Recipe; 2] = [Recipe::Modern, Recipe::Tmpose];

    /// The name used in flags and files.
    pub fn name(self) -> &'static str {
        match self {
            Recipe::Modern => "modern",
            Recipe::Tmpose => "tmpose",
        }
    }

    /// One line for help texts and forms.
    pub fn description(self) -> &'static str {
        match self {
            Recipe::Modern => {
                "short trainings: AdamW, warm-up, cosine, averaged weights, two losses, any keep ratio"
            }
            Recipe::Tmpose => {
                "the paper's: Adam, 300 epochs, squared error only, 60 % of the tokens at random"
            }
        }
    }
}

impl std::fmt::Display for Recipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Recipe {
    type Err = UnknownRecipe;

    fn from_str(text: &str) -> Result<Recipe, UnknownRecipe> {
        let lower = text.to_lowercase();
        Recipe::ALL.into_iter().find(|r| r.name() == lower).ok_or_else(|| UnknownRecipe(text.to_owned()))
    }
}

choice_values!(Recipe, Variant, MaskKind);
text_values!(DeviceChoice, SetSource, SetSpec);
impl SettingValue for Decay {}
impl SettingValue for KeepRatio {}

impl LossSection {
    /// The factors when a share `done` of the training is completed, 0 to 1.
    pub fn at(&self, done: f64) -> LossSection {
        let until = self.cross_entropy_until;
        let left = if until > 0.0 { (1.0 - done / until).max(0.0) } else { 1.0 };
        LossSection { cross_entropy: self.cross_entropy * left, ..self.clone() }
    }
}

impl RunSection {
    /// Number of threads that read and crop pictures, when the network is trained on a GPU or not.
    pub fn loader_threads(&self, on_gpu: bool) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        match self.loaders {
            0 if on_gpu => cores,
            0 => cores.div_ceil(2),
            given => given,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_are_known_by_name() {
        for recipe in Recipe::ALL {
            assert_eq!(recipe.name().parse(), Ok(recipe));
        }
        assert!("paper".parse::<Recipe>().unwrap_err().to_string().contains("modern or tmpose"));
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
