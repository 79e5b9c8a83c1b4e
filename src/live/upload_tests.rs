//! A frame goes up once for both networks. Scripted ones stand in for them, which want the frame on the device as the
//! real ones do (`detect/squares.rs`, `infer/network.rs`): on software Vulkan a network would take minutes.

use super::fakes::{Scripted, TICK, finder, free, loader, wait_for};
use super::*;
use crate::detect::DetectSettings;
use crate::gpu::{ComputeDevice, DeviceImage};
use crate::infer::{EstimatorOutput, InferError, Settings};
use crate::pose::Skeleton;
use crate::track::TrackSettings;
use crate::vision::{BBox, Detection};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A network that looks at a frame on a device.
struct On<T: ?Sized> {
    device: ComputeDevice,
    network: Box<T>,
}

impl PersonDetector for On<dyn PersonDetector> {
    fn find(
        &mut self,
        image: &DeviceImage,
        settings: &DetectSettings,
    ) -> Result<Vec<Detection>, DetectorError> {
        assert!(image.on(&self.device).is_some());
        self.network.find(image, settings)
    }
}

impl PoseEstimator for On<dyn PoseEstimator> {
    fn estimate(
        &mut self,
        image: &DeviceImage,
        boxes: &[BBox],
        settings: &Settings,
        heatmaps: bool,
    ) -> Result<EstimatorOutput, InferError> {
        assert!(image.on(&self.device).is_some());
        self.network.estimate(image, boxes, settings, heatmaps)
    }

    fn warm_up(
        &mut self,
        settings: &Settings,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<(), InferError> {
        self.network.warm_up(settings, progress)
    }

    fn skeleton(&self) -> &Skeleton {
        self.network.skeleton()
    }
}

/// A pipeline that looks for people in every frame, and how often it did.
fn pipeline(detector: ComputeDevice, pose: ComputeDevice) -> (Pipeline, Arc<AtomicUsize>) {
    let track = TrackSettings { detect_every: 1, ..TrackSettings::default() };
    let settings = PeopleTrackerSettings { track, ..PeopleTrackerSettings::default() };
    let mut live = Pipeline::new(settings, Arc::new(|| ())).unwrap();
    let load = loader(free(&Arc::default()));
    live.load(Some(Box::new(move || {
        let (network, summary) = load()?;
        Ok((Box::new(On { device: pose, network }), summary))
    })));
    let asked = Arc::default();
    let load = finder(&[10.0], &asked, &Arc::default());
    live.load_detector(Some(Box::new(move || {
        let (network, summary) = load()?;
        Ok((Box::new(On { device: detector, network }), summary))
    })));
    wait_for("the model's loading", || matches!(live.model(), ModelStatus::Ready(_)).then_some(()));
    wait_for("the detector's loading", || matches!(live.detector(), DetectorStatus::Ready(_)).then_some(()));
    (live, asked)
}

/// Shows the pipeline three frames; returns how many pictures went up to each device meanwhile.
fn uploads_of_three_frames(detector: &ComputeDevice, pose: &ComputeDevice) -> [usize; 2] {
    let (mut live, asked) = pipeline(detector.clone(), pose.clone());
    let before = [detector, pose].map(ComputeDevice::uploads);
    let asked_before = asked.load(Ordering::SeqCst);
    let transport = Transport { playing: false, looping: false };
    live.open_with(Box::new(|| Ok(Scripted::boxed(9, &Arc::default()))), transport);
    for n in 0..3 {
        let result = wait_for("a result", || live.take_result());
        assert_eq!((result.frame.frame.timestamp, result.people.len()), (TICK * n, 1));
        if n < 2 {
            live.step(1);
        }
    }
    assert_eq!(asked.load(Ordering::SeqCst) - asked_before, 3);
    let after = [detector, pose].map(ComputeDevice::uploads);
    [after[0] - before[0], after[1] - before[1]]
}

#[test]
fn detector_and_pose_network_share_one_upload_a_frame() {
    let device = ComputeDevice::gpu_alone_for_test();
    assert_eq!(uploads_of_three_frames(&device, &device), [3, 3], "of one and the same device");
}

#[test]
fn each_device_gets_the_frame_once() {
    let [detector, pose] = [0, 1].map(|_| ComputeDevice::gpu_alone_for_test());
    assert_eq!(uploads_of_three_frames(&detector, &pose), [3, 3]);
}
