//! What the pipeline reports, read once a frame, so that all panels of a frame agree.

use crate::live::{
    DetectorStatus, LiveMeasurements, ModelStatus, ModelSummary, Pipeline, SourceStatus, Transport,
};
use crate::pose::Skeleton;

/// A copy of the pipeline's reports.
#[derive(Clone)]
pub struct PipelineStatus {
    /// The model that is loaded.
    pub model: ModelStatus,
    /// The person detector that is loaded.
    pub detector: DetectorStatus,
    /// The source that is open, if any.
    pub source: Option<SourceStatus>,
    /// Whether it plays and loops.
    pub transport: Transport,
    /// Times of the last frames.
    pub measured: LiveMeasurements,
    /// Frames of this source that the network never saw because a newer one came first.
    pub dropped_frames: u64,
}

impl PipelineStatus {
    /// Asks the pipeline, which answers at once.
    pub fn read(pipeline: &Pipeline) -> PipelineStatus {
        PipelineStatus {
            model: pipeline.model(),
            detector: pipeline.detector(),
            source: pipeline.source(),
            transport: pipeline.transport(),
            measured: pipeline.measured(),
            dropped_frames: pipeline.dropped_frames(),
        }
    }

    /// The model that runs; `None` while there is none or it is being prepared.
    pub fn ready_model(&self) -> Option<&ModelSummary> {
        match &self.model {
            ModelStatus::Ready(summary) => Some(summary),
            _ => None,
        }
    }

    /// The joints of the model that runs, or else of the one that comes with the program.
    pub fn skeleton(&self) -> &Skeleton {
        self.ready_model().map_or(Skeleton::coco17(), |summary| &summary.info.skeleton)
    }
}
