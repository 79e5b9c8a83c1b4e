//! Who is looked for, and with what: the flags, and a picture's people.

use crate::detect::{DetectSettings, Detector, DetectorChoice};
use crate::gpu::{ComputeDevice, DeviceImage};
use crate::infer::{Estimator, Settings};
use crate::pose::Pose;
use crate::track::{FollowMode, FrameInfo, SmoothingSettings, TrackSettings, TrackedPerson, Tracker};
use crate::weights;
use image::RgbImage;
use std::path::Path;

/// Which people, without a box file.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "People")]
pub struct PeopleArgs {
    /// The person detector's weights, or "none": one person is then looked for in the whole picture, and in a
    /// video around where it was in the frame before [default: tmpose-detect.safetensors, looked for like the
    /// weights]
    #[arg(long, value_name = "FILE")]
    detector: Option<DetectorChoice>,
    /// Who is estimated and, in videos, followed
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    people: FollowMode,
    /// At most this many people at once
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    most: u32,
    /// Leave out people who are lower than this share of the picture's height
    #[arg(long, default_value_t = TrackSettings::default().min_size, value_name = "SHARE", value_parser = share)]
    smallest: f32,
    /// Videos: look for people anew every N frames; in between, boxes follow the keypoints
    #[arg(long, default_value_t = TrackSettings::default().detect_every, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    detect_every: u32,
    /// Videos: steady keypoints (this is so unless --no-smooth is given)
    #[arg(long, overrides_with = "no_smooth")]
    smooth: bool,
    /// Videos: keypoints as the network finds them
    #[arg(long)]
    no_smooth: bool,
}

impl PeopleArgs {
    /// Loads the detector; none if that was asked for, or, which is said on stderr, if none is found.
    pub fn finder(&self, device: &ComputeDevice) -> anyhow::Result<Finder> {
        let choice = self.detector.clone().unwrap_or_default();
        let file = choice.file()?;
        if file.is_none() && choice == DetectorChoice::Default {
            eprintln!(
                "note: no person detector was found, so one person is looked for in the whole picture; put {} into \
                 ./weights, or name a file with --detector",
                weights::DETECTOR_FILE
            );
        }
        let load = |file: &Path| Detector::load(file, device.clone());
        let detector = file.as_deref().map(load).transpose()?;
        let follow = self.settings();
        let detect = DetectSettings::default();
        let most = detect.most.max(follow.most_people);
        Ok(Finder { detector, detect: DetectSettings { most, ..detect }, follow })
    }

    fn settings(&self) -> TrackSettings {
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

/// Finds the people of pictures and videos.
pub struct Finder {
    detector: Option<Detector>,
    detect: DetectSettings,
    follow: TrackSettings,
}

impl Finder {
    /// True when there may be several people to tell apart.
    pub fn finds_several(&self) -> bool {
        self.detector.is_some() && self.follow.mode == FollowMode::All
    }

    /// The people of the next frame of what `tracker` follows.
    pub fn people(
        &mut self,
        img: &RgbImage,
        frame_info: &FrameInfo,
        tracker: &mut Tracker,
        estimator: &mut Estimator,
        settings: &Settings,
    ) -> anyhow::Result<Vec<TrackedPerson>> {
        // Both networks look at it.
        let image = DeviceImage::new(img);
        if tracker.predict(img, frame_info, &self.follow) {
            match &mut self.detector {
                Some(detector) => {
                    tracker.associate_detections(&detector.detect_image(&image, &self.detect)?.0)
                }
                None => tracker.search_without_detector(),
            }
        }
        loop {
            let (estimates, ..) = estimator.estimate_image(&image, &tracker.boxes(), settings, false)?;
            let poses: Vec<Pose> = estimates.into_iter().map(|e| e.pose).collect();
            let people = tracker.update(&poses);
            if !tracker.is_refining() {
                return Ok(people);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        people: PeopleArgs,
    }

    fn parsed(line: &str) -> Result<PeopleArgs, clap::Error> {
        Line::try_parse_from(["x"].into_iter().chain(line.split_whitespace())).map(|l| l.people)
    }

    #[test]
    fn the_flags_say_who_is_followed_and_how() {
        let plain = parsed("").unwrap().settings();
        assert_eq!(plain, TrackSettings { most_people: 20, ..TrackSettings::default() });
        let line = "--people center --most 3 --smallest 0.25 --detect-every 4 --no-smooth";
        let settings = parsed(line).unwrap().settings();
        assert_eq!((settings.mode, settings.most_people), (FollowMode::Centre, 3));
        assert_eq!((settings.min_size, settings.detect_every, settings.smoothing.on), (0.25, 4, false));
        assert!(parsed("--no-smooth --smooth").unwrap().settings().smoothing.on, "the last one counts");
        for wrong in ["--most 0", "--detect-every 0", "--smallest 2", "--people tallest"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_detector_that_is_not_there_is_named() {
        let device = ComputeDevice::cpu();
        let error = parsed("--detector nobody.safetensors").unwrap().finder(&device).err().unwrap();
        assert!(error.to_string().contains("nobody.safetensors"), "{error}");
        assert!(!parsed("--detector none").unwrap().finder(&device).unwrap().finds_several());
    }
}
