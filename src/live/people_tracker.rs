//! The people of a frame: detection, tracking and pose estimation, in the one place that the window, `tmpose predict`,
//! `tmpose bench live` and users of the library share.

use super::estimator::{EstimatorError, PoseEstimator};
use super::guard::guarded;
use super::people_tracker_settings::{Outdated, PeopleTrackerSettings};
use super::person_detector::{DetectorError, PersonDetector};
use super::times::FrameTimes;
use crate::detect::DetectSettings;
use crate::gpu::DeviceImage;
use crate::infer::EstimatorOutput;
use crate::infer::PoseEstimate;
use crate::model::KeptTokens;
use crate::pose::{Pose, Skeleton};
use crate::source::Frame;
use crate::track::{FrameInfo, TrackedPerson, Tracker};
use crate::vision::{BBox, Detection};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The people of a frame, and what was computed on the way to them.
#[derive(Clone, Debug)]
pub struct PeopleResult {
    /// The people who are tracked, each with an id, a box and a pose.
    pub people: Vec<TrackedPerson>,
    /// One for each box in which a pose was estimated, also where nobody was found; [`TrackedPerson::index`] points
    /// into it.
    pub estimates: Vec<PoseEstimate>,
    /// What the detector found when it ran last, perhaps some frames ago: also people who are not tracked.
    pub detections: Arc<Vec<Detection>>,
    /// Ascending indices of the visual tokens that the pose network saw.
    pub kept: KeptTokens,
    /// How long the stages took.
    pub times: FrameTimes,
}

/// A network failed.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// The person detector. [`PeopleTracker::take_detector`] and [`PeopleTracker::reprocess`] go on without it.
    #[error(transparent)]
    Detector(#[from] DetectorError),
    /// The pose network.
    #[error(transparent)]
    Estimator(#[from] EstimatorError),
}

/// Finds the people of each frame, tells who is who from frame to frame, and estimates their poses.
///
/// It needs a pose network, and for more than one person a person detector; without one, one person is searched for in
/// the whole picture. It stays on one thread, as the networks do.
///
/// ```no_run
/// use tmpose::detect::Detector;
/// use tmpose::gpu::ComputeDevice;
/// use tmpose::infer::Estimator;
/// use tmpose::live::{PeopleTracker, PeopleTrackerSettings};
/// use tmpose::source::{Source, VideoSource};
///
/// let device = ComputeDevice::cpu();
/// let estimator = Estimator::load("weights/tmpose-t-coco17.safetensors".as_ref(), device.clone())?;
/// let detector = Detector::load("weights/tmpose-detect.safetensors".as_ref(), device)?;
/// let mut people = PeopleTracker::new(estimator, Some(detector), PeopleTrackerSettings::default());
/// let mut video = VideoSource::open("walk.mp4".as_ref())?;
/// while let Some(frame) = video.next_frame()? {
///     for person in people.process(&frame)?.people {
///         println!("{:?} {:?}", person.id, person.pose.keypoints);
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PeopleTracker {
    estimator: Box<dyn PoseEstimator>,
    detector: Option<Box<dyn PersonDetector>>,
    settings: PeopleTrackerSettings,
    tracker: Tracker,
    /// See [`PeopleResult::detections`].
    detections: Arc<Vec<Detection>>,
    /// The frame that was processed last.
    current: Option<CurrentFrame>,
    outdated: Outdated,
}

/// What is kept of the frame that was processed last, so that it can be processed again.
struct CurrentFrame {
    info: FrameInfo,
    /// The tracker as it was before this frame: when other people are chosen, the frame is processed as if they had
    /// been chosen before it.
    before: Tracker,
    /// What the detector found in this frame, if it ran.
    detections: Option<Arc<Vec<Detection>>>,
    /// Where poses were estimated; `None` while the people of this frame are not known. The same boxes serve when only
    /// the pose network's settings change, so that the difference is the settings'.
    boxes: Option<Vec<BBox>>,
}

impl PeopleTracker {
    /// Nobody is known yet. Without a detector (`None::<Detector>`) one person is searched for.
    pub fn new(
        estimator: impl PoseEstimator + 'static,
        detector: Option<impl PersonDetector + 'static>,
        settings: PeopleTrackerSettings,
    ) -> PeopleTracker {
        let tracker = Tracker::new(estimator.skeleton().sigmas.iter().copied());
        PeopleTracker {
            estimator: Box::new(estimator),
            detector: detector.map(|detector| Box::new(detector) as _),
            settings,
            tracker,
            detections: Arc::default(),
            current: None,
            outdated: Outdated::No,
        }
    }

    /// The joints of the poses and how they are connected.
    pub fn skeleton(&self) -> &Skeleton {
        self.estimator.skeleton()
    }

    /// Whether there is a person detector.
    pub fn has_detector(&self) -> bool {
        self.detector.is_some()
    }

    /// Replaces the detector. Nobody is known any more; ids go on.
    pub fn set_detector(&mut self, detector: Option<Box<dyn PersonDetector>>) {
        self.detector = detector;
        self.forget();
        self.outdated = Outdated::People;
    }

    /// Takes the detector away; who is known stays known.
    pub fn take_detector(&mut self) -> Option<Box<dyn PersonDetector>> {
        self.detector.take()
    }

    /// Changes the settings from the next frame on, and for [`PeopleTracker::reprocess`].
    pub fn set_settings(&mut self, settings: PeopleTrackerSettings) {
        let change = self.settings.change_to(&settings);
        if settings.detect != self.settings.detect {
            self.forget();
        }
        self.tracker.set_smoothing(settings.track.smoothing);
        self.settings = settings;
        self.outdated = self.outdated.max(change);
    }

    /// Whether settings or the detector changed so that [`PeopleTracker::reprocess`] would give another result for the
    /// last frame.
    pub fn is_outdated(&self) -> bool {
        self.outdated != Outdated::No
    }

    /// Nobody is known any more. Ids are not given again.
    pub fn forget(&mut self) {
        self.tracker.reset();
        self.detections = Arc::default();
        if let Some(current) = &mut self.current {
            (current.detections, current.boxes) = (None, None);
            current.before = self.tracker.clone();
        }
    }

    /// As after [`PeopleTracker::new`], for another video or picture: ids begin at 1 again.
    pub fn reset(&mut self) {
        self.tracker = Tracker::new(self.skeleton().sigmas.iter().copied());
        self.detections = Arc::default();
        self.current = None;
    }

    /// The people of a source's next frame. A frame whose timestamp is before that of the last one, or whose size is
    /// another one, begins anew: nobody is known in it. For other jumps see [`PeopleTracker::process_image`].
    ///
    /// # Errors
    /// A network fails. Then it is as if there had been no such frame.
    pub fn process(&mut self, frame: &Frame) -> Result<PeopleResult, PeopleError> {
        self.process_image(&DeviceImage::new(&frame.pixels), &frame_info(frame))
    }

    /// [`PeopleTracker::process`] for a picture with what must be known of it.
    ///
    /// # Errors
    /// As [`PeopleTracker::process`].
    pub fn process_image(
        &mut self,
        image: &DeviceImage,
        info: &FrameInfo,
    ) -> Result<PeopleResult, PeopleError> {
        let follows = self.current.as_ref().is_some_and(|last| last.info.timestamp <= info.timestamp);
        if info.discontinuous || !follows {
            self.detections = Arc::default();
        }
        let before = self.tracker.clone();
        self.find_people(image, CurrentFrame { info: *info, before, detections: None, boxes: None })
    }

    /// Processes the last frame again, with the settings as they are now. Where only the network's settings or the
    /// smoothing changed, poses are estimated again in the same boxes. Where other people are chosen, they are found
    /// from the state before the frame; the detector does not run twice on one frame. Nobody moves on either way.
    ///
    /// # Errors
    /// As [`PeopleTracker::process`].
    pub fn reprocess(&mut self, frame: &Frame) -> Result<PeopleResult, PeopleError> {
        self.reprocess_image(&DeviceImage::new(&frame.pixels), &frame_info(frame))
    }

    /// [`PeopleTracker::reprocess`] for a picture. `info` is needed only if no frame was processed before.
    ///
    /// # Errors
    /// As [`PeopleTracker::process`].
    pub fn reprocess_image(
        &mut self,
        image: &DeviceImage,
        info: &FrameInfo,
    ) -> Result<PeopleResult, PeopleError> {
        let Some(frame) = self.current.take() else { return self.process_image(image, info) };
        match &frame.boxes {
            Some(boxes) if self.outdated == Outdated::Poses => {
                let result = self.estimate_again(image, boxes);
                self.current = Some(frame);
                result
            }
            _ => self.find_people(image, frame),
        }
    }

    /// Finds the people of a frame, which is the current one from now on.
    fn find_people(
        &mut self,
        image: &DeviceImage,
        mut frame: CurrentFrame,
    ) -> Result<PeopleResult, PeopleError> {
        self.outdated = Outdated::No;
        self.tracker = frame.before.clone();
        let result = self.detect_and_estimate(image, &mut frame);
        if result.is_err() {
            self.tracker = frame.before.clone();
            frame.boxes = None;
        }
        self.current = Some(frame);
        result
    }

    fn detect_and_estimate(
        &mut self,
        image: &DeviceImage,
        frame: &mut CurrentFrame,
    ) -> Result<PeopleResult, PeopleError> {
        let started = Instant::now();
        let mut times = FrameTimes::default();
        let mut tracking = Stopwatch::default();
        let detection_wanted =
            tracking.time(|| self.tracker.predict(image.pixels(), &frame.info, &self.settings.track));
        if detection_wanted {
            times.detect = self.detect(image, frame)?;
            match &frame.detections {
                None => tracking.time(|| self.tracker.search_without_detector()),
                Some(found) => {
                    self.detections = found.clone();
                    tracking.time(|| self.tracker.associate_detections(found));
                }
            }
        }
        // A picture gets no second chance in a next frame: without a detector, a person who was found is searched for
        // from coarse to fine.
        let refine = frame.info.still || self.settings.refine_videos;
        loop {
            let boxes = tracking.time(|| self.tracker.boxes());
            let output = self.estimate(image, &boxes)?;
            frame.boxes = Some(boxes);
            let people = tracking.time(|| self.tracker.update(&poses(&output)));
            if !(refine && self.tracker.is_refining()) {
                times.network = output.times;
                times.track = tracking.sum;
                times.whole = started.elapsed();
                return Ok(self.result(people, output, times));
            }
        }
    }

    /// Runs the detector on a frame on which it did not run yet, if there is one and it is switched on. Returns how long
    /// that took.
    fn detect(
        &mut self,
        image: &DeviceImage,
        frame: &mut CurrentFrame,
    ) -> Result<Option<Duration>, DetectorError> {
        let (None, true, Some(detector)) = (&frame.detections, self.settings.detect, &mut self.detector)
        else {
            return Ok(None);
        };
        let started = Instant::now();
        let settings = DetectSettings::default();
        let most = settings.most.max(self.settings.track.most_people);
        let found = guarded(|| detector.find(image, &DetectSettings { most, ..settings }))?;
        frame.detections = Some(Arc::new(found));
        Ok(Some(started.elapsed()))
    }

    /// The people of the current frame from other settings of the network, in the same boxes.
    fn estimate_again(&mut self, image: &DeviceImage, boxes: &[BBox]) -> Result<PeopleResult, PeopleError> {
        self.outdated = Outdated::No;
        let started = Instant::now();
        let output = self.estimate(image, boxes)?;
        let people = self.tracker.replace_poses(&poses(&output));
        let times = FrameTimes { network: output.times, whole: started.elapsed(), ..FrameTimes::default() };
        Ok(self.result(people, output, times))
    }

    fn estimate(&mut self, image: &DeviceImage, boxes: &[BBox]) -> Result<EstimatorOutput, EstimatorError> {
        let PeopleTrackerSettings { infer, heatmaps, .. } = &self.settings;
        guarded(|| Ok(self.estimator.estimate(image, boxes, infer, *heatmaps)?))
    }

    fn result(&self, people: Vec<TrackedPerson>, output: EstimatorOutput, times: FrameTimes) -> PeopleResult {
        let EstimatorOutput { estimates, kept, .. } = output;
        PeopleResult { people, estimates, detections: self.detections.clone(), kept, times }
    }
}

/// What the tracker must know of a source's frame; pictures have names.
pub(super) fn frame_info(frame: &Frame) -> FrameInfo {
    FrameInfo { timestamp: frame.timestamp, discontinuous: false, still: frame.name.is_some() }
}

fn poses(output: &EstimatorOutput) -> Vec<Pose> {
    output.estimates.iter().map(|estimate| estimate.pose.clone()).collect()
}

/// Adds up what several pieces of work took.
#[derive(Default)]
struct Stopwatch {
    sum: Duration,
}

impl Stopwatch {
    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let value = work();
        self.sum += started.elapsed();
        value
    }
}
