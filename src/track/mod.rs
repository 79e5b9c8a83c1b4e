//! Tracking: who is who from frame to frame, and smoothed keypoints.
//!
//! A [`Tracker`] says for each frame whether a person detection is wanted and in which boxes poses are to be
//! estimated; it takes the poses and gives back people with ids and smoothed keypoints. It runs no network
//! and reads no clock: frames bring their time ([`FrameInfo`]). The rules and their numbers: `docs/TRACKING.md`.

mod assign;
mod candidates;
mod confidence;
mod frame_info;
mod observations;
mod one_euro;
mod person_track;
mod scene_cut;
mod settings;
mod smoothing;
mod tracked_person;
mod tracker;

pub use frame_info::FrameInfo;
pub use settings::{FollowMode, SmoothingSettings, TrackSettings};
pub use tracked_person::{TrackId, TrackedPerson};
pub use tracker::Tracker;

#[cfg(test)]
mod tests;
