//! What a training has reported so far. Every event counts, and the memory does not grow with their number.

use super::loss_curve::{CurvePoint, LossCurve};
use crate::model::KeepRatio;
use crate::train::{PoseEvent, PoseStep, RunEvent};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Notes that are kept; the log file has all.
const MAX_NOTES: usize = 100;
/// Validations that are kept as points of the accuracy curve.
const MAX_VALIDATIONS: usize = 2000;

/// What a training is doing.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainPhase {
    /// Nothing has run yet.
    Idle,
    /// Data and weights are being read.
    Preparing,
    /// Pictures of the mannequin are being rendered.
    Rendering {
        /// Pictures that are rendered.
        done: usize,
        /// Pictures to render.
        total: usize,
    },
    /// Backbone features are being computed.
    Features {
        /// The set's name.
        set: String,
        /// Samples whose features are there.
        done: usize,
        /// Samples of the set.
        total: usize,
    },
    /// Steps are being made.
    Training,
    /// A set is being measured.
    Validating {
        /// People that are measured.
        done: usize,
        /// People of the set.
        total: usize,
    },
    /// Ended early on request, with everything saved.
    Stopped {
        /// Steps made.
        step: u64,
    },
    /// Every step was made and the finished weights are measured.
    Finished {
        /// Steps made.
        step: u64,
        /// Time that it took, in seconds.
        seconds: f64,
    },
    /// Ended by an error, as a sentence.
    Failed(String),
}

impl TrainPhase {
    /// One word, for reports.
    pub fn name(&self) -> &'static str {
        match self {
            TrainPhase::Idle => "idle",
            TrainPhase::Preparing => "preparing",
            TrainPhase::Rendering { .. } => "rendering",
            TrainPhase::Features { .. } => "features",
            TrainPhase::Training => "training",
            TrainPhase::Validating { .. } => "validating",
            TrainPhase::Stopped { .. } => "stopped",
            TrainPhase::Finished { .. } => "finished",
            TrainPhase::Failed(_) => "failed",
        }
    }

    /// Things done and things to do, where they are counted.
    pub fn counted(&self) -> Option<(usize, usize)> {
        match self {
            TrainPhase::Rendering { done, total }
            | TrainPhase::Features { done, total, .. }
            | TrainPhase::Validating { done, total } => Some((*done, *total)),
            _ => None,
        }
    }
}

/// How large a training is.
#[derive(Clone, Debug, PartialEq)]
pub struct RunOverview {
    /// Steps of the whole run.
    pub steps: u64,
    /// Samples of an epoch.
    pub samples: usize,
    /// Numbers that are trained.
    pub parameters: usize,
    /// What computes, in words.
    pub device: String,
}

/// A measured accuracy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ApMeasurement {
    /// Steps after which the weights were measured.
    pub step: u64,
    /// Share of the visual tokens that were kept.
    pub keep_ratio: KeepRatio,
    /// OKS average precision, 0 to 1.
    pub ap: f64,
    /// People that were measured.
    pub people: usize,
}

/// The state of a training according to its events.
#[derive(Clone, Debug)]
pub struct TrainProgress {
    /// What it is doing.
    pub phase: TrainPhase,
    /// How large it is; `None` until it has read its data.
    pub overview: Option<RunOverview>,
    /// The newest step event and when it came.
    pub last: Option<(PoseStep, Instant)>,
    /// Loss and learning rate over the steps.
    pub curve: LossCurve,
    /// The validations between epochs, oldest first.
    pub validations: Vec<ApMeasurement>,
    /// The finished weights on whole sets.
    pub table: Vec<ApMeasurement>,
    /// The best validation.
    pub best: Option<ApMeasurement>,
    /// Its newest notes, oldest first.
    pub notes: VecDeque<String>,
    /// Steps of the newest checkpoint.
    pub saved: Option<u64>,
    /// When the phase began, and what was done then.
    since: (Instant, usize),
}

impl Default for TrainProgress {
    fn default() -> Self {
        TrainProgress {
            phase: TrainPhase::Idle,
            overview: None,
            last: None,
            curve: LossCurve::default(),
            validations: Vec::new(),
            table: Vec::new(),
            best: None,
            notes: VecDeque::new(),
            saved: None,
            since: (Instant::now(), 0),
        }
    }
}

impl TrainProgress {
    /// Takes account of an event that came at `now`.
    pub fn record(&mut self, event: &PoseEvent, now: Instant) {
        match event {
            PoseEvent::Rendering { done, total } => {
                self.enter(TrainPhase::Rendering { done: *done, total: *total }, now);
            }
            PoseEvent::Features { set, done, total } => {
                let (set, done, total) = (set.clone(), *done, *total);
                self.enter(TrainPhase::Features { set, done, total }, now);
            }
            PoseEvent::Started { step, steps, samples, parameters, device } => {
                self.curve.cut(*step);
                self.validations.retain(|v| v.step <= *step);
                self.table.clear();
                let (steps, samples, parameters) = (*steps, *samples, *parameters);
                self.overview = Some(RunOverview { steps, samples, parameters, device: device.clone() });
                self.enter(TrainPhase::Training, now);
            }
            PoseEvent::Step(event) => {
                self.curve.push(CurvePoint::from(event));
                self.last = Some((event.clone(), now));
                self.enter(TrainPhase::Training, now);
            }
            PoseEvent::Validated { step, keep_ratio, score, best, .. } => {
                let (step, keep_ratio) = (*step, *keep_ratio);
                let measured = ApMeasurement { step, keep_ratio, ap: score.ap, people: score.persons };
                // Measured once more: the finished weights, on whole sets.
                let again = self.validations.last().is_some_and(|v| step <= v.step);
                if again || self.trained() {
                    self.table.push(measured);
                } else {
                    self.validated(measured, *best);
                    self.enter(TrainPhase::Training, now);
                }
            }
            PoseEvent::Run(event) => self.record_run(event, now),
        }
    }

    /// Takes account of an event that every training has.
    fn record_run(&mut self, event: &RunEvent, now: Instant) {
        match *event {
            RunEvent::Note { ref text } => self.note(text.clone()),
            RunEvent::Validating { done, total } => self.enter(TrainPhase::Validating { done, total }, now),
            RunEvent::Saved { step } => self.saved = Some(step),
            RunEvent::Stopped { step } => self.enter(TrainPhase::Stopped { step }, now),
            RunEvent::Finished { step, seconds, .. } => {
                self.enter(TrainPhase::Finished { step, seconds }, now)
            }
        }
    }

    /// Changes the phase; the clock of a phase starts when another kind of work begins.
    pub fn enter(&mut self, phase: TrainPhase, now: Instant) {
        let same = match (&self.phase, &phase) {
            (TrainPhase::Features { set: before, .. }, TrainPhase::Features { set, .. }) => before == set,
            (before, after) => std::mem::discriminant(before) == std::mem::discriminant(after),
        };
        let done = phase.counted().map_or(0, |(done, _)| done);
        let before = self.phase.counted().map_or(0, |(done, _)| done);
        // The count starts anew with each set that is validated.
        if !same || done < before {
            self.since = (now, done);
        }
        self.phase = phase;
    }

    /// Adds a note; the oldest one goes when there are too many.
    pub fn note(&mut self, text: String) {
        if self.notes.len() == MAX_NOTES {
            self.notes.pop_front();
        }
        self.notes.push_back(text);
    }

    /// Every step was made and saved; what is measured now are the finished weights.
    pub fn trained(&self) -> bool {
        self.overview.as_ref().is_some_and(|e| self.saved == Some(e.steps))
    }

    fn validated(&mut self, measured: ApMeasurement, best: bool) {
        if best {
            self.best = Some(measured);
        }
        if self.validations.len() >= MAX_VALIDATIONS {
            let mut even = false;
            self.validations.retain(|_| {
                even = !even;
                even
            });
        }
        self.validations.push(measured);
    }

    /// Steps made.
    pub fn step(&self) -> u64 {
        match &self.phase {
            TrainPhase::Stopped { step } | TrainPhase::Finished { step, .. } => *step,
            _ => self.last.as_ref().map_or(0, |(e, _)| e.position.step),
        }
    }

    /// Time until the counted work, or all steps, are done; `None` while that is not known.
    pub fn left(&self, now: Instant) -> Option<Duration> {
        if let Some((done, total)) = self.phase.counted() {
            let (since, before) = self.since;
            let made = done.saturating_sub(before);
            let each = now.duration_since(since).as_secs_f64() / made as f64;
            return (made > 0).then(|| Duration::from_secs_f64(each * total.saturating_sub(done) as f64));
        }
        let (event, at) = self.last.as_ref().filter(|_| self.phase == TrainPhase::Training)?;
        let left = event.pace.seconds_left - now.duration_since(*at).as_secs_f64();
        Some(Duration::try_from_secs_f64(left.max(0.0)).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::set::SetScore;

    /// A step event as it stands in a log file.
    pub fn step(step: u64, steps: u64) -> PoseEvent {
        let e = serde_json::json!({
            "event": "step", "step": step, "steps": steps, "epoch": 0.1, "loss": 7.0, "mse": 1.0,
            "cross_entropy": 6.0, "learning_rate": 0.001, "gradient": 0.5, "milliseconds_a_step": 100.0,
            "samples_a_second": 320.0, "waiting": 0.0, "seconds_left": 60.0,
        });
        serde_json::from_value(e).unwrap()
    }

    fn validated(step: u64, ap: f64, best: bool) -> PoseEvent {
        let score = SetScore {
            ap,
            ap50: 0.0,
            ap75: 0.0,
            ap_medium: 0.0,
            ap_large: 0.0,
            ar: 0.0,
            pck005: 0.0,
            pck01: 0.0,
            pck02: 0.0,
            persons: 8,
        };
        PoseEvent::Validated { step, epoch: 1.0, keep_ratio: KeepRatio::ALL, score, best }
    }

    fn started(step: u64, steps: u64) -> PoseEvent {
        PoseEvent::Started { step, steps, samples: 100, parameters: 5, device: "CPU".into() }
    }

    fn recorded(events: impl IntoIterator<Item = PoseEvent>) -> TrainProgress {
        let mut progress = TrainProgress::default();
        events.into_iter().for_each(|e| progress.record(&e, Instant::now()));
        progress
    }

    #[test]
    fn validations_make_the_curve_and_the_finished_weights_the_table() {
        let progress = recorded([
            started(0, 20),
            step(10, 20),
            validated(10, 0.4, true),
            RunEvent::Saved { step: 10 }.into(),
            step(20, 20),
            validated(20, 0.3, false),
            RunEvent::Saved { step: 20 }.into(),
            validated(10, 0.41, false),
            RunEvent::Finished { step: 20, seconds: 3.0, best_ap: Some(0.4) }.into(),
        ]);
        assert_eq!(progress.validations.iter().map(|v| v.ap).collect::<Vec<_>>(), [0.4, 0.3]);
        assert_eq!(progress.best.map(|b| (b.step, b.ap)), Some((10, 0.4)));
        assert_eq!(progress.table.iter().map(|v| v.ap).collect::<Vec<_>>(), [0.41]);
        assert_eq!(progress.phase, TrainPhase::Finished { step: 20, seconds: 3.0 });
    }

    #[test]
    fn a_resumed_training_continues_the_curves() {
        let progress = recorded([
            started(0, 30),
            step(10, 30),
            validated(10, 0.2, true),
            RunEvent::Saved { step: 10 }.into(),
            step(20, 30),
            started(10, 30),
            step(20, 30),
        ]);
        assert_eq!(progress.curve.points().map(|p| p.step as u64).collect::<Vec<_>>(), [10, 20]);
        assert_eq!((progress.validations.len(), progress.step()), (1, 20));
    }

    #[test]
    fn the_time_left_follows_from_what_is_done() {
        let start = Instant::now();
        let mut progress = TrainProgress::default();
        let features = |done| PoseEvent::Features { set: "train".into(), done, total: 100 };
        progress.record(&features(20), start);
        assert_eq!(progress.left(start), None, "20 may have been there before");
        progress.record(&features(40), start + Duration::from_secs(10));
        assert_eq!(progress.left(start + Duration::from_secs(10)), Some(Duration::from_secs(30)));

        progress.record(&step(10, 30), start);
        assert_eq!(progress.left(start + Duration::from_secs(5)), Some(Duration::from_secs(55)));
    }

    #[test]
    fn notes_and_validations_do_not_grow_without_end() {
        let mut progress = recorded([started(0, u64::MAX)]);
        for n in 0..3 * MAX_VALIDATIONS as u64 {
            progress.record(&validated(n, 0.5, n == 3), Instant::now());
            progress.record(&RunEvent::Note { text: n.to_string() }.into(), Instant::now());
        }
        assert!(progress.validations.len() <= MAX_VALIDATIONS);
        assert_eq!(progress.best.map(|b| b.step), Some(3));
        assert_eq!(progress.notes.len(), MAX_NOTES);
        assert_eq!(progress.notes.back().unwrap(), &(3 * MAX_VALIDATIONS as u64 - 1).to_string());
    }
}
