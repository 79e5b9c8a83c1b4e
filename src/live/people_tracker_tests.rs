//! [`PeopleTracker`] with a scripted network and a scripted detector, as a program without threads uses it.

use super::fakes::{TICK, finder, free};
use super::*;
use crate::detect::DetectSettings;
use crate::gpu::DeviceImage;
use crate::source::Frame;
use crate::track::{FollowMode, TrackId, TrackSettings, TrackedPerson};
use crate::vision::Detection;
use image::RgbImage;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Two people stand in the picture: these are the left edges of their boxes.
const TWO_PEOPLE: [f32; 2] = [4.0, 24.0];

/// A tracker of whom the detector finds at these places, and how often the detector was asked.
fn tracker_of(people: &[f32]) -> (PeopleTracker, Arc<AtomicUsize>) {
    let asked = Arc::default();
    let (detector, _) = finder(people, &asked, &Arc::default())().unwrap();
    let tracker = PeopleTracker::new(free(&Arc::default()), Some(detector), PeopleTrackerSettings::default());
    (tracker, asked)
}

/// Frame n of a video with 100 frames a second.
fn frame(n: u32) -> Frame {
    let pixels = Arc::new(RgbImage::new(64, 48));
    Frame { pixels, timestamp: TICK * n, sequence: n.into(), truth: None, name: None }
}

fn ids(people: &[TrackedPerson]) -> Vec<u32> {
    people.iter().map(|person| person.id.0).collect()
}

fn people(mode: FollowMode) -> PeopleTrackerSettings {
    PeopleTrackerSettings {
        track: TrackSettings { mode, ..TrackSettings::default() },
        ..PeopleTrackerSettings::default()
    }
}

#[test]
fn the_same_frames_give_the_same_people() {
    let run = || {
        let (mut tracker, _) = tracker_of(&TWO_PEOPLE);
        (0..30).map(|n| tracker.process(&frame(n)).unwrap().people).collect::<Vec<_>>()
    };
    let people = run();
    assert_eq!(people, run());
    assert!(people.iter().all(|people| ids(people) == [1, 2]), "both are there in every frame");
}

#[test]
fn the_detector_runs_in_the_first_frame_and_then_every_tenth() {
    let (mut tracker, asked) = tracker_of(&TWO_PEOPLE);
    let found_in: Vec<u32> =
        (0..25).filter(|&n| tracker.process(&frame(n)).unwrap().times.detect.is_some()).collect();
    assert_eq!(found_in, [0, 10, 20]);
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[test]
fn processing_a_frame_again_moves_nobody() {
    let (mut tracker, asked) = tracker_of(&TWO_PEOPLE);
    tracker.process(&frame(0)).unwrap();
    let people = tracker.process(&frame(1)).unwrap().people;
    for heatmaps in [true, false, true] {
        tracker.set_settings(PeopleTrackerSettings { heatmaps, ..PeopleTrackerSettings::default() });
        assert!(tracker.is_outdated());
        assert_eq!(tracker.reprocess(&frame(1)).unwrap().people, people);
        assert!(!tracker.is_outdated());
    }
    let next = tracker.process(&frame(2)).unwrap().people;
    let (mut straight, _) = tracker_of(&TWO_PEOPLE);
    let expected: Vec<_> = (0..3).map(|n| straight.process(&frame(n)).unwrap().people).collect();
    assert_eq!(next, expected[2], "the next frame is as if nothing had been processed again");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn other_people_are_chosen_from_the_state_before_the_frame_and_without_a_second_detection() {
    let (mut tracker, asked) = tracker_of(&TWO_PEOPLE);
    let everybody = tracker.process(&frame(0)).unwrap().people;
    assert_eq!(ids(&everybody), [1, 2]);

    tracker.set_settings(people(FollowMode::Point([30.0, 24.0])));
    let one = tracker.reprocess(&frame(0)).unwrap().people;
    assert_eq!(ids(&one), [1], "nobody was known before the first frame, so the first id is given in it");
    assert_eq!(one[0].bbox, everybody[1].bbox);

    tracker.set_settings(people(FollowMode::All));
    assert_eq!(tracker.reprocess(&frame(0)).unwrap().people, everybody);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_frame_from_before_the_last_one_begins_anew_with_other_ids() {
    let (mut tracker, asked) = tracker_of(&TWO_PEOPLE);
    for n in [20, 21, 22] {
        assert_eq!(ids(&tracker.process(&frame(n)).unwrap().people), [1, 2]);
    }
    assert_eq!(ids(&tracker.process(&frame(5)).unwrap().people), [3, 4]);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[test]
fn forgetting_keeps_the_count_of_ids_and_a_reset_does_not() {
    let (mut tracker, _) = tracker_of(&TWO_PEOPLE);
    tracker.process(&frame(0)).unwrap();
    tracker.forget();
    assert_eq!(ids(&tracker.process(&frame(1)).unwrap().people), [3, 4]);
    tracker.reset();
    assert_eq!(ids(&tracker.process(&frame(2)).unwrap().people), [1, 2]);
}

/// A detector on a device that went away.
struct Broken;

impl PersonDetector for Broken {
    fn find(&mut self, _: &DeviceImage, _: &DetectSettings) -> Result<Vec<Detection>, DetectorError> {
        panic!("the device was lost")
    }
}

#[test]
fn a_detector_that_fails_is_reported_and_the_frame_can_be_processed_without_it() {
    let settings = PeopleTrackerSettings::default();
    let mut tracker = PeopleTracker::new(free(&Arc::default()), Some(Broken), settings);
    for n in 0..2 {
        let error = tracker.process(&frame(n)).unwrap_err();
        assert!(matches!(error, PeopleError::Detector(_)), "{error}");
        assert!(error.to_string().contains("the device was lost"), "{error}");
    }
    assert!(tracker.take_detector().is_some() && !tracker.has_detector());
    let people = tracker.reprocess(&frame(1)).unwrap().people;
    assert_eq!(people.iter().map(|person| person.id).collect::<Vec<_>>(), [TrackId(1)]);
}

#[test]
fn a_detector_that_is_switched_off_is_not_asked() {
    let (mut tracker, asked) = tracker_of(&TWO_PEOPLE);
    tracker.set_settings(PeopleTrackerSettings { detect: false, ..PeopleTrackerSettings::default() });
    assert_eq!(ids(&tracker.process(&frame(0)).unwrap().people).len(), 1, "one person is searched for");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}
