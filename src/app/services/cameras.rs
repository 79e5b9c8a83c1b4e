//! Asks the system for its cameras.

use super::task::{BackgroundTask, TaskState};
use crate::app::state::CameraList;
use crate::source::{self, CameraInfo};

/// The scan that runs, if any.
#[derive(Default)]
pub struct CameraScan {
    running: Option<BackgroundTask<Result<Vec<CameraInfo>, String>>>,
}

impl CameraScan {
    /// Looks for cameras, unless that is being done.
    pub fn start(&mut self, ctx: &egui::Context, list: &mut CameraList) {
        if self.running.is_none() {
            self.running = BackgroundTask::start(ctx, "tmpose-cameras", || {
                source::list_cameras().map_err(|error| error.to_string())
            });
            list.scanning = self.running.is_some();
        }
    }

    /// Takes the answer into the list when it is there.
    pub fn poll(&mut self, list: &mut CameraList) {
        let Some(task) = &self.running else { return };
        match task.poll() {
            TaskState::Running => return,
            TaskState::Done(found) => list.found = Some(found),
            TaskState::Lost => {}
        }
        self.running = None;
        list.scanning = false;
    }
}
