//! Who is who from frame to frame, and steady keypoints.
//!
//! A [`Follower`] says for each frame whether a person detection is wanted and in which boxes poses are to be
//! estimated; it takes the poses and gives back people with ids and smoothed keypoints. It runs no network
//! and reads no clock: frames bring their time ([`Moment`]). The rules and their numbers: `docs/TRACKING.md`.

mod assign;
mod choose;
mod followed;
mod follower;
mod moment;
mod one_euro;
mod person;
mod scene_cut;
mod settings;
mod smoothing;
mod sure;

pub use follower::Follower;
pub use moment::Moment;
pub use person::{Person, TrackId};
pub use settings::{FollowMode, FollowSettings, SmoothingSettings};

#[cfg(test)]
mod tests;
