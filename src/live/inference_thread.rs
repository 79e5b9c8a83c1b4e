//! The inference thread: newest frame in, newest result out. What it does with a frame is in `inference`.

use super::capture_context::LiveFrame;
use super::inference::Inference;
use super::inference_state::InferenceState;
use super::join;
use super::people_tracker_settings::PeopleTrackerSettings;
use super::slot::{Notifier, Slot};
use std::sync::Arc;
use std::thread::JoinHandle;

/// The running inference thread. Dropping it stops and joins the thread.
pub(super) struct InferenceThread {
    pub shared: Arc<InferenceState>,
    thread: Option<JoinHandle<()>>,
}

impl InferenceThread {
    /// Starts the thread. Frames arrive in `frames`, whose notifier must be `notifier`.
    ///
    /// # Errors
    /// The system has no more threads.
    pub fn start(
        notifier: Arc<Notifier>,
        frames: Arc<Slot<LiveFrame>>,
        settings: PeopleTrackerSettings,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> std::io::Result<InferenceThread> {
        let shared = Arc::new(InferenceState::new(notifier, frames, wake));
        let thread = std::thread::Builder::new().name("tmpose-infer".into()).spawn({
            let shared = shared.clone();
            move || Inference::new(&shared, settings).run()
        })?;
        Ok(InferenceThread { shared, thread: Some(thread) })
    }
}

impl Drop for InferenceThread {
    fn drop(&mut self) {
        self.shared.stop();
        if let Some(thread) = self.thread.take() {
            join::join_or_abandon(thread);
        }
    }
}
