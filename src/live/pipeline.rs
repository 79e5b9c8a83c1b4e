//! The window's handle on the two threads: source in, results out, nothing ever waits.

use super::capture::{Capture, LiveFrame, Opener, Outlets, SourceStatus, Transport};
use super::estimator::{Loader, ModelStatus};
use super::slot::{Bell, Slot, lock};
use super::worker::{LiveResult, LiveSettings, Measured, Worker};
use crate::source::{self, SourceSpec};
use std::sync::Arc;
use std::time::Duration;

/// A source, a model and what comes out of them. No method waits for a frame, a file or the network;
/// only dropping the pipeline waits for its threads to end.
pub struct Pipeline {
    // The order matters: capture ends first, since it feeds the worker.
    capture: Option<Capture>,
    worker: Worker,
    outlets: Outlets,
    opened: u64,
    settings: LiveSettings,
}

impl Pipeline {
    /// Starts the inference thread, without a source and a model. `wake` is called from the threads
    /// whenever there is something new to show.
    ///
    /// # Errors
    /// The system has no more threads.
    pub fn new(settings: LiveSettings, wake: Arc<dyn Fn() + Send + Sync>) -> std::io::Result<Pipeline> {
        let bell = Arc::new(Bell::default());
        let frames = Arc::new(Slot::new(bell.clone()));
        let worker = Worker::start(bell, frames.clone(), settings.clone(), wake.clone())?;
        let outlets = Outlets { frames, preview: Arc::new(Slot::new(Arc::default())), wake };
        Ok(Pipeline { capture: None, worker, outlets, opened: 0, settings })
    }

    /// Opens a source on its own thread, in place of the one that runs. Returns its number, which its
    /// frames carry.
    pub fn open(&mut self, spec: SourceSpec, transport: Transport) -> u64 {
        self.open_with(Box::new(move || source::open(&spec)), transport)
    }

    /// Like [`Pipeline::open`], with the way to open the source given.
    pub fn open_with(&mut self, open: Opener, transport: Transport) -> u64 {
        self.opened += 1;
        let previous = self.capture.take();
        self.capture = Some(Capture::start(open, self.opened, transport, self.outlets.clone(), previous));
        self.opened
    }

    /// Replaces the model (`None`: unloads it). The picture goes on meanwhile.
    pub fn load(&mut self, loader: Option<Loader>) {
        // Said here already, so that the window never shows the old model as the new one.
        *lock(&self.worker.shared.status) =
            if loader.is_some() { ModelStatus::Loading } else { ModelStatus::None };
        self.worker.shared.model.put(loader);
    }

    /// Changes the settings; the next result has them, also when the source is paused.
    pub fn set_settings(&mut self, settings: LiveSettings) {
        if settings != self.settings {
            self.settings = settings.clone();
            self.worker.shared.settings.put(settings);
        }
    }

    /// The newest result that was not taken yet.
    pub fn take_result(&self) -> Option<LiveResult> {
        self.worker.shared.results.take()
    }

    /// The newest frame that was not taken yet, without poses: what to show while there is no model.
    pub fn take_preview(&self) -> Option<LiveFrame> {
        self.outlets.preview.take()
    }

    pub fn model(&self) -> ModelStatus {
        lock(&self.worker.shared.status).clone()
    }

    pub fn measured(&self) -> Measured {
        self.worker.shared.measured()
    }

    /// Frames that the network never saw because a newer one came first.
    pub fn dropped_frames(&self) -> u64 {
        self.outlets.frames.dropped()
    }

    /// `None` while no source is open.
    pub fn source(&self) -> Option<SourceStatus> {
        self.capture.as_ref().map(Capture::status)
    }

    /// What the source is told to do now; it stops by itself at its end.
    pub fn transport(&self) -> Transport {
        self.capture.as_ref().map(Capture::transport).unwrap_or_default()
    }

    pub fn set_transport(&self, transport: Transport) {
        if let Some(capture) = &self.capture {
            capture.set_transport(transport);
        }
    }

    /// Pauses and shows the next (1) or the previous (-1) frame.
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
