//! The estimator with a small model of random weights on the CPU backend.

use super::*;
use crate::gpu::ComputeDevice;
use crate::model::{KeepRatio, MaskKind, PoseNetConfig, TokenBudget, Variant, fill_params};
use crate::pose::{Size, Skeleton};
use crate::vision::{BBox, Heatmaps};
use crate::weights::{TrainingRecord, WeightsInfo};
use image::{Rgb, RgbImage, imageops};

/// A crop of exactly the network's size, so that the crop is a copy of pixels: 192 x 256 about the
/// middle of a 240 x 300 picture.
const MIDDLE: BBox = BBox { x: 43.2, y: 47.6, w: 153.6, h: 204.8 };

fn estimator() -> Estimator {
    let device = ComputeDevice::cpu();
    device.device.seed(7);
    let skeleton = Skeleton::coco17().clone();
    let config = PoseNetConfig::new(Variant::T, &skeleton);
    // A fresh head draws nothing: its last matrix is zero.
    let model = fill_params(config.init(&device.device), |param| {
        let numbers = 0..param.shape.iter().product::<usize>();
        (param.path == "head.fc2.weight").then(|| numbers.map(|i| (i as f32 * 0.37).sin() * 0.05).collect())
    });
    Estimator::from_parts(model, WeightsInfo::new(config, skeleton, TrainingRecord::default()), device)
}

fn picture() -> RgbImage {
    RgbImage::from_fn(240, 300, |x, y| {
        let stripe = if (x / 13 + y / 7) % 3 == 0 { 200 } else { 30 };
        Rgb([stripe, (x % 256) as u8, (y % 256) as u8])
    })
}

fn keeping(share: f64) -> Settings {
    let budget = TokenBudget::progressive(KeepRatio::new(share).unwrap());
    Settings { budget, ..Settings::default() }
}

fn close(a: &[f32], b: &[f32], tolerance: f32) {
    assert_eq!(a.len(), b.len());
    let largest = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(largest <= tolerance, "differs by {largest}");
}

fn heatmaps(estimate: &PoseEstimate) -> &Heatmaps {
    estimate.heatmaps.as_ref().unwrap().in_memory().unwrap()
}

fn maps(estimates: &[PoseEstimate], person: usize) -> &[f32] {
    &heatmaps(&estimates[person]).values
}

#[test]
fn persons_of_a_batch_do_not_influence_each_other() {
    let mut estimator = estimator();
    let settings = keeping(0.4);
    let other = BBox { x: 10.0, y: 20.0, w: 60.0, h: 90.0 };
    let output = estimator.estimate(&picture(), &[MIDDLE, other], &settings, true).unwrap();
    let (both, times) = (output.estimates, output.times);
    let alone = estimator.estimate(&picture(), &[other], &settings, true).unwrap().estimates;
    assert_eq!(both.len(), 2);
    assert_eq!(output.kept.of(1).len(), 102);
    close(maps(&both, 1), maps(&alone, 0), 1e-4);
    assert_eq!(both[0].pose.keypoints.len(), 17);
    let stages: std::time::Duration = times.stages().iter().map(|(_, time)| *time).sum();
    assert!(stages <= times.whole);
}

#[test]
fn more_persons_than_one_batch_holds_keep_their_order() {
    let mut estimator = estimator();
    let settings = keeping(0.1);
    let boxes: Vec<BBox> =
        (0..19).map(|i| BBox { x: i as f32 * 8.0, y: 20.0, w: 40.0, h: 60.0 + i as f32 }).collect();
    let all = estimator.estimate(&picture(), &boxes, &settings, true).unwrap().estimates;
    let last = estimator.estimate(&picture(), &boxes[18..], &settings, true).unwrap().estimates;
    assert_eq!(all.len(), 19);
    close(maps(&all, 18), maps(&last, 0), 1e-4);
}

#[test]
fn with_flip_test_a_mirrored_picture_gives_the_mirrored_heatmaps() {
    let mut estimator = estimator();
    // 128 tokens: an even count, for which the mask is its own mirror image.
    let settings = Settings { flip_test: true, ..keeping(0.5) };
    let straight = estimator.estimate(&picture(), &[MIDDLE], &settings, true).unwrap().estimates;
    let mirrored = imageops::flip_horizontal(&picture());
    let seen = estimator.estimate(&mirrored, &[MIDDLE], &settings, true).unwrap().estimates;
    let back = heatmaps(&seen[0]).mirrored(&Skeleton::coco17().mirror());
    close(maps(&straight, 0), &back.values, 1e-4);
}

#[test]
fn dropping_tokens_changes_the_heatmaps_and_masks_change_from_call_to_call() {
    let mut estimator = estimator();
    let mut seen = Vec::new();
    for (mask, keep_ratio) in [
        (MaskKind::None, 0.5),
        (MaskKind::Progressive, 1.0),
        (MaskKind::Uniform, 0.5),
        (MaskKind::Random, 0.5),
    ] {
        let budget = TokenBudget { mask, seed: 3, ..keeping(keep_ratio).budget };
        let settings = Settings { budget, ..Settings::default() };
        let found = estimator.estimate(&picture(), &[MIDDLE], &settings, true).unwrap();
        seen.push((maps(&found.estimates, 0).to_vec(), found.kept.of(0).len()));
    }
    assert_eq!(seen.iter().map(|s| s.1).collect::<Vec<_>>(), [256, 256, 128, 128]);
    close(&seen[0].0, &seen[1].0, 0.0);
    assert_ne!(seen[1].0, seen[2].0);
    assert_ne!(seen[2].0, seen[3].0);
}

#[test]
fn heatmaps_come_only_when_wanted_and_nobody_gives_nothing() {
    let mut estimator = estimator();
    let one = estimator.estimate(&picture(), &[MIDDLE], &Settings::default(), false).unwrap().estimates;
    assert!(one[0].heatmaps.is_none());
    let none = estimator.estimate(&picture(), &[], &Settings::default(), true).unwrap();
    assert!(none.estimates.is_empty());
    assert_eq!(none.times.network, std::time::Duration::ZERO);
}

#[test]
fn on_the_cpu_warming_up_is_one_pass_and_heatmaps_are_in_memory_wherever_they_are_wanted() {
    let mut estimator = estimator();
    let mut heard = Vec::new();
    estimator.warm_up(|done, of| heard.push([done, of])).unwrap();
    assert_eq!(heard, [[0, 1], [1, 1]]);
    estimator.leave_heatmaps_on_device(true);
    let one = estimator.estimate(&picture(), &[MIDDLE], &Settings::default(), true).unwrap().estimates;
    assert_eq!(heatmaps(&one[0]).joints, 17);
}

/// The steps around the network on whatever Vulkan there is, with a model that stays on the CPU: on
/// software Vulkan the network itself would take minutes.
mod on_the_gpu {
    use super::super::network::{HeadOutput, mean};
    use super::*;
    use crate::gpu::DeviceImage;
    use crate::model::PoseNet;
    use crate::vision::{BOX_PADDING, CropBox, Decoding, gaussian_targets};
    use burn::prelude::*;

    struct Both {
        model: PoseNet,
        devices: [ComputeDevice; 2],
    }

    impl Both {
        fn new() -> Both {
            let cpu = ComputeDevice::cpu();
            let config = PoseNetConfig::new(Variant::T, Skeleton::coco17()).with_depth(1);
            Both { model: config.init(&cpu.device), devices: [cpu, ComputeDevice::gpu_alone_for_test()] }
        }

        fn networks(&self) -> [Network<'_>; 2] {
            let skeleton = Skeleton::coco17();
            [0, 1].map(|n: usize| Network {
                model: &self.model,
                cpu: None,
                skeleton,
                device: &self.devices[n],
                timing: Timing::WholeOnly,
            })
        }
    }

    fn values(tensor: Tensor<4>) -> Vec<f32> {
        tensor.into_data().try_into_vec().unwrap()
    }

    /// Three persons' heatmaps, as a tensor with a place more.
    fn maps(device: &ComputeDevice) -> (Vec<Heatmaps>, Tensor<4>) {
        let person = |p: usize| {
            let joints: Vec<[f32; 3]> =
                (0..17).map(|j| [3.3 + 2.1 * j as f32, 5.7 + 3.0 * (j + p) as f32, 1.0]).collect();
            gaussian_targets(&joints, Size::new(48, 64), 2.0).maps
        };
        let maps: Vec<Heatmaps> = (0..3).map(person).collect();
        let mut all: Vec<f32> = maps.iter().flat_map(|m| m.values.clone()).collect();
        all.resize(4 * 17 * 64 * 48, 0.0);
        (maps, Tensor::from_data(TensorData::new(all, [4, 17, 64, 48]), &device.device))
    }

    #[test]
    fn crops_are_those_of_the_cpu_in_a_batch_of_a_warmed_size() {
        let (both, img) = (Both::new(), picture());
        let boxes =
            [MIDDLE, BBox { x: -30.0, y: 200.0, w: 80.0, h: 150.0 }, BBox::whole(Size::new(240, 300))];
        let [cpu, gpu] = both.networks().map(|network| {
            let shown = DeviceImage::new(&img);
            let crops = boxes.map(|b| (&shown, CropBox::from_bbox(&b, 0.75, BOX_PADDING)));
            network.crops(&crops).unwrap()
        });
        let [cpu, gpu] = [cpu, gpu].map(on_device);
        assert_eq!((cpu.dims()[0], gpu.dims()[0]), (3, 4));
        assert_eq!(both.devices[1].uploads(), 1, "one picture for three crops");
        let cpu = values(cpu);
        assert!(values(gpu)[..cpu.len()] == cpu);
    }

    #[test]
    fn keypoints_are_those_of_the_cpu_and_maps_come_back_only_when_wanted() {
        let both = Both::new();
        let [_, network] = both.networks();
        let (expected, tensor) = maps(network.device);
        let find = |wanted| {
            network.find(HeadOutput::Device(tensor.clone()), 3, Decoding::default(), wanted).unwrap()
        };
        for wanted in [HeatmapRequest::None, HeatmapRequest::InMemory, HeatmapRequest::OnDevice] {
            let found = find(wanted);
            assert_eq!(found.len(), 3);
            for (found, expected) in found.iter().zip(&expected) {
                for (a, b) in found.keypoints.iter().zip(crate::vision::decode(expected, Decoding::default()))
                {
                    assert!((a.x - b.x).abs() < 1e-3 && (a.y - b.y).abs() < 1e-3, "{a:?} is not {b:?}");
                }
                match (wanted, &found.maps) {
                    (HeatmapRequest::None, None) => (),
                    (HeatmapRequest::InMemory, Some(HeatmapBuffer::Memory(maps))) => {
                        assert_eq!(maps, expected)
                    }
                    (HeatmapRequest::OnDevice, Some(maps)) => {
                        assert!(maps.in_memory().is_none());
                        assert_eq!(maps.size(), Size::new(48, 64));
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    #[test]
    fn the_flip_tests_mean_is_that_of_the_cpu() {
        let mirror = Skeleton::coco17().mirror();
        for device in &Both::new().devices {
            let (straight, tensor) = maps(device);
            let found = values(mean(tensor.clone(), tensor, &mirror));
            for (mut maps, found) in straight.into_iter().zip(found.chunks_exact(17 * 64 * 48)) {
                let flipped = maps.mirrored(&mirror);
                maps.average(&flipped);
                close(found, &maps.values, 0.0);
            }
        }
    }
}

#[test]
fn wrong_requests_are_told_apart() {
    let mut estimator = estimator();
    for (w, h) in [(0.0, 10.0), (10.0, -1.0), (f32::NAN, 10.0)] {
        let empty = BBox { x: 0.0, y: 0.0, w, h };
        let error = estimator.estimate(&picture(), &[empty], &Settings::default(), false).unwrap_err();
        assert!(matches!(error, InferError::Box(_)), "{error}");
    }
    let missing = std::path::Path::new("no-such-weights.safetensors");
    let error = Estimator::load(missing, ComputeDevice::cpu()).err().unwrap().to_string();
    assert!(error.contains("no-such-weights.safetensors"), "{error}");
}

fn on_device(maps: BatchMaps) -> burn::Tensor<4> {
    match maps {
        BatchMaps::Device(tensor) => tensor,
        BatchMaps::Memory(_) => panic!("without the engine crops are tensors"),
    }
}

#[test]
fn a_pass_without_stages_makes_the_heatmaps_of_the_staged_pass() {
    let mut estimator = estimator();
    let settings = keeping(0.4);
    let staged = estimator.estimate(&picture(), &[MIDDLE], &settings, true).unwrap();
    let network = Network { cpu: None, ..estimator.network() };
    let (img, mut times) = (picture(), StageTimes::default());
    let crop = crate::vision::CropBox::from_bbox(&MIDDLE, 0.75, crate::vision::BOX_PADDING);
    let images = network.crops(&[(&crate::gpu::DeviceImage::new(&img), crop)]).unwrap();
    let features = network.model.features(on_device(images));
    let output = network.pass_as_a_whole(features, 1, &settings, &mut times).unwrap();
    assert_eq!(output.kept, staged.kept);
    let network::HeadOutput::Memory(whole) = output.maps else { panic!("the CPU reads back at once") };
    close(maps(&staged.estimates, 0), &whole[0].values, 1e-4);
}
