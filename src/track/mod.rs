//! Who is who from frame to frame, and steady keypoints.
//!
//! A [`Follower`] says for each frame whether a person detection is wanted and in which boxes poses are to be
//! estimated; it takes the poses and gives back people with ids and smoothed keypoints. It runs no network
//! and reads no clock: frames bring their time ([`Moment`]). The rules and their numbers: `docs/TRACKING.md`.

mod follower;
mod moment;
mod person;
mod settings;

pub use follower::Follower;
pub use moment::Moment;
pub use person::{Person, TrackId};
pub use settings::{FollowMode, FollowSettings, SmoothingSettings};
