//! What the training loop needs to know about the network that it trains; everything else is the same for poses and for
//! the detector.

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

/// Settings and data of a task.
pub struct RunInfo {
    /// How long and how fast it is trained.
    pub schedule: ScheduleSection,
    /// Where and how it runs.
    pub run: RunSection,
    /// Number of samples an epoch.
    pub samples: usize,
    /// Largest share of pictures that may be impossible to decode, 0 to 1.
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
    /// Time in which the step waited for data.
    pub waited: Duration,
    /// Numbers of the step's samples, which are named when the loss is not finite.
    pub samples: Vec<usize>,
    /// For each picture of the step that could not be decoded, why not.
    pub unreadable: Vec<String>,
}

impl<L: Default> Default for StepOutcome<L> {
    fn default() -> StepOutcome<L> {
        StepOutcome {
            loss: L::default(),
            waited: Duration::ZERO,
            samples: Vec::new(),
            unreadable: Vec::new(),
        }
    }
}

/// A network, its data and its loss, ready to be trained. `weights` is the flat vector of all trained numbers
/// ([`ParamLayout`]).
pub trait TrainTask {
    /// The events of the task.
    type Event: LogEvent;
    /// Loss of a step, term by term.
    type Loss: LossTerms;
    /// The network that is trained.
    type Network: Module;
    /// Result of a validation.
    type Validation;

    /// Settings and data of the run.
    fn run_info(&self) -> RunInfo;

    /// The network, and where its trained parameters lie in the flat vector.
    fn network(&self) -> (&Self::Network, &ParamLayout);

    /// Replaces the network by one with the buffers of a checkpoint.
    fn set_network(&mut self, network: Self::Network);

    /// Called once before the first step: `step` of `steps` steps are completed.
    fn begin(&self, step: u64, steps: u64, log: &RunLog<Self::Event>);

    /// Loss of step `step` at `weights` and its gradient, written to `gradient`.
    fn step(&mut self, step: u64, weights: &[f32], gradient: &mut [f32]) -> StepOutcome<Self::Loss>;

    /// The event of some steps whose mean loss is `loss`.
    fn step_event(&self, position: StepPosition, loss: Self::Loss, pace: StepPace) -> Self::Event;

    /// Path of the picture of a sample.
    fn picture(&self, sample: usize) -> &Path;

    /// Measures `weights` on the part of the validation set that is used during the training; `None` without such a set.
    ///
    /// # Errors
    /// A picture cannot be decoded, or the device fails.
    fn validate(
        &self,
        weights: &[f32],
        log: &RunLog<Self::Event>,
    ) -> Result<Option<Self::Validation>, TrainError>;

    /// The average precision of a validation, 0 to 1, which decides which weights are best.
    fn ap(validation: &Self::Validation) -> f64;

    /// The event of a validation after step `step`; `best` is whether no earlier one had a higher AP.
    fn validation_event(
        &self,
        step: u64,
        epoch: f64,
        validation: &Self::Validation,
        best: bool,
    ) -> Self::Event;

    /// Draws the pictures in the run's folder anew.
    ///
    /// # Errors
    /// A picture cannot be read or written.
    fn write_pictures(&self, validation: Option<&Self::Validation>) -> Result<(), TrainError>;

    /// Notes for the training record: names and texts.
    fn notes(&self) -> Vec<(&'static str, String)>;

    /// Writes a file of weights.
    ///
    /// # Errors
    /// The file cannot be written.
    fn write_weights(&self, path: &Path, weights: &[f32], record: TrainingRecord) -> Result<(), TrainError>;

    /// Measures the weights in the file `best` on whole sets and adds the results and the record to the file. Returns the
    /// text of the model card.
    ///
    /// # Errors
    /// The file or a set cannot be read, or the file cannot be written.
    fn finish(
        &self,
        best: &Path,
        record: TrainingRecord,
        log: &RunLog<Self::Event>,
    ) -> Result<String, TrainError>;

    /// File names of the pictures of some samples, separated by commas.
    fn picture_names(&self, samples: &[usize]) -> String {
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

/// Number of shards that a batch is cut into. Shards are computed at once.
pub fn shard_count(run: &RunSection) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // Twice as many shards as cores: when another program takes a core for a while, the others take its shards.
    if run.shards > 0 { run.shards } else { (2 * cores).min(32) }
}
