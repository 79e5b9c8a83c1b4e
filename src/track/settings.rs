//! What a user chooses: who is tracked, how often people are detected, how much keypoints are smoothed.

use crate::vision::BBox;
use serde::{Deserialize, Serialize};

/// Who is followed. On the command line and in settings files the first three; the other two are chosen in the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum FollowMode {
    /// Everybody
    #[default]
    #[serde(alias = "All")]
    All,
    /// The person with the largest box
    #[serde(alias = "Largest")]
    Largest,
    /// The person nearest to the middle of the picture
    #[serde(alias = "Centre", alias = "center")]
    #[cfg_attr(feature = "cli", value(alias = "center"))]
    Centre,
    /// The person who is at this point (x, y in pixels) when the mode is chosen, from then on wherever they go.
    #[cfg_attr(feature = "cli", value(skip))]
    Point([f32; 2]),
    /// Whoever is in this box (pixels) when the mode is chosen, from then on wherever they go. Needs no detector.
    #[cfg_attr(feature = "cli", value(skip))]
    Drawn(BBox),
}

impl FollowMode {
    /// Whether the person was chosen in the picture, by a click or a drawn box.
    pub fn is_in_picture(self) -> bool {
        matches!(self, FollowMode::Point(_) | FollowMode::Drawn(_))
    }
}

/// The One-Euro filter of each keypoint (Casiez, Roussel and Vogel, CHI 2012). Speeds are measured in the
/// person's size a second, so that the same numbers suit people near and far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmoothingSettings {
    /// Whether keypoints are smoothed at all.
    pub on: bool,
    /// Cutoff frequency in Hz of a keypoint at rest: lower is steadier.
    pub min_cutoff: f64,
    /// Hz by which the cutoff rises for each person's size a second: higher follows faster.
    pub beta: f64,
    /// Cutoff frequency in Hz of the speed itself.
    pub derivative_cutoff: f64,
}

impl Default for SmoothingSettings {
    fn default() -> Self {
        SmoothingSettings { on: true, min_cutoff: 1.0, beta: 10.0, derivative_cutoff: 2.0 }
    }
}

/// How people are tracked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrackSettings {
    /// Who is followed.
    pub mode: FollowMode,
    /// The most people that are tracked at once; at least 1.
    pub most_people: usize,
    /// People lower than this share of the picture's height (0 to 1) are left out.
    pub min_size: f32,
    /// Frames from one person detection to the next, at least 1, while nobody is lost.
    pub detect_every: u32,
    /// How keypoints are smoothed.
    pub smoothing: SmoothingSettings,
}

impl Default for TrackSettings {
    fn default() -> Self {
        TrackSettings {
            mode: FollowMode::All,
            most_people: 10,
            min_size: 0.05,
            detect_every: 10,
            smoothing: SmoothingSettings::default(),
        }
    }
}
