//! What a user chooses for the networks and for the people, and what a change of it asks for.

use crate::infer::Settings;
use crate::track::TrackSettings;

/// How people are found, tracked and estimated.
#[derive(Clone, Debug, PartialEq)]
pub struct PeopleTrackerSettings {
    /// How the pose network is run.
    pub infer: Settings,
    /// Who is tracked, how often people are detected, and how keypoints are smoothed.
    pub track: TrackSettings,
    /// Use the person detector, if there is one.
    pub detect: bool,
    /// Bring the heatmaps along; unless they stay on a GPU, they are copied for each frame.
    pub heatmaps: bool,
    /// Without a detector, search for a new person from coarse to fine in one frame of a video too, as in a picture: up
    /// to three estimates instead of one. Otherwise the next frames do that.
    pub refine_videos: bool,
}

impl Default for PeopleTrackerSettings {
    fn default() -> Self {
        PeopleTrackerSettings {
            infer: Settings::default(),
            track: TrackSettings::default(),
            detect: true,
            heatmaps: false,
            refine_videos: false,
        }
    }
}

/// What of a frame's result settings have made out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outdated {
    No,
    /// The poses; the boxes stay.
    Poses,
    /// Who is there.
    People,
}

impl PeopleTrackerSettings {
    /// What of a frame's result changes with other settings.
    pub(super) fn change_to(&self, new: &PeopleTrackerSettings) -> Outdated {
        // How often people are detected matters from the next frame on.
        let TrackSettings { smoothing, detect_every, .. } = new.track;
        let same_people = new.track == TrackSettings { smoothing, detect_every, ..self.track }
            && (new.detect, new.refine_videos) == (self.detect, self.refine_videos);
        let same_poses =
            (smoothing, &new.infer, new.heatmaps) == (self.track.smoothing, &self.infer, self.heatmaps);
        match (same_people, same_poses) {
            (false, _) => Outdated::People,
            (true, false) => Outdated::Poses,
            (true, true) => Outdated::No,
        }
    }
}
