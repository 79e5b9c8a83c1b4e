//! What the training loop asks of the network that it trains; all else is the same for poses and for the detector.

use super::TrainError;
use super::config::{RunSection, ScheduleSection};
use super::events::LogEvent;
use super::log::RunLog;
use super::meter::{LossTerms, StepPace, StepPosition};
use super::parameters::ParamLayout;
use crate::data::SetSpec;
use crate::weights::TrainingRecord;
use burn::module::Module;
use std::path::Path;
use std::time::Duration;

/// What every task tells the loop about itself.
pub struct RunInfo {
    pub schedule: ScheduleSection,
    pub run: RunSection,
    /// Samples an epoch.
    pub samples: usize,
    /// Pictures that cannot be decoded may be this part of them.
    pub bad_limit: f64,
    /// The sets it learns from, with their repetitions.
    pub sets: Vec<String>,
    /// Starting point with its source and licence; empty for random weights.
    pub origin: String,
}

/// The outcome of a step.
pub struct StepOutcome<L> {
    /// Mean loss of the step; not a number when a thread of the loader failed.
    pub loss: L,
    /// Time spent waiting for data.
    pub waited: Duration,
    /// Numbers of the step's samples, which are named when the loss is not finite.
    pub samples: Vec<usize>,
    /// Why pictures of this step could not be decoded.
    pub bad: Vec<String>,
}

impl<L: Default> Default for StepOutcome<L> {
    fn default() -> StepOutcome<L> {
        StepOutcome { loss: L::default(), waited: Duration::ZERO, samples: Vec::new(), bad: Vec::new() }
    }
}

/// A network, its data and its loss, ready to be trained. `weights` are all trained numbers, in the order of the layout.
pub trait TrainTask {
    /// What the log and the listener get.
    type Event: LogEvent;
    /// Loss of a step, term by term.
    type Loss: LossTerms;
    /// The network that is trained.
    type Network: Module;
    /// Result of a validation.
    type Validation;

    /// Settings and data of the run.
    fn run_info(&self) -> RunInfo;

    /// The network and where its trained numbers lie.
    fn network(&self) -> (&Self::Network, &ParamLayout);

    /// Takes the network that a checkpoint completed.
    fn set_network(&mut self, network: Self::Network);

    /// Called once before the first step: step `step` of `steps` is about to begin.
    fn begin(&self, step: u64, steps: u64, log: &RunLog<Self::Event>);

    /// Loss of step `step` at `weights` and its gradient, written to `gradient`.
    fn step(&mut self, step: u64, weights: &[f32], gradient: &mut [f32]) -> StepOutcome<Self::Loss>;

    /// The event of steps with the mean `loss`.
    fn step_event(&self, position: StepPosition, loss: Self::Loss, pace: StepPace) -> Self::Event;

    /// Path of the picture of a sample.
    fn picture(&self, sample: usize) -> &Path;

    /// How good `weights` are on the part of the validation set that is looked at during the training; `None`
    /// without such a set.
    fn validate(
        &self,
        weights: &[f32],
        log: &RunLog<Self::Event>,
    ) -> Result<Option<Self::Validation>, TrainError>;

    /// The AP of a validation, which decides which weights are best.
    fn ap(validation: &Self::Validation) -> f64;

    /// The event of a validation after step `step`; `best` says whether it is the best so far.
    fn validated(&self, step: u64, epoch: f64, found: &Self::Validation, best: bool) -> Self::Event;

    /// Draws the pictures in the run's folder anew.
    fn write_pictures(&self, found: Option<&Self::Validation>) -> Result<(), TrainError>;

    /// Notes for the training record: names and texts.
    fn notes(&self) -> Vec<(&'static str, String)>;

    /// Writes a file of weights.
    fn write(&self, path: &Path, weights: &[f32], record: TrainingRecord) -> Result<(), TrainError>;

    /// Measures the weights in the file `best` on whole sets and adds the results and the record to it. Returns the
    /// model card.
    fn finish(
        &self,
        best: &Path,
        record: TrainingRecord,
        log: &RunLog<Self::Event>,
    ) -> Result<String, TrainError>;

    /// File names of the pictures of a batch.
    fn names(&self, samples: &[usize]) -> String {
        let name = |&sample: &usize| {
            self.picture(sample).file_name().unwrap_or_default().to_string_lossy().into_owned()
        };
        samples.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}

/// The titles of sets, each with how often an epoch passes through it.
pub fn repeated(specs: &[SetSpec], titles: impl Iterator<Item = String>) -> Vec<String> {
    specs.iter().zip(titles).map(|(spec, title)| format!("{title} x{}", spec.repeat)).collect()
}

/// Parts that a batch is cut into, which are worked on at once.
pub fn shard_count(run: &RunSection) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // Twice as many parts as cores: when another program takes a core for a while, the others go on with its parts.
    if run.shards > 0 { run.shards } else { (2 * cores).min(32) }
}
