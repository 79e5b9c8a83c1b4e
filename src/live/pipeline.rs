//! The window's handle on the two threads: source in, results out, nothing ever waits.

use super::capture::{Capture, Opener};
use super::capture_context::{FrameSinks, LiveFrame, SourceStatus, Transport};
use super::estimator::{ModelLoader, ModelStatus};
use super::inference_state::{LiveMeasurements, LiveResult};
use super::inference_thread::InferenceThread;
use super::people_tracker_settings::PeopleTrackerSettings;
use super::person_detector::{DetectorLoader, DetectorStatus};
use super::slot::{Notifier, Slot, lock};
use crate::source::{self, SourceSpec};
use std::sync::Arc;
use std::time::Duration;

/// A source, a model and what comes out of them. No method waits for a frame, a file or the network;
/// only dropping the pipeline waits for its threads to end.
pub struct Pipeline {
    // The order matters: capture ends first, since it feeds the inference_thread.
    capture: Option<Capture>,
    inference_thread: InferenceThread,
    sinks: FrameSinks,
    opened: u64,
    /// Frames that were dropped before the source that runs was opened.
    dropped_before: u64,
    settings: PeopleTrackerSettings,
}

impl Pipeline {
    /// Starts the inference thread, without a source and a model. `wake` is called from the threads
    /// whenever there is something new to show.
    ///
    /// # Errors
    /// The system has no more threads.
    pub fn new(
        settings: PeopleTrackerSettings,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> std::io::Result<Pipeline> {
        let notifier = Arc::new(Notifier::default());
        let frames = Arc::new(Slot::new(notifier.clone()));
        let inference_thread =
            InferenceThread::start(notifier, frames.clone(), settings.clone(), wake.clone())?;
        let sinks = FrameSinks { frames, preview: Arc::new(Slot::new(Arc::default())), wake };
        Ok(Pipeline { capture: None, inference_thread, sinks, opened: 0, dropped_before: 0, settings })
    }

    /// Opens a source on its own thread, in place of the one that runs. Returns its number, which its
    /// frames carry.
    pub fn open(&mut self, spec: SourceSpec, transport: Transport) -> u64 {
        self.open_with(reopener(spec), transport)
    }

    /// Like [`Pipeline::open`], with the way to open the source given.
    pub fn open_with(&mut self, open: Opener, transport: Transport) -> u64 {
        self.opened += 1;
        self.dropped_before = self.sinks.frames.dropped();
        let previous = self.capture.take();
        self.capture = Some(Capture::start(open, self.opened, transport, self.sinks.clone(), previous));
        self.opened
    }

    /// The number of the source that was opened last.
    #[cfg(test)]
    pub fn source_number(&self) -> u64 {
        self.opened
    }

    /// Closes the source; what it showed last is the window's.
    pub fn close(&mut self) {
        if let Some(capture) = self.capture.take() {
            capture.retire();
        }
    }

    /// Tries a camera that was lost now, instead of after the pause.
    pub fn retry(&self) {
        if let Some(capture) = &self.capture {
            capture.retry();
        }
    }

    /// Replaces the model (`None`: unloads it). The picture goes on meanwhile.
    pub fn load(&mut self, loader: Option<ModelLoader>) {
        // Said here already, so that the window never shows the old model as the new one.
        *lock(&self.inference_thread.shared.status) =
            if loader.is_some() { ModelStatus::Loading { done: 0, of: 0 } } else { ModelStatus::None };
        self.inference_thread.shared.model.put(loader);
    }

    /// Replaces the person detector (`None`: unloads it; one person is then looked for in the whole picture).
    pub fn load_detector(&mut self, loader: Option<DetectorLoader>) {
        *lock(&self.inference_thread.shared.detector_status) =
            if loader.is_some() { DetectorStatus::Loading } else { DetectorStatus::None };
        self.inference_thread.shared.detector.put(loader);
    }

    /// Changes the settings; the next result has them, also when the source is paused.
    pub fn set_settings(&mut self, settings: PeopleTrackerSettings) {
        if settings != self.settings {
            self.settings = settings.clone();
            self.inference_thread.shared.settings.put(settings);
        }
    }

    /// The newest result that was not taken yet.
    pub fn take_result(&self) -> Option<LiveResult> {
        self.inference_thread.shared.results.take()
    }

    /// The newest frame that was not taken yet, without poses: what to show while there is no model.
    pub fn take_preview(&self) -> Option<LiveFrame> {
        self.sinks.preview.take()
    }

    /// Where the pose network stands.
    pub fn model(&self) -> ModelStatus {
        lock(&self.inference_thread.shared.status).clone()
    }

    /// Where the person detector stands.
    pub fn detector(&self) -> DetectorStatus {
        lock(&self.inference_thread.shared.detector_status).clone()
    }

    /// Rates and times of the last frames.
    pub fn measured(&self) -> LiveMeasurements {
        self.inference_thread.shared.measured()
    }

    /// Frames of this source that the network never saw because a newer one came first.
    pub fn dropped_frames(&self) -> u64 {
        self.sinks.frames.dropped() - self.dropped_before
    }

    /// `None` while no source is open.
    pub fn source(&self) -> Option<SourceStatus> {
        self.capture.as_ref().map(Capture::status)
    }

    /// What the source is told to do now; it stops by itself at its end.
    pub fn transport(&self) -> Transport {
        self.capture.as_ref().map(Capture::transport).unwrap_or_default()
    }

    /// Plays, pauses or loops the source; nothing happens while none is open.
    pub fn set_transport(&self, transport: Transport) {
        if let Some(capture) = &self.capture {
            capture.set_transport(transport);
        }
    }

    /// Backoff and shows the next (1) or the previous (-1) frame.
    pub fn step(&self, frames: i32) {
        if let Some(capture) = &self.capture {
            capture.step(frames);
        }
    }

    /// Goes to a media time.
    pub fn seek(&self, to: Duration) {
        if let Some(capture) = &self.capture {
            capture.seek(to);
        }
    }
}

/// Opens a source, and opens it again when it was lost: a camera that is plugged in again may have another
/// number, which perhaps is another camera's now, but it has its name.
fn reopener(spec: SourceSpec) -> Opener {
    let mut name: Option<String> = None;
    Box::new(move || {
        let opened = source::open(&spec);
        let (SourceSpec::Camera { format, .. }, Some(known)) = (&spec, &name) else {
            let source = opened?;
            name = Some(source.info().title.clone());
            return Ok(source);
        };
        match opened {
            Ok(source) if source.info().title == *known => Ok(source),
            other => {
                drop(other);
                source::open(&SourceSpec::Camera { camera: known.clone(), format: *format })
            }
        }
    })
}
