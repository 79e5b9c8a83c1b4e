//! What the poses of a frame show: each person once, and whom of the tracked people.

use super::TrackId;
use super::assign::assign;
use super::candidates::Candidate;
use super::confidence::{MIN_SCORE, body};
use super::person_track::PersonTrack;
use crate::pose::{Pose, Size, oks_of_confident};
use crate::vision::BBox;

/// A pose less similar than this to a track is somebody else's ([`PersonTrack::pose_similarity`]).
const MIN_SIMILARITY: f64 = 0.15;
/// Two poses of one frame with this OKS are one person found twice.
const DUPLICATE_OKS: f64 = 0.7;
/// Added to the score of a tracked person's pose where it and a new one are the same person.
const TRACKED_BONUS: f32 = 0.2;

/// A pose that shows somebody.
pub struct Observation<'a> {
    /// Of the candidate in which it was found.
    pub index: usize,
    pub candidate: Candidate,
    pub pose: &'a Pose,
    pub body: BBox,
}

/// What the poses of a frame show.
pub struct Observations<'a> {
    /// Each person once, in the order of the candidates.
    pub people: Vec<Observation<'a>>,
    /// Owners of candidates that showed a person whom another candidate shows better.
    pub duplicates: Vec<TrackId>,
}

/// The poses that show somebody, each person once (a non-maximum suppression by OKS).
///
/// `poses` were estimated in `candidates`, in a picture of `size` pixels; people lower than `min_height` pixels are left
/// out.
pub fn observe<'a>(
    candidates: &[Candidate],
    poses: &'a [Pose],
    size: Size,
    min_height: f32,
    sigmas: &[f64],
) -> Observations<'a> {
    let candidates = candidates.iter().zip(poses).enumerate();
    let mut all: Vec<Observation> = candidates
        .filter_map(|(index, (candidate, pose))| {
            Some(Observation { index, candidate: *candidate, pose, body: body(pose, size)? })
        })
        // Somebody who was tall enough to be tracked may bow.
        .filter(|f| f.candidate.active || f.body.h >= min_height)
        .collect();
    let worth = |f: &Observation| f.pose.score + if f.candidate.active { TRACKED_BONUS } else { 0.0 };
    all.sort_by(|a, b| worth(b).total_cmp(&worth(a)));
    let mut kept: Vec<Observation> = Vec::with_capacity(all.len());
    let mut duplicates = Vec::new();
    for f in all {
        let same = |k: &Observation| {
            let areas = [f.body, k.body].map(|b| f64::from(b.area()));
            oks_of_confident(&f.pose.keypoints, &k.pose.keypoints, areas, sigmas, MIN_SCORE)
                .is_some_and(|oks| oks >= DUPLICATE_OKS)
        };
        if kept.iter().any(same) {
            duplicates.extend(f.candidate.owner);
        } else {
            kept.push(f);
        }
    }
    kept.sort_by_key(|f| f.index);
    Observations { people: kept, duplicates }
}

/// For each observation the index of the track that it continues, at `now` seconds.
pub fn associate(
    found: &[Observation],
    tracks: &[PersonTrack],
    now: f64,
    sigmas: &[f64],
) -> Vec<Option<usize>> {
    let gated = |similarity: f64| if similarity < MIN_SIMILARITY { 0.0 } else { similarity };
    let similarity: Vec<Vec<f64>> = found
        .iter()
        .map(|f| {
            let with = |t: &PersonTrack| gated(t.pose_similarity(f.pose, &f.body, now, sigmas));
            tracks.iter().map(with).collect()
        })
        .collect();
    let mut pairs = assign(&similarity);
    // A pose in a track's own box that is similar to nobody is somebody who moved fast.
    for (i, f) in found.iter().enumerate() {
        let own = tracks.iter().position(|t| f.candidate.owner == Some(t.id));
        if pairs[i].is_none() && own.is_some() && !pairs.contains(&own) {
            pairs[i] = own;
        }
    }
    pairs
}
