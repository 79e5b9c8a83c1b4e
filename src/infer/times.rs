//! How long the stages of an estimate took.

use std::time::Duration;

/// Whether the time inside the network is split by stage.
///
/// A GPU works while the program goes on, so a stage's time is only known when the program waits for
/// the device after each stage, and that waiting slows the whole down a little.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timing {
    /// Wait for the device after each stage: true stage times.
    #[default]
    Stages,
    /// Wait once, at the end: the fastest, and on a GPU only `crop`, `network` and `whole` are measured.
    /// The CPU backend computes at once, so there the stages stay known.
    WholeOnly,
}

/// Durations of one call of [`super::Estimator::estimate`], over all its persons and both passes of a
/// flip test. A stage that was not measured (see [`Timing::WholeOnly`]) is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageTimes {
    /// Cropping, normalising and the upload, unless the picture was on the device already.
    pub crop: Duration,
    /// Pictures to feature maps.
    pub backbone: Duration,
    /// Selecting the kept patches, embedding them and adding positions.
    pub mask: Duration,
    /// The encoder layers.
    pub transformer: Duration,
    /// Keypoint tokens to heatmaps.
    pub head: Duration,
    /// Everything from crops on the device to heatmaps; always measured. A GPU that is waited for once
    /// finds the keypoints before the program knows that the heatmaps are there: then that is in it too.
    pub network: Duration,
    /// Heatmaps to keypoints in the picture, with the averaging of a flip test, and the way back from a
    /// GPU of what is needed in the CPU's memory.
    pub decode: Duration,
    /// The whole call.
    pub whole: Duration,
}

impl StageTimes {
    /// The stages in the order in which data goes through them, with the names shown to people.
    pub fn stages(&self) -> [(&'static str, Duration); 6] {
        [
            ("crop", self.crop),
            ("backbone", self.backbone),
            ("mask", self.mask),
            ("transformer", self.transformer),
            ("head", self.head),
            ("decode", self.decode),
        ]
    }
}
