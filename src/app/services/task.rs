//! Work that takes time and ends with an answer, on a thread of its own so that the window keeps drawing.

use crossbeam_channel::{Receiver, TryRecvError, bounded};

/// The work, and its answer to come.
pub(super) struct BackgroundTask<T>(Receiver<T>);

/// How far a task is.
pub(super) enum TaskState<T> {
    /// It runs.
    Running,
    /// It ended with this answer.
    Done(T),
    /// The thread ended without an answer.
    Lost,
}

impl<T: Send + 'static> BackgroundTask<T> {
    /// Starts the work; `None`, with a message in the log, when the system has no more threads.
    pub fn start(
        ctx: &egui::Context,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<BackgroundTask<T>> {
        let (sender, receiver) = bounded(1);
        let ctx = ctx.clone();
        let started = std::thread::Builder::new().name(name.into()).spawn(move || {
            // The window may be gone; then nobody needs the answer.
            let _ = sender.send(work());
            ctx.request_repaint();
        });
        if let Err(error) = started {
            log::error!("no thread could be started for {name}: {error}");
            return None;
        }
        Some(BackgroundTask(receiver))
    }

    /// The answer, once; never waits.
    pub fn poll(&self) -> TaskState<T> {
        match self.0.try_recv() {
            Ok(answer) => TaskState::Done(answer),
            Err(TryRecvError::Empty) => TaskState::Running,
            Err(TryRecvError::Disconnected) => TaskState::Lost,
        }
    }
}
