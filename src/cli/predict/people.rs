//! How people are found and followed: the flags, and what they become.

use crate::cli::terminal::errln;
use crate::detect::{Detector, DetectorChoice};
use crate::gpu::ComputeDevice;
use crate::infer::Settings;
use crate::live::PeopleTrackerSettings;
use crate::track::{FollowMode, SmoothingSettings, TrackSettings};
use crate::weights;
use std::path::Path;

/// How people are found and followed where no file gives their boxes.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "People")]
pub struct PeopleArgs {
    /// The person detector's weights, or "none": then one person is searched for in the whole picture, and in a video
    /// around its place in the frame before [default: tmpose-detect.safetensors, found where the weights are]
    #[arg(long, value_name = "FILE")]
    detector: Option<DetectorChoice>,
    /// Whose poses are estimated and, in videos, followed
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    people: FollowMode,
    /// The most people at once
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    most: u32,
    /// Minimum size: people lower than this share of the picture's height are left out
    #[arg(long, default_value_t = TrackSettings::default().min_size, value_name = "SHARE", value_parser = share)]
    smallest: f32,
    /// Videos: frames from one detection to the next; in between, boxes follow the keypoints
    #[arg(long, default_value_t = TrackSettings::default().detect_every, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    detect_every: u32,
    /// Videos: smooth the keypoints [default: they are, unless --no-smooth is given]
    #[arg(long, overrides_with = "no_smooth")]
    smooth: bool,
    /// Videos: keypoints as the network estimates them, without smoothing
    #[arg(long)]
    no_smooth: bool,
}

impl PeopleArgs {
    /// Loads the detector. There is none where that was asked for, or where no file is found; then a note on stderr says
    /// so.
    ///
    /// # Errors
    /// The detector's file is not there or cannot be read.
    pub fn detector(&self, device: &ComputeDevice) -> anyhow::Result<Option<Detector>> {
        let choice = self.detector.clone().unwrap_or_default();
        let file = choice.file()?;
        if file.is_none() && choice == DetectorChoice::Default {
            errln!(
                "note: no person detector was found, so one person is searched for in the whole picture; put {} into \
                 ./weights, or name a file with --detector",
                weights::DETECTOR_FILE
            );
        }
        let load = |file: &Path| Detector::load(file, device.clone());
        Ok(file.as_deref().map(load).transpose()?)
    }

    /// The flags as settings, with those of the pose network.
    pub fn settings(&self, infer: Settings) -> PeopleTrackerSettings {
        // Frames are not in a hurry here.
        let refine_videos = true;
        let track = self.track_settings();
        PeopleTrackerSettings { infer, track, refine_videos, ..PeopleTrackerSettings::default() }
    }

    fn track_settings(&self) -> TrackSettings {
        TrackSettings {
            mode: self.people,
            most_people: self.most as usize,
            min_size: self.smallest,
            detect_every: self.detect_every,
            smoothing: SmoothingSettings { on: !self.no_smooth, ..SmoothingSettings::default() },
        }
    }
}

/// Parses a share of the picture's height, so that a wrong one is a usage error.
fn share(text: &str) -> Result<f32, String> {
    text.parse::<f32>()
        .ok()
        .filter(|s| (0.0..=1.0).contains(s))
        .ok_or_else(|| "it must be a number from 0 to 1".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct PeopleCommandLine {
        #[command(flatten)]
        people: PeopleArgs,
    }

    fn parsed(line: &str) -> Result<PeopleArgs, clap::Error> {
        PeopleCommandLine::try_parse_from(["x"].into_iter().chain(line.split_whitespace())).map(|l| l.people)
    }

    #[test]
    fn the_flags_become_the_trackers_settings() {
        let plain = parsed("").unwrap().track_settings();
        assert_eq!(plain, TrackSettings { most_people: 20, ..TrackSettings::default() });
        let line = "--people center --most 3 --smallest 0.25 --detect-every 4 --no-smooth";
        let settings = parsed(line).unwrap().track_settings();
        assert_eq!((settings.mode, settings.most_people), (FollowMode::Centre, 3));
        assert_eq!((settings.min_size, settings.detect_every, settings.smoothing.on), (0.25, 4, false));
        assert!(parsed("--no-smooth --smooth").unwrap().track_settings().smoothing.on, "the last one counts");
        for wrong in ["--most 0", "--detect-every 0", "--smallest 2", "--people tallest"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_detector_that_is_not_there_is_named() {
        let device = ComputeDevice::cpu();
        let error = parsed("--detector nobody.safetensors").unwrap().detector(&device).err().unwrap();
        assert!(error.to_string().contains("nobody.safetensors"), "{error}");
        assert!(parsed("--detector none").unwrap().detector(&device).unwrap().is_none());
    }
}
