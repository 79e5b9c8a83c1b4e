//! What the window remembers between runs.

use crate::gpu::DeviceChoice;
use crate::infer::Settings;
use crate::live::PeopleTrackerSettings;
use crate::model::{KeepRatio, MaskKind, PositionMode, TokenBudget};
use crate::track::{FollowMode, SmoothingSettings, TrackSettings};
use crate::vision::Decoding;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Rises when a stored value changes its meaning; older files then start from the defaults.
const VERSION: u32 = 1;
/// The name under which preferences are stored.
const KEY: &str = "tmpose-preferences";
/// Entries of the menu of recent files at most.
const MAX_RECENT: usize = 8;

/// Which joints the heatmap layer shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeatmapJoint {
    /// All, each in its colour.
    #[default]
    All,
    /// One, by its index in the skeleton.
    One(usize),
}

/// What the colours of a skeleton stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SkeletonColors {
    /// Who it is: each person has a colour and keeps it.
    #[default]
    People,
    /// Left, right and which limb.
    Sides,
}

/// Which keypoints are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeypointDisplay {
    /// The filtered ones, where the filter is on.
    #[default]
    Smoothed,
    /// As the network estimated them.
    Raw,
    /// The raw ones pale behind the smoothed ones.
    Both,
}

/// What is drawn over the picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LayerSettings {
    /// Joints and bones.
    pub skeleton: bool,
    /// What their colours stand for.
    pub colors: SkeletonColors,
    /// Which keypoints they are drawn from.
    pub keypoints: KeypointDisplay,
    /// Each person's number.
    pub numbers: bool,
    /// Joints with a lower score are not drawn.
    pub min_score: f32,
    /// The outline of each person's crop.
    pub crop: bool,
    /// The network's heatmaps.
    pub heatmaps: bool,
    /// Of which joints.
    pub heatmap_joint: HeatmapJoint,
    /// How much they cover the picture, 0 to 1.
    pub heatmap_opacity: f32,
    /// Which visual tokens are kept.
    pub tokens: bool,
    /// The known joints of the mannequin.
    pub truth: bool,
    /// Show the picture as in a mirror. This changes only the display: left and right joints keep their names.
    pub mirror: bool,
}

impl Default for LayerSettings {
    fn default() -> Self {
        LayerSettings {
            skeleton: true,
            colors: SkeletonColors::People,
            keypoints: KeypointDisplay::Smoothed,
            numbers: true,
            min_score: 0.2,
            crop: false,
            heatmaps: false,
            heatmap_joint: HeatmapJoint::All,
            heatmap_opacity: 0.75,
            tokens: false,
            truth: false,
            mirror: false,
        }
    }
}

/// Who is followed, how they are found, and how much their keypoints are smoothed: the part of
/// [`TrackSettings`] that outlives the window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PeopleSettings {
    /// Who is followed while no person is selected in the picture.
    pub mode: FollowMode,
    /// At most this many people are followed.
    pub most: usize,
    /// People lower than this share of the picture's height (0 to 1) are left out.
    pub min_size: f32,
    /// Use the person detector.
    pub detect: bool,
    /// Frames from one detection to the next.
    pub detect_every: u32,
    /// A detector's file that the user chose, in place of the one that is found.
    pub detector: Option<PathBuf>,
    /// Smooth the keypoints with the One-Euro filter.
    pub smooth: bool,
    /// The filter's cutoff frequency for a joint at rest, in Hz.
    pub min_cutoff: f64,
    /// How much the cutoff rises with a joint's speed.
    pub beta: f64,
}

impl PeopleSettings {
    /// The most people that can be asked for: a detector reports no more at once.
    pub const MAX_PEOPLE: usize = 20;
    /// The longest time from one detection to the next that can be asked for, in frames.
    pub const MAX_DETECT_EVERY: u32 = 120;
    /// Cutoff frequencies in Hz that can be asked for: from hardly any movement to hardly any smoothing.
    pub const CUTOFFS: std::ops::RangeInclusive<f64> = 0.05..=20.0;
    /// The values of `beta` that can be asked for.
    pub const BETAS: std::ops::RangeInclusive<f64> = 0.0..=200.0;

    /// A file written by hand may hold any number.
    fn checked(mut self) -> PeopleSettings {
        let default = PeopleSettings::default();
        if self.mode.is_in_picture() {
            self.mode = default.mode;
        }
        self.most = self.most.clamp(1, Self::MAX_PEOPLE);
        self.min_size = if self.min_size.is_finite() { self.min_size.clamp(0.0, 0.9) } else { 0.0 };
        self.detect_every = self.detect_every.clamp(1, Self::MAX_DETECT_EVERY);
        let within = |value: f64, range: std::ops::RangeInclusive<f64>, other: f64| {
            if value.is_finite() { value.clamp(*range.start(), *range.end()) } else { other }
        };
        self.min_cutoff = within(self.min_cutoff, Self::CUTOFFS, default.min_cutoff);
        self.beta = within(self.beta, Self::BETAS, default.beta);
        self
    }

    /// The tracker's settings; `target` is whom the pointer selected.
    pub fn track_settings(&self, target: Option<FollowMode>) -> TrackSettings {
        TrackSettings {
            mode: target.unwrap_or(self.mode),
            most_people: self.most,
            min_size: self.min_size,
            detect_every: self.detect_every,
            smoothing: SmoothingSettings {
                on: self.smooth,
                min_cutoff: self.min_cutoff,
                beta: self.beta,
                ..SmoothingSettings::default()
            },
        }
    }
}

impl Default for PeopleSettings {
    fn default() -> Self {
        let follow = TrackSettings::default();
        PeopleSettings {
            mode: FollowMode::All,
            most: follow.most_people,
            min_size: follow.min_size,
            detect: true,
            detect_every: follow.detect_every,
            detector: None,
            smooth: follow.smoothing.on,
            min_cutoff: follow.smoothing.min_cutoff,
            beta: follow.smoothing.beta,
        }
    }
}

/// Everything that outlives the window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Preferences {
    version: u32,
    /// How the kept tokens are chosen.
    pub mask: MaskKind,
    /// Share of the visual tokens that is kept. A file written by hand may hold any number.
    #[serde(deserialize_with = "possible_ratio")]
    pub keep_ratio: KeepRatio,
    /// Seed of the random mask.
    pub seed: u64,
    /// Which positions the kept tokens get.
    pub positions: PositionMode,
    /// Average with the mirrored picture.
    pub flip_test: bool,
    /// How keypoints are found in the heatmaps; stored as whether it is DARK.
    #[serde(rename = "dark", with = "stored_decoding")]
    pub decoding: Decoding,
    /// What is drawn over the picture.
    pub layers: LayerSettings,
    /// Who is followed.
    pub people: PeopleSettings,
    /// Where the network runs.
    pub device: DeviceChoice,
    /// A weights file the user chose, in place of the one that is found.
    pub weights: Option<PathBuf>,
    /// Start a video again at its end.
    pub looping: bool,
    /// Show each frame at once and its skeleton when it is ready, instead of both together.
    pub newest_picture: bool,
    /// Which mannequin is shown.
    pub mannequin_seed: u64,
    /// Show the panel on the left.
    pub left_panel: bool,
    /// Show the panel on the right.
    pub right_panel: bool,
    /// Files and folders opened last, newest first.
    pub recent: Vec<PathBuf>,
    /// The form of the training panel, as the text of a settings file; empty before it was used. Text, so
    /// that a setting which a newer version does not know costs the form, not all preferences.
    pub training: String,
}

impl Default for Preferences {
    fn default() -> Self {
        Preferences {
            version: VERSION,
            mask: MaskKind::default(),
            keep_ratio: KeepRatio::ALL,
            seed: 0,
            positions: PositionMode::default(),
            flip_test: false,
            decoding: Decoding::default(),
            layers: LayerSettings::default(),
            people: PeopleSettings::default(),
            device: DeviceChoice::Auto,
            weights: None,
            looping: true,
            newest_picture: false,
            mannequin_seed: 1,
            left_panel: true,
            right_panel: true,
            recent: Vec::new(),
            training: String::new(),
        }
    }
}

impl Preferences {
    /// What was stored, made safe; the defaults when there is nothing, or nothing of this version.
    pub fn load(storage: Option<&dyn eframe::Storage>) -> Preferences {
        storage
            .and_then(|storage| eframe::get_value::<Preferences>(storage, KEY))
            .filter(|stored| stored.version == VERSION)
            .map(Preferences::checked)
            .unwrap_or_default()
    }

    /// Stores them.
    pub fn save(&self, storage: &mut dyn eframe::Storage) {
        eframe::set_value(storage, KEY, self);
    }

    /// A file written by hand may hold any number.
    fn checked(mut self) -> Preferences {
        self.layers.min_score = self.layers.min_score.clamp(0.0, 1.0);
        self.layers.heatmap_opacity = self.layers.heatmap_opacity.clamp(0.0, 1.0);
        self.people = self.people.checked();
        self.recent.truncate(MAX_RECENT);
        self
    }

    /// Puts a path at the head of the recent files.
    pub fn remember(&mut self, path: PathBuf) {
        self.recent.retain(|known| *known != path);
        self.recent.insert(0, path);
        self.recent.truncate(MAX_RECENT);
    }

    /// The live pipeline's settings; `target` is whom the pointer selected.
    pub fn live_settings(&self, target: Option<FollowMode>) -> PeopleTrackerSettings {
        PeopleTrackerSettings {
            infer: Settings {
                budget: TokenBudget {
                    mask: self.mask,
                    keep_ratio: self.keep_ratio,
                    seed: self.seed,
                    positions: self.positions,
                },
                flip_test: self.flip_test,
                decoding: self.decoding,
            },
            heatmaps: self.layers.heatmaps,
            track: self.people.track_settings(target),
            detect: self.people.detect,
            ..PeopleTrackerSettings::default()
        }
    }
}

/// The stored ratio; every token where it is none.
fn possible_ratio<'de, D: serde::Deserializer<'de>>(stored: D) -> Result<KeepRatio, D::Error> {
    Ok(KeepRatio::new(f64::deserialize(stored)?).unwrap_or_default())
}

/// The decoding as files hold it: true for DARK.
mod stored_decoding {
    use crate::vision::Decoding;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes true for DARK.
    pub fn serialize<S: Serializer>(decoding: &Decoding, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bool(*decoding != Decoding::Plain)
    }

    /// Reads true as DARK.
    pub fn deserialize<'de, D: Deserializer<'de>>(stored: D) -> Result<Decoding, D::Error> {
        Ok(if bool::deserialize(stored)? { Decoding::DARK } else { Decoding::Plain })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn preferences_of_an_unknown_shape_still_load_with_defaults_for_the_rest() {
        let mut stored = serde_json::to_value(Preferences::default()).unwrap();
        stored["keep_ratio"] = 7.0.into();
        stored.as_object_mut().unwrap().remove("layers");
        stored["people"]["most"] = 0.into();
        let read: Preferences = serde_json::from_value(stored).unwrap();
        let read = read.checked();
        assert_eq!((read.keep_ratio, read.layers), (KeepRatio::ALL, LayerSettings::default()));
        assert_eq!(read.people, PeopleSettings { most: 1, ..PeopleSettings::default() });
    }

    /// Where eframe keeps preferences, in memory.
    #[derive(Default)]
    struct MemoryStorage(HashMap<String, String>);

    impl eframe::Storage for MemoryStorage {
        fn get_string(&self, key: &str) -> Option<String> {
            self.0.get(key).cloned()
        }

        fn set_string(&mut self, key: &str, value: String) {
            self.0.insert(key.into(), value);
        }

        fn remove_string(&mut self, key: &str) {
            self.0.remove(key);
        }

        fn flush(&mut self) {}
    }

    /// What version 0.1 stored, as it stands in its file; the training's folders were put in by hand.
    const STORED_BY_0_1: &str = include_str!("../../../tests/fixtures/preferences.ron");

    #[test]
    fn preferences_of_version_0_1_still_load_and_are_stored_without_loss() {
        let mut storage = MemoryStorage::default();
        storage.0.insert(KEY.into(), STORED_BY_0_1.into());
        let read = Preferences::load(Some(&storage));
        assert_eq!((read.mask, read.keep_ratio), (MaskKind::Uniform, KeepRatio::new(0.6).unwrap()));
        assert_eq!((read.decoding, read.device), (Decoding::DARK, DeviceChoice::Cpu));
        assert_eq!(read.layers, LayerSettings { heatmaps: true, ..LayerSettings::default() });
        let people =
            PeopleSettings { mode: FollowMode::Centre, most: 3, smooth: false, ..Default::default() };
        assert_eq!(read.people, people);
        assert_eq!(read.recent, [PathBuf::from("/videos/dance.mp4")]);
        let form = crate::app::train::TrainForm::remembered(&read.training).config;
        let sets: Vec<String> = form.data.train.iter().map(ToString::to_string).collect();
        assert_eq!(sets, ["people:2", "mannequin:40"]);
        assert_eq!(form.data.val.map(|val| val.to_string()), Some("mannequin".into()));
        assert_eq!(form.schedule.epochs, 7.0);

        read.save(&mut storage);
        assert_eq!(Preferences::load(Some(&storage)), read);
    }

    #[test]
    fn recent_files_are_unique_newest_first_and_few() {
        let mut preferences = Preferences::default();
        for n in 0..20 {
            preferences.remember(PathBuf::from(format!("{}.mp4", n % 10)));
        }
        assert_eq!(preferences.recent.len(), MAX_RECENT);
        assert_eq!(preferences.recent[0], PathBuf::from("9.mp4"));
    }
}
