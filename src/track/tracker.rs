//! Tracks the people of a stream of frames.

use super::assign::assign;
use super::candidates::{Candidate, PointTarget, choose};
use super::observations::{Observation, Observations, associate, observe};
use super::person_track::{PersonTrack, longer_side};
use super::scene_cut::SceneCutDetector;
use super::{FollowMode, FrameInfo, SmoothingSettings, TrackId, TrackSettings, TrackedPerson};
use crate::pose::{Pose, Size};
use crate::vision::{BBox, Detection};
use image::RgbImage;

/// The track of a person who is not found for longer than this many seconds ends. People come out from behind each
/// other in less; somebody who was away longer may be somebody else.
const MAX_SECONDS_MISSING: f64 = 1.0;
/// A person who was lost is still looked for at the predicted place until that is [stale](PersonTrack::is_stale), even
/// where the detector misses them: most losses are one blurred frame. Where a single frame takes longer than that, or
/// than [`MAX_SECONDS_MISSING`], the track lives for this many frames.
const MIN_FRAMES_MISSING: u32 = 2;
/// While somebody is missing, or nobody is there, the detector runs every this many frames. It costs about as much as
/// a pose; so an empty scene is cheaper than one person, and a newcomer waits 1/6 s at 30 frames/s.
const DETECT_EVERY_WHILE_MISSING: u32 = 5;
/// Boxes that overlap less than this (IoU) are not of one person.
const MIN_OVERLAP: f64 = 0.2;
/// How often poses are estimated in one picture, without a detector, to close in on the person in it.
const MAX_REFINEMENTS: usize = 3;
/// The search ends when the next box overlaps the last one by this (IoU) or more.
const CONVERGED_IOU: f32 = 0.8;

/// Follows people from frame to frame. For each frame:
///
/// 1. [`predict`](Tracker::predict); if it returns true, [`associate_detections`](Tracker::associate_detections) with
///    what a detector found, or [`search_without_detector`](Tracker::search_without_detector) where there is none;
/// 2. poses are estimated in [`boxes`](Tracker::boxes) and given to [`update`](Tracker::update), which returns the
///    people;
/// 3. while [`is_refining`](Tracker::is_refining), step 2 may be repeated for the same frame: without a detector a
///    person is found from coarse to fine. It is worth it in a picture; in a video the next frame does as well.
#[derive(Clone, Debug)]
pub struct Tracker {
    /// OKS sigma of each joint.
    sigmas: Vec<f64>,
    settings: TrackSettings,
    /// The mode of the last frame; none before the first.
    mode: Option<FollowMode>,
    target: PointTarget,
    scene: SceneCutDetector,
    /// Of the present frame.
    size: Size,
    /// The present frame's time in seconds.
    now: f64,
    /// The present frame follows no other.
    still: bool,
    tracks: Vec<PersonTrack>,
    last_id: u32,
    /// Frames since the last detection.
    frames_since_detection: u32,
    /// A detection is due in this frame or, if it did not happen, in the next.
    detection_due: bool,
    /// The last detection was a detector's.
    has_detector: bool,
    /// Where poses are estimated in the present frame.
    candidates: Vec<Candidate>,
    refinement: Option<Refinement>,
    /// Who was found in the present frame.
    associations: Vec<Association>,
}

/// A coarse-to-fine search without a detector.
#[derive(Clone, Copy, Debug)]
struct Refinement {
    /// Boxes that were tried.
    tried: usize,
    /// Who was found in them.
    id: Option<TrackId>,
}

/// A candidate in which a tracked person was found.
#[derive(Clone, Copy, Debug)]
struct Association {
    /// Of the candidate.
    index: usize,
    candidate: Candidate,
    id: TrackId,
}

impl Tracker {
    /// A tracker of people whose joints have these OKS sigmas ([`Skeleton::sigmas`](crate::pose::Skeleton)).
    pub fn new<S: Into<f64>>(sigmas: impl IntoIterator<Item = S>) -> Tracker {
        Tracker {
            sigmas: sigmas.into_iter().map(Into::into).collect(),
            settings: TrackSettings::default(),
            mode: None,
            target: PointTarget::Point([0.0; 2]),
            scene: SceneCutDetector::default(),
            size: Size::default(),
            now: 0.0,
            still: false,
            tracks: Vec::new(),
            last_id: 0,
            frames_since_detection: 0,
            detection_due: true,
            has_detector: false,
            candidates: Vec::new(),
            refinement: None,
            associations: Vec::new(),
        }
    }

    /// Begins a frame: predicts where everybody is in it. True when a detection is wanted: in the first frame, after a
    /// discontinuity, at a scene cut, in another mode, every [`TrackSettings::detect_every`] frames, when somebody was
    /// lost, and every few frames while somebody is missing or nobody is there.
    pub fn predict(&mut self, img: &RgbImage, frame_info: &FrameInfo, settings: &TrackSettings) -> bool {
        let (now, size) = (frame_info.timestamp.as_secs_f64(), Size::from(img.dimensions()));
        let follows_no_other = frame_info.discontinuous || frame_info.still || self.still;
        if follows_no_other || now < self.now || size != self.size {
            self.reset();
        }
        (self.now, self.size, self.still) = (now, size, frame_info.still);
        if self.scene.is_cut(img) {
            self.remove_all();
        }
        self.settings = TrackSettings { most_people: settings.most_people.max(1), ..*settings };
        if self.mode.replace(settings.mode) != Some(settings.mode) {
            self.detection_due = true;
            self.target = self.initial_target();
            if let FollowMode::Drawn(_) = settings.mode {
                self.tracks.clear();
            }
        }
        self.remove_expired();
        self.refinement = None;
        self.frames_since_detection = self.frames_since_detection.saturating_add(1);
        self.associations.clear();
        self.select_candidates(self.tracks.iter().filter_map(|t| self.predicted_candidate(t)).collect());
        self.is_detection_wanted()
    }

    fn is_detection_wanted(&self) -> bool {
        if let FollowMode::Drawn(_) = self.settings.mode {
            return false;
        }
        let missed = self.tracks.is_empty() || self.tracks.iter().any(|t| t.is_missing());
        // Looking at the whole picture without a detector costs no more than following a person.
        let retry = if self.has_detector { DETECT_EVERY_WHILE_MISSING } else { 1 };
        // After a gap boxes are where people were, not where they are.
        let stale = self.has_detector && self.tracks.iter().any(|t| !t.is_missing() && t.is_stale(self.now));
        self.detection_due
            || stale
            || self.frames_since_detection >= self.settings.detect_every.max(1)
            || (missed && self.frames_since_detection >= retry)
    }

    fn detection_done(&mut self, by_detector: bool) {
        (self.frames_since_detection, self.detection_due, self.has_detector) = (0, false, by_detector);
    }

    /// Takes what the detector found in the frame, after [`Tracker::predict`] asked for it. Each detection becomes the
    /// box of the track that it is most similar to, or of somebody new.
    pub fn associate_detections(&mut self, found: &[Detection]) {
        self.detection_done(true);
        let lowest = self.settings.min_size * self.size.height as f32;
        let found: Vec<Detection> = found
            .iter()
            .filter(|d| d.bbox.h >= lowest)
            .filter_map(|d| Some(Detection { bbox: in_picture(&d.bbox, self.size)?, ..*d }))
            .collect();
        let gated = |similarity: f64| if similarity < MIN_OVERLAP { 0.0 } else { similarity };
        let similarity: Vec<Vec<f64>> = self
            .tracks
            .iter()
            .map(|t| found.iter().map(|d| gated(t.box_similarity(&d.bbox, self.now))).collect())
            .collect();
        let pairs = assign(&similarity);
        let candidate = |d: &Detection, owner: Option<&PersonTrack>| Candidate {
            bbox: d.bbox,
            score: d.score,
            owner: owner.map(|t| t.id),
            active: owner.is_some_and(|t| !t.is_missing()),
        };
        let known = self.tracks.iter().zip(&pairs).filter_map(|(track, pair)| match pair {
            Some(d) => Some(candidate(&found[*d], Some(track))),
            None => self.predicted_candidate(track),
        });
        let new = (0..found.len()).filter(|d| !pairs.contains(&Some(*d))).map(|d| candidate(&found[d], None));
        let candidates = known.chain(new).collect();
        self.select_candidates(candidates);
    }

    /// Answers [`Tracker::predict`] where there is no detector. While nobody is tracked, one person is looked for in
    /// the whole picture, or around the point that was clicked.
    pub fn search_without_detector(&mut self) {
        self.detection_done(false);
        if self.tracks.iter().any(|t| !t.is_missing()) || matches!(self.settings.mode, FollowMode::Drawn(_)) {
            return;
        }
        let Size { width, height } = self.size;
        let whole = BBox::whole(self.size);
        let around = |[x, y]: [f32; 2]| {
            let side = width.min(height) as f32;
            let square = BBox { x: x - side / 2.0, y: y - side / 2.0, w: side, h: side };
            in_picture(&square, self.size).unwrap_or(whole)
        };
        let bbox = match (self.settings.mode, self.target) {
            (FollowMode::Point(_), PointTarget::Point(at) | PointTarget::LostNear { at, .. }) => around(at),
            (FollowMode::Point(_), PointTarget::Track(id)) => {
                let lost = self.tracks.iter().find(|t| t.id == id);
                lost.map_or(whole, |t| around(t.predicted_box(self.now).center()))
            }
            _ => whole,
        };
        self.candidates = vec![Candidate { bbox, score: 1.0, owner: None, active: false }];
        self.refinement = Some(Refinement { tried: 0, id: None });
    }

    /// The boxes to estimate poses in, in pixels of the picture; there may be none.
    pub fn boxes(&self) -> Vec<BBox> {
        self.candidates.iter().map(|l| l.bbox).collect()
    }

    /// Takes the poses estimated in [`Tracker::boxes`], in their order, and returns the people who are there. Somebody
    /// who is not found is left out, and their track kept for a short while.
    pub fn update(&mut self, poses: &[Pose]) -> Vec<TrackedPerson> {
        let min_height = self.settings.min_size * self.size.height as f32;
        let Observations { people: observed, duplicates } =
            observe(&self.candidates, poses, self.size, min_height, &self.sigmas);
        let refined = self.refinement.and_then(|search| search.id);
        let pairs = match refined {
            Some(id) => vec![self.tracks.iter().position(|t| t.id == id); observed.len()],
            None => associate(&observed, &self.tracks, self.now, &self.sigmas),
        };
        let ids: Vec<Option<TrackId>> = pairs.iter().map(|pair| pair.map(|t| self.tracks[t].id)).collect();
        self.mark_missing(&ids, &duplicates);
        let (now, still, smoothing) = (self.now, self.still, self.settings.smoothing);
        let mut people = Vec::with_capacity(observed.len());
        for (observation, id) in observed.iter().zip(ids) {
            let Some(track) = self.update_track(observation, id, refined.is_some()) else { continue };
            let raw = observation.pose.clone();
            let pose = if smoothing.on && !still {
                track.smooth(&raw, now, &smoothing)
            } else {
                track.reset_filter();
                raw.clone()
            };
            let (id, box_score) = (track.id, track.box_score);
            let (index, bbox) = (observation.index, observation.candidate.bbox);
            people.push(TrackedPerson { id, index, bbox, box_score, pose, raw });
        }
        let candidates = &self.candidates;
        let found =
            |p: &TrackedPerson| Association { index: p.index, candidate: candidates[p.index], id: p.id };
        self.associations = people.iter().map(found).collect();
        if let Some(search) = self.refinement {
            self.continue_refinement(search);
        }
        people
    }

    /// True when [`Tracker::boxes`] has a closer box of the person that was just found without a detector.
    pub fn is_refining(&self) -> bool {
        self.refinement.is_some()
    }

    /// The people of the same frame, from poses that were estimated again in the same boxes with other settings of the
    /// network. Neither a track nor a filter advances.
    pub fn replace_poses(&self, poses: &[Pose]) -> Vec<TrackedPerson> {
        let smoothing = &self.settings.smoothing;
        let person = |found: &Association| {
            let raw = poses.get(found.index)?.clone();
            let track = self.tracks.iter().find(|t| t.id == found.id)?;
            let filtered = smoothing.on && !self.still;
            let pose = if filtered {
                track.smooth_without_advancing(&raw, self.now, smoothing)
            } else {
                raw.clone()
            };
            let (bbox, box_score) = (found.candidate.bbox, track.box_score);
            Some(TrackedPerson { id: found.id, index: found.index, bbox, box_score, pose, raw })
        };
        self.associations.iter().filter_map(person).collect()
    }

    /// Sets the smoothing from now on, for [`Tracker::replace_poses`] too: a slider is moved while the source is paused.
    pub fn set_smoothing(&mut self, smoothing: SmoothingSettings) {
        self.settings.smoothing = smoothing;
    }

    /// Forgets everybody. Their ids are not given again.
    pub fn reset(&mut self) {
        self.remove_all();
        self.scene.reset();
        self.candidates.clear();
        self.associations.clear();
        self.refinement = None;
    }

    fn remove_all(&mut self) {
        self.tracks.clear();
        self.detection_due = true;
        self.target = self.initial_target();
    }

    fn initial_target(&self) -> PointTarget {
        match self.mode {
            Some(FollowMode::Point(at)) => PointTarget::Point(at),
            _ => PointTarget::Point([0.0; 2]),
        }
    }

    /// Ends the tracks of people who have been away too long.
    fn remove_expired(&mut self) {
        let (now, target) = (self.now, &mut self.target);
        self.tracks.retain(|t| {
            let stays =
                t.frames_missing() < MIN_FRAMES_MISSING || t.seconds_missing(now) <= MAX_SECONDS_MISSING;
            if !stays && *target == PointTarget::Track(t.id) {
                let last = t.last_box();
                *target = PointTarget::LostNear { at: last.center(), size: longer_side(&last) };
            }
            stays
        });
    }

    /// The box in which a tracked person is predicted; none for somebody who has been missing for a while, or who is
    /// predicted outside of the picture.
    fn predicted_candidate(&self, track: &PersonTrack) -> Option<Candidate> {
        if track.frames_missing() >= MIN_FRAMES_MISSING && track.is_stale(self.now) {
            return None;
        }
        let bbox = in_picture(&track.predicted_box(self.now), self.size)?;
        Some(Candidate { bbox, score: track.box_score, owner: Some(track.id), active: !track.is_missing() })
    }

    /// Keeps those candidates that the settings ask for; the tracks of the others end.
    fn select_candidates(&mut self, candidates: Vec<Candidate>) {
        let offered: Vec<TrackId> = candidates.iter().filter(|l| l.active).filter_map(|l| l.owner).collect();
        self.candidates = choose(candidates, &self.settings, self.target, self.size);
        let candidates = &self.candidates;
        self.tracks.retain(|t| !offered.contains(&t.id) || candidates.iter().any(|l| l.owner == Some(t.id)));
        if let (FollowMode::Drawn(bbox), true) = (self.settings.mode, self.candidates.is_empty()) {
            let bbox = in_picture(&bbox, self.size).unwrap_or(BBox::whole(self.size));
            self.candidates = vec![Candidate { bbox, score: 1.0, owner: None, active: false }];
        }
    }

    /// Marks tracks that were not found as missing. A tentative track whose candidate showed somebody else was never a
    /// person of its own, and ends.
    fn mark_missing(&mut self, found: &[Option<TrackId>], duplicates: &[TrackId]) {
        let now = self.now;
        self.tracks
            .retain(|t| found.contains(&Some(t.id)) || !(t.is_tentative(now) && duplicates.contains(&t.id)));
        for track in self.tracks.iter_mut().filter(|t| !found.contains(&Some(t.id))) {
            // Somebody who was lost before is looked for every few frames only.
            self.detection_due |= !track.is_missing();
            track.mark_missed();
        }
    }

    /// Updates the person's track, or begins one for somebody new; none when as many are tracked as may be.
    fn update_track(
        &mut self,
        observation: &Observation,
        id: Option<TrackId>,
        refined: bool,
    ) -> Option<&mut PersonTrack> {
        let now = self.now;
        let known = id.and_then(|id| self.tracks.iter().position(|t| t.id == id));
        let at = match known {
            Some(at) => {
                let track = &mut self.tracks[at];
                if refined {
                    track.restart(observation.pose, observation.body, now);
                } else {
                    track.update(observation.pose, observation.body, now);
                }
                track.box_score = observation.candidate.score;
                at
            }
            None => {
                if self.tracks.iter().filter(|t| !t.is_missing()).count() >= self.settings.most_people {
                    return None;
                }
                self.last_id += 1;
                self.tracks.push(PersonTrack::new(
                    TrackId(self.last_id),
                    observation.candidate.score,
                    observation.pose,
                    observation.body,
                    now,
                ));
                self.tracks.len() - 1
            }
        };
        self.target = PointTarget::Track(self.tracks[at].id);
        Some(&mut self.tracks[at])
    }

    /// Continues a search in a closer box, if that is another one.
    fn continue_refinement(&mut self, search: Refinement) {
        let tried = search.tried + 1;
        self.refinement = None;
        let ([found], [candidate]) = (self.associations.as_slice(), self.candidates.as_slice()) else {
            return;
        };
        let Some(track) = self.tracks.iter().find(|t| t.id == found.id) else { return };
        if let Some(next) = self.predicted_candidate(track)
            && tried < MAX_REFINEMENTS
            && next.bbox.iou(&candidate.bbox) < CONVERGED_IOU
        {
            self.refinement = Some(Refinement { tried, id: Some(track.id) });
            self.candidates = vec![next];
        }
    }
}

/// The part of a box that is in the picture, if a crop can be made of it.
fn in_picture(b: &BBox, picture: Size) -> Option<BBox> {
    b.intersected(picture).filter(|b| b.w >= 1.0 && b.h >= 1.0)
}
