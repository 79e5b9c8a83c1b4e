//! What the loop asks of a training; all the rest is the same for poses and for the detector.

use super::TrainError;
use super::config::{RunSection, ScheduleSection};
use super::events::LogEvent;
use super::log::RunLog;
use super::meter::{LossTerms, Pace};
use super::parameters::ParamLayout;
use crate::data::SetSpec;
use crate::weights::TrainingRecord;
use burn::module::Module;
use std::path::Path;
use std::time::Duration;

/// What every training has, whatever it trains.
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

/// A step's outcome.
pub struct StepOutcome<L> {
    /// Not a number when a thread of the loader failed.
    pub loss: L,
    /// Time spent waiting for data.
    pub waited: Duration,
    /// The batch, for a loss that is not finite.
    pub samples: Vec<usize>,
    /// Why pictures of this step could not be decoded.
    pub bad: Vec<String>,
}

impl<L: Default> Default for StepOutcome<L> {
    fn default() -> StepOutcome<L> {
        StepOutcome { loss: L::default(), waited: Duration::ZERO, samples: Vec::new(), bad: Vec::new() }
    }
}

/// A prepared training. `weights` are all its trained numbers in the order of its layout.
pub trait TrainTask {
    type Event: LogEvent;
    type Loss: LossTerms;
    type Network: Module;
    /// What a validation finds.
    type Validation;

    fn run_info(&self) -> RunInfo;

    /// The network and where its trained numbers lie.
    fn network(&self) -> (&Self::Network, &ParamLayout);

    /// Takes the network that a checkpoint completed.
    fn set_network(&mut self, network: Self::Network);

    /// Tells that step `step` of `steps` is about to begin.
    fn begin(&self, step: u64, steps: u64, log: &RunLog<Self::Event>);

    /// Loss of step `step` at `weights` and its gradient, written to `gradient`.
    fn step(&mut self, step: u64, weights: &[f32], gradient: &mut [f32]) -> StepOutcome<Self::Loss>;

    fn step_event(&self, pace: Pace, loss: Self::Loss) -> Self::Event;

    /// The picture of a sample.
    fn picture(&self, sample: usize) -> &Path;

    /// How good `weights` are on the part of the validation set that is looked at during the training; `None`
    /// without such a set.
    fn validate(
        &self,
        weights: &[f32],
        log: &RunLog<Self::Event>,
    ) -> Result<Option<Self::Validation>, TrainError>;

    /// What decides which weights are best.
    fn ap(validation: &Self::Validation) -> f64;

    fn validated(&self, step: u64, epoch: f64, found: &Self::Validation, best: bool) -> Self::Event;

    /// Draws the run's pictures anew.
    fn draw(&self, found: Option<&Self::Validation>) -> Result<(), TrainError>;

    /// What the record of its weights says besides what every record says.
    fn notes(&self) -> Vec<(&'static str, String)>;

    /// Writes a file of weights.
    fn write(&self, path: &Path, weights: &[f32], record: TrainingRecord) -> Result<(), TrainError>;

    /// Measures the weights in the file `kept` on whole sets and puts what was found into it, with the record.
    /// Returns their card.
    fn conclude(
        &self,
        kept: &Path,
        record: TrainingRecord,
        log: &RunLog<Self::Event>,
    ) -> Result<String, TrainError>;

    /// Names of the pictures of a batch.
    fn names(&self, samples: &[usize]) -> String {
        let name = |&sample: &usize| {
            self.picture(sample).file_name().unwrap_or_default().to_string_lossy().into_owned()
        };
        samples.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}

/// Sets with how often each is passed in an epoch.
pub fn repeated(specs: &[SetSpec], titles: impl Iterator<Item = String>) -> Vec<String> {
    specs.iter().zip(titles).map(|(spec, title)| format!("{title} x{}", spec.repeat)).collect()
}
