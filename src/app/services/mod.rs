//! What works beside the window, on threads of their own: the pipeline, a training, file dialogs, the list of cameras.

mod cameras;
mod dialogs;
mod task;

pub use cameras::CameraScan;
pub use dialogs::{DialogResult, Dialogs};

use super::overlay::PictureTextures;
use super::train::TrainThread;
use crate::live::{PeopleTrackerSettings, Pipeline};
use std::sync::Arc;

/// The services of a window.
pub struct Services {
    /// Source, detector and network.
    pub pipeline: Pipeline,
    /// The settings that the pipeline was given last.
    pub live_settings: PeopleTrackerSettings,
    /// What the graphics card holds.
    pub textures: PictureTextures,
    /// The system's file dialogs.
    pub dialogs: Dialogs,
    /// Asks for cameras.
    pub cameras: CameraScan,
    /// The training that is running, if any.
    pub training: Option<TrainThread>,
}

impl Services {
    /// Starts the pipeline, without a source and a model.
    ///
    /// # Errors
    /// The system has no thread left for the network.
    pub fn start(ctx: &egui::Context, live_settings: PeopleTrackerSettings) -> std::io::Result<Services> {
        let ctx = ctx.clone();
        let pipeline = Pipeline::new(live_settings.clone(), Arc::new(move || ctx.request_repaint()))?;
        Ok(Services {
            pipeline,
            live_settings,
            textures: PictureTextures::default(),
            dialogs: Dialogs::default(),
            cameras: CameraScan::default(),
            training: None,
        })
    }
}
