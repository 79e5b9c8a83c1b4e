//! Follows the people of a stream of frames.

use super::assign::assign;
use super::candidates::{Candidate, PointTarget, choose};
use super::confidence::{MIN_SCORE, body};
use super::person_track::{Track, longer};
use super::scene_cut::SceneCutDetector;
use super::{FollowMode, FrameInfo, SmoothingSettings, TrackId, TrackSettings, TrackedPerson};
use crate::pose::{Pose, oks_of_confident};
use crate::vision::{BBox, Detection};
use image::RgbImage;

/// A person who is not found for longer than this many seconds is gone. People come out from behind each other
/// in less; who was away longer may be somebody else.
const KEPT: f64 = 1.0;
/// A lost person is still looked at where it should be until that place is [stale](Track::is_stale), even if the
/// detector misses it there: most losses are one blurred frame. Where one frame takes longer than that, or than
/// [`KEPT`], so many frames are waited for.
const TRIES: u32 = 2;
/// While somebody is missing, or nobody is there, the detector looks at every so many frames. It costs about
/// what a pose costs; so an empty scene is cheaper than one person, and who comes in waits 1/6 s at 30 frames/s.
const RETRY: u32 = 5;
/// Boxes that overlap less than this are not one person's.
const MIN_OVERLAP: f64 = 0.2;
/// Less alike than this is somebody else ([`Track::like_pose`]).
const MIN_ALIKE: f64 = 0.15;
/// Two poses of one frame with this OKS are one person seen twice.
const DOUBLE: f64 = 0.7;
/// A pose of somebody who is followed counts this much more than a new one's, where both are one person.
const FOLLOWED_FIRST: f32 = 0.2;
/// How often one picture is looked at, without a detector, to come close to the person in it.
const LOOKS: usize = 3;
/// A look that moves the box less than this (overlap of old and new) ends that search.
const SETTLED: f32 = 0.8;

/// Follows people from frame to frame. For each frame:
///
/// 1. [`begin`](Tracker::begin); if that is true, [`detected`](Tracker::detected) with what a detector
///    found, or [`undetected`](Tracker::undetected) where there is none;
/// 2. poses are estimated in [`boxes`](Tracker::boxes) and given to [`estimated`](Tracker::estimated),
///    which answers with the people;
/// 3. while [`is_searching`](Tracker::is_searching), step 2 may be done once more for the same frame: without a
///    detector a person is found by coming closer. A picture is worth it; in a video the next frame does as well.
#[derive(Clone, Debug)]
pub struct Tracker {
    sigmas: Vec<f64>,
    settings: TrackSettings,
    /// The mode of the last frame; none before the first.
    mode: Option<FollowMode>,
    aim: PointTarget,
    scene: SceneCutDetector,
    /// Of the present frame: width and height, time in seconds, whether it follows no other.
    size: [u32; 2],
    now: f64,
    still: bool,
    tracks: Vec<Track>,
    last_id: u32,
    /// Frames since people were last looked for.
    since: u32,
    /// They must be looked for in this frame or, if it was not done, in the next.
    due: bool,
    /// Somebody answered with [`Tracker::detected`].
    has_detector: bool,
    looks: Vec<Candidate>,
    search: Option<Search>,
    /// Who was found in the present frame.
    shown: Vec<Association>,
}

/// A search without a detector.
#[derive(Clone, Copy, Debug)]
struct Search {
    /// Looks that were taken.
    taken: usize,
    /// Who was found by them.
    id: Option<TrackId>,
}

#[derive(Clone, Copy, Debug)]
struct Association {
    index: usize,
    look: Candidate,
    id: TrackId,
}

/// A pose that shows somebody.
struct Observation<'a> {
    index: usize,
    look: Candidate,
    pose: &'a Pose,
    body: BBox,
}

impl Tracker {
    /// Follows people whose joints have these OKS sigmas ([`Skeleton::sigmas`](crate::pose::Skeleton)).
    pub fn new<S: Into<f64>>(sigmas: impl IntoIterator<Item = S>) -> Tracker {
        Tracker {
            sigmas: sigmas.into_iter().map(Into::into).collect(),
            settings: TrackSettings::default(),
            mode: None,
            aim: PointTarget::At([0.0; 2]),
            scene: SceneCutDetector::default(),
            size: [0; 2],
            now: 0.0,
            still: false,
            tracks: Vec::new(),
            last_id: 0,
            since: 0,
            due: true,
            has_detector: false,
            looks: Vec::new(),
            search: None,
            shown: Vec::new(),
        }
    }

    /// Begins a frame. True when a person detection is wanted: in the first frame, after a jump, at a scene cut
    /// or another mode, every [`TrackSettings::detect_every`] frames, when somebody was lost, and every few
    /// frames while somebody is missing or nobody is there.
    pub fn begin(&mut self, img: &RgbImage, frame_info: &FrameInfo, settings: &TrackSettings) -> bool {
        let (now, size) = (frame_info.timestamp.as_secs_f64(), [img.width(), img.height()]);
        if frame_info.jump || frame_info.still || self.still || now < self.now || size != self.size {
            self.reset();
        }
        (self.now, self.size, self.still) = (now, size, frame_info.still);
        if self.scene.is_cut(img) {
            self.forget_people();
        }
        self.settings = TrackSettings { most_people: settings.most_people.max(1), ..*settings };
        if self.mode.replace(settings.mode) != Some(settings.mode) {
            self.due = true;
            self.aim = self.first_aim();
            if let FollowMode::Drawn(_) = settings.mode {
                self.tracks.clear();
            }
        }
        self.end_the_gone();
        (self.search, self.since) = (None, self.since.saturating_add(1));
        self.shown.clear();
        let held = self.tracks.iter().filter_map(|t| self.held(t)).collect();
        self.look_at(held);
        self.is_detection_wanted()
    }

    fn is_detection_wanted(&self) -> bool {
        if let FollowMode::Drawn(_) = self.settings.mode {
            return false;
        }
        let missed = self.tracks.is_empty() || self.tracks.iter().any(|t| t.is_missing());
        // Looking at the whole picture without a detector costs no more than following a person.
        let again = if self.has_detector { RETRY } else { 1 };
        // After a gap boxes are where people were, not where they are.
        let stale = self.has_detector && self.tracks.iter().any(|t| !t.is_missing() && t.is_stale(self.now));
        self.due
            || stale
            || self.since >= self.settings.detect_every.max(1)
            || (missed && self.since >= again)
    }

    /// Takes what the detector found in the frame, after [`Tracker::begin`] asked for it.
    pub fn detected(&mut self, found: &[Detection]) {
        (self.since, self.due, self.has_detector) = (0, false, true);
        let [width, height] = self.size;
        let lowest = self.settings.min_size * height as f32;
        let found: Vec<Detection> = found
            .iter()
            .filter(|d| d.bbox.h >= lowest)
            .filter_map(|d| Some(Detection { bbox: in_picture(&d.bbox, width, height)?, ..*d }))
            .collect();
        let enough = |alike: f64| if alike < MIN_OVERLAP { 0.0 } else { alike };
        let alike: Vec<Vec<f64>> = self
            .tracks
            .iter()
            .map(|t| found.iter().map(|d| enough(t.like_box(&d.bbox, self.now))).collect())
            .collect();
        let pairs = assign(&alike);
        let seen = |d: &Detection, owner: Option<&Track>| Candidate {
            bbox: d.bbox,
            score: d.score,
            owner: owner.map(|t| t.id),
            active: owner.is_some_and(|t| !t.is_missing()),
        };
        let known = self.tracks.iter().zip(&pairs).filter_map(|(track, pair)| match pair {
            Some(d) => Some(seen(&found[*d], Some(track))),
            None => self.held(track),
        });
        let new = (0..found.len()).filter(|d| !pairs.contains(&Some(*d))).map(|d| seen(&found[d], None));
        let options = known.chain(new).collect();
        self.look_at(options);
    }

    /// There is no detector. While nobody is followed, the whole picture is looked at, or the surroundings of the
    /// place that was pointed at.
    pub fn undetected(&mut self) {
        (self.since, self.due, self.has_detector) = (0, false, false);
        if self.tracks.iter().any(|t| !t.is_missing()) || matches!(self.settings.mode, FollowMode::Drawn(_)) {
            return;
        }
        let [width, height] = self.size;
        let whole = BBox::whole(width, height);
        let around = |[x, y]: [f32; 2]| {
            let side = width.min(height) as f32;
            let square = BBox { x: x - side / 2.0, y: y - side / 2.0, w: side, h: side };
            in_picture(&square, width, height).unwrap_or(whole)
        };
        let bbox = match (self.settings.mode, self.aim) {
            (FollowMode::Point(_), PointTarget::At(at) | PointTarget::Near(at, _)) => around(at),
            (FollowMode::Point(_), PointTarget::On(id)) => {
                let lost = self.tracks.iter().find(|t| t.id == id);
                lost.map_or(whole, |t| around(t.expected(self.now).center()))
            }
            _ => whole,
        };
        self.looks = vec![Candidate { bbox, score: 1.0, owner: None, active: false }];
        self.search = Some(Search { taken: 0, id: None });
    }

    /// The boxes to estimate poses in, in pixels of the picture; perhaps none.
    pub fn boxes(&self) -> Vec<BBox> {
        self.looks.iter().map(|l| l.bbox).collect()
    }

    /// Takes the poses found in [`Tracker::boxes`], in their order, and tells who is there. Who cannot be
    /// found is left out, and kept in mind for a short while.
    pub fn estimated(&mut self, poses: &[Pose]) -> Vec<TrackedPerson> {
        let (found, doubled) = self.found(poses);
        let closer = self.search.and_then(|s| s.id);
        let pairs = match closer {
            Some(id) => vec![self.tracks.iter().position(|t| t.id == id); found.len()],
            None => self.paired(&found),
        };
        let ids: Vec<Option<TrackId>> = pairs.iter().map(|p| p.map(|t| self.tracks[t].id)).collect();
        self.lose_the_others(&ids, &doubled);
        let (now, still, smoothing) = (self.now, self.still, self.settings.smoothing);
        let mut people = Vec::with_capacity(found.len());
        for (f, id) in found.iter().zip(ids) {
            let Some(track) = self.take(f, id, closer.is_some()) else { continue };
            let pose = if smoothing.on && !still {
                track.smooth(f.pose, now, &smoothing)
            } else {
                track.forget_filter();
                f.pose.clone()
            };
            let (id, box_score) = (track.id, track.box_score);
            let (index, bbox) = (f.index, f.look.bbox);
            people.push(TrackedPerson { id, index, bbox, box_score, pose, raw: f.pose.clone() });
        }
        let shown =
            people.iter().map(|p| Association { index: p.index, look: self.looks[p.index], id: p.id });
        self.shown = shown.collect();
        if let Some(search) = self.search {
            self.search_on(search);
        }
        people
    }

    /// True when [`Tracker::boxes`] has a closer look at the person that was just found without a detector.
    pub fn is_searching(&self) -> bool {
        self.search.is_some()
    }

    /// The people of the same frame, estimated again in the same boxes with other network settings. Nobody
    /// moves on by it, and no filter does.
    pub fn again(&self, poses: &[Pose]) -> Vec<TrackedPerson> {
        let smoothing = &self.settings.smoothing;
        let person = |s: &Association| {
            let raw = poses.get(s.index)?.clone();
            let track = self.tracks.iter().find(|t| t.id == s.id)?;
            let filtered = smoothing.on && !self.still;
            let pose = if filtered { track.smooth_again(&raw, self.now, smoothing) } else { raw.clone() };
            let (bbox, box_score) = (s.look.bbox, track.box_score);
            Some(TrackedPerson { id: s.id, index: s.index, bbox, box_score, pose, raw })
        };
        self.shown.iter().filter_map(person).collect()
    }

    /// Other smoothing from now on, for [`Tracker::again`] too: a slider that is moved in a pause.
    pub fn set_smoothing(&mut self, smoothing: SmoothingSettings) {
        self.settings.smoothing = smoothing;
    }

    /// Forgets everybody. Their ids are not given again.
    pub fn reset(&mut self) {
        self.forget_people();
        self.scene.reset();
        self.looks.clear();
        self.shown.clear();
        self.search = None;
    }

    fn forget_people(&mut self) {
        self.tracks.clear();
        self.due = true;
        self.aim = self.first_aim();
    }

    fn first_aim(&self) -> PointTarget {
        match self.mode {
            Some(FollowMode::Point(at)) => PointTarget::At(at),
            _ => PointTarget::At([0.0; 2]),
        }
    }

    /// Ends the tracks of people who have been away too long.
    fn end_the_gone(&mut self) {
        let (now, aim) = (self.now, &mut self.aim);
        self.tracks.retain(|t| {
            let stays = t.missed() < TRIES || t.gone_for(now) <= KEPT;
            if !stays && *aim == PointTarget::On(t.id) {
                let last = t.last_body();
                *aim = PointTarget::Near(last.center(), longer(&last));
            }
            stays
        });
    }

    /// The box in which a followed person should be; none for one who has been missing for a while, or whose way
    /// led out of the picture.
    fn held(&self, track: &Track) -> Option<Candidate> {
        if track.missed() >= TRIES && track.is_stale(self.now) {
            return None;
        }
        let [width, height] = self.size;
        let bbox = in_picture(&track.expected(self.now), width, height)?;
        Some(Candidate { bbox, score: track.box_score, owner: Some(track.id), active: !track.is_missing() })
    }

    /// Looks at those of the options whom the settings ask for; the tracks of the others end.
    fn look_at(&mut self, options: Vec<Candidate>) {
        let offered: Vec<TrackId> = options.iter().filter(|l| l.active).filter_map(|l| l.owner).collect();
        self.looks = choose(options, &self.settings, self.aim, self.size);
        let looks = &self.looks;
        self.tracks.retain(|t| !offered.contains(&t.id) || looks.iter().any(|l| l.owner == Some(t.id)));
        if let (FollowMode::Drawn(bbox), true) = (self.settings.mode, self.looks.is_empty()) {
            let [width, height] = self.size;
            let bbox = in_picture(&bbox, width, height).unwrap_or(BBox::whole(width, height));
            self.looks = vec![Candidate { bbox, score: 1.0, owner: None, active: false }];
        }
    }

    /// The poses that show somebody, each person once, and whose looks showed a person whom another look shows
    /// better.
    fn found<'a>(&self, poses: &'a [Pose]) -> (Vec<Observation<'a>>, Vec<TrackId>) {
        let lowest = self.settings.min_size * self.size[1] as f32;
        let looks = self.looks.iter().zip(poses).enumerate();
        let mut all: Vec<Observation> = looks
            .filter_map(|(index, (look, pose))| {
                Some(Observation { index, look: *look, pose, body: body(pose, self.size)? })
            })
            // What was large enough to be followed may bow.
            .filter(|f| f.look.active || f.body.h >= lowest)
            .collect();
        let worth = |f: &Observation| f.pose.score + if f.look.active { FOLLOWED_FIRST } else { 0.0 };
        all.sort_by(|a, b| worth(b).total_cmp(&worth(a)));
        let mut kept: Vec<Observation> = Vec::with_capacity(all.len());
        let mut doubled = Vec::new();
        for f in all {
            let same = |k: &Observation| {
                let areas = [f.body, k.body].map(|b| f64::from(b.area()));
                oks_of_confident(&f.pose.keypoints, &k.pose.keypoints, areas, &self.sigmas, MIN_SCORE)
                    .is_some_and(|oks| oks >= DOUBLE)
            };
            if kept.iter().any(same) {
                doubled.extend(f.look.owner);
            } else {
                kept.push(f);
            }
        }
        kept.sort_by_key(|f| f.index);
        (kept, doubled)
    }

    /// For each found pose the track that it continues, as an index.
    fn paired(&self, found: &[Observation]) -> Vec<Option<usize>> {
        let enough = |alike: f64| if alike < MIN_ALIKE { 0.0 } else { alike };
        let alike: Vec<Vec<f64>> = found
            .iter()
            .map(|f| {
                let with = |t: &Track| enough(t.like_pose(f.pose, &f.body, self.now, &self.sigmas));
                self.tracks.iter().map(with).collect()
            })
            .collect();
        let mut pairs = assign(&alike);
        // Who was found in the own box, and is like nobody, has moved fast.
        for (i, f) in found.iter().enumerate() {
            let own = self.tracks.iter().position(|t| f.look.owner == Some(t.id));
            if pairs[i].is_none() && own.is_some() && !pairs.contains(&own) {
                pairs[i] = own;
            }
        }
        pairs
    }

    /// Those who were not found are missing from now on. A young track whose look showed somebody else was never
    /// a person of its own, and ends.
    fn lose_the_others(&mut self, found: &[Option<TrackId>], doubled: &[TrackId]) {
        let now = self.now;
        self.tracks.retain(|t| found.contains(&Some(t.id)) || !(t.is_young(now) && doubled.contains(&t.id)));
        for track in self.tracks.iter_mut().filter(|t| !found.contains(&Some(t.id))) {
            // One that was lost before is looked for every few frames.
            self.due |= !track.is_missing();
            track.miss();
        }
    }

    /// Moves the person on, or begins to follow a new one; none when as many are followed as may be.
    fn take(&mut self, f: &Observation, id: Option<TrackId>, closer: bool) -> Option<&mut Track> {
        let now = self.now;
        let known = id.and_then(|id| self.tracks.iter().position(|t| t.id == id));
        let at = match known {
            Some(at) => {
                let track = &mut self.tracks[at];
                if closer {
                    track.restart(f.pose, f.body, now);
                } else {
                    track.move_on(f.pose, f.body, now);
                }
                track.box_score = f.look.score;
                at
            }
            None => {
                if self.tracks.iter().filter(|t| !t.is_missing()).count() >= self.settings.most_people {
                    return None;
                }
                self.last_id += 1;
                self.tracks.push(Track::new(TrackId(self.last_id), f.look.score, f.pose, f.body, now));
                self.tracks.len() - 1
            }
        };
        self.aim = PointTarget::On(self.tracks[at].id);
        Some(&mut self.tracks[at])
    }

    /// Goes on with a search: closer, if that changes what is seen.
    fn search_on(&mut self, search: Search) {
        let taken = search.taken + 1;
        self.search = None;
        let ([shown], [look]) = (self.shown.as_slice(), self.looks.as_slice()) else { return };
        let Some(track) = self.tracks.iter().find(|t| t.id == shown.id) else { return };
        if let Some(next) = self.held(track)
            && taken < LOOKS
            && next.bbox.iou(&look.bbox) < SETTLED
        {
            self.search = Some(Search { taken, id: Some(track.id) });
            self.looks = vec![next];
        }
    }
}

/// The part of a box that is in the picture, if a crop can be made of it.
fn in_picture(b: &BBox, width: u32, height: u32) -> Option<BBox> {
    b.intersected(width, height).filter(|b| b.w >= 1.0 && b.h >= 1.0)
}
