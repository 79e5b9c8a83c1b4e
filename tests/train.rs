//! A training end to end on pictures made here: it runs, stops, goes on exactly, and leaves weights.

use image::RgbImage;
use safetensors::SafeTensors;
use serde_json::json;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use tmpose::model::Variant;
use tmpose::train::config::Decay;
use tmpose::train::{self, PoseEvent, PoseStepper, RunControl, TrainConfig};

/// Six pictures with a coloured figure each, in COCO's layout, as both parts of a set.
fn write_set(root: &Path) {
    let (mut images, mut annotations) = (Vec::new(), Vec::new());
    for split in ["train", "val"] {
        std::fs::create_dir_all(root.join("images").join(split)).unwrap();
    }
    std::fs::create_dir_all(root.join("annotations")).unwrap();
    for id in 1..=6u32 {
        let picture = RgbImage::from_fn(96, 128, |x, y| {
            let figure = x.abs_diff(48) < 14 + 2 * id && (16..116).contains(&y);
            if figure { image::Rgb([200, (30 * id) as u8, 60]) } else { image::Rgb([x as u8, y as u8, 90]) }
        });
        let name = format!("{id}.png");
        for split in ["train", "val"] {
            picture.save(root.join("images").join(split).join(&name)).unwrap();
        }
        images.push(json!({"id": id, "file_name": name, "width": 96, "height": 128}));
        let keypoints: Vec<u32> = (0..17).flat_map(|j| [36 + (j % 3) * 12, 20 + 5 * j, 2]).collect();
        annotations.push(json!({
            "id": id, "image_id": id, "category_id": 1, "iscrowd": 0, "bbox": [30, 16, 36, 100],
            "area": 1900.0, "num_keypoints": 17, "keypoints": keypoints,
        }));
    }
    let text = json!({"images": images, "annotations": annotations}).to_string();
    for split in ["train", "val"] {
        std::fs::write(root.join(format!("annotations/person_keypoints_{split}.json")), &text).unwrap();
    }
}

fn settings(root: &Path, run: &str) -> TrainConfig {
    let mut c = TrainConfig::default();
    c.model.variant = Variant::T;
    c.model.depth = 1;
    c.model.freeze_backbone = true;
    c.data.train = vec![root.join("set").display().to_string().parse().unwrap()];
    c.data.val = Some(root.join("set").into());
    c.data.cache = Some(root.join("features"));
    c.schedule.steps = 6;
    c.schedule.batch = 4;
    c.schedule.warm_up = 2;
    c.run.out = root.join(run);
    c.run.device = tmpose::gpu::DeviceChoice::Cpu;
    c.run.log_steps = 1;
    c
}

/// Runs, raising the stop flag after `stop_after` steps, and returns the loss of every step.
fn run(config: &TrainConfig, resume: bool, stop_after: u64) -> Vec<f64> {
    let stop = AtomicBool::new(false);
    let losses = std::sync::Mutex::new(Vec::new());
    let listen = |event: &PoseEvent| {
        if let PoseEvent::Step(e) = event {
            losses.lock().unwrap().push(e.loss);
            stop.fetch_or(e.position.step >= stop_after, Ordering::SeqCst);
        }
    };
    let control = RunControl { resume, command: "test", on_event: &listen, stop: &stop };
    train::run(config, &control).unwrap();
    losses.into_inner().unwrap()
}

/// The numbers of a checkpoint, without its header's times.
fn state(config: &TrainConfig) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(config.run.out.join("checkpoint.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    ["weights", "first", "second", "average"].map(|n| tensors.tensor(n).unwrap().data().to_vec()).to_vec()
}

#[test]
fn a_stepper_makes_the_steps_that_a_training_makes() {
    let dir = tempfile::tempdir().unwrap();
    write_set(&dir.path().join("set"));
    let mut config = settings(dir.path(), "start");
    config.data.val = None;
    // A stepper's learning rate stays what it is.
    config.schedule.warm_up = 0;
    config.schedule.decay = Decay::Constant;
    config.schedule.steps = 2;
    // Both begin with the same file.
    run(&config, false, u64::MAX);
    config.model.init = Some(config.run.out.join("last.safetensors"));
    config.run.out = dir.path().join("run");
    for frozen in [true, false] {
        config.model.freeze_backbone = frozen;
        let losses = run(&config, false, u64::MAX);
        let mut stepper = PoseStepper::open(&config, &AtomicBool::new(false)).unwrap().unwrap();
        for expected in losses {
            let loss = stepper.step().unwrap().loss;
            assert!(
                (loss - expected).abs() < 1e-4 * expected,
                "{}: {loss} {expected}",
                stepper.engine_name()
            );
        }
    }
}

#[test]
fn two_batches_of_two_move_the_weights_as_one_of_four() {
    let dir = tempfile::tempdir().unwrap();
    write_set(&dir.path().join("set"));
    // Masks are drawn for each batch: with every token kept nothing but the cut differs.
    let mut whole = settings(dir.path(), "whole");
    whole.masks.full = 1.0;
    let mut halves = whole.clone();
    halves.run.out = dir.path().join("halves");
    (halves.schedule.batch, halves.schedule.accumulate) = (2, 2);
    let losses = run(&whole, false, u64::MAX);
    let mut again = run(&halves, false, 3);
    again.extend(run(&halves, true, u64::MAX));
    assert_eq!(again, losses);
    assert_eq!(state(&halves), state(&whole));
}

#[test]
fn a_training_that_gets_no_better_ends_early_also_when_it_was_stopped_in_between() {
    let dir = tempfile::tempdir().unwrap();
    write_set(&dir.path().join("set"));
    let mut whole = settings(dir.path(), "whole");
    // Weights that hardly move: the accuracy of the first validation is never beaten.
    whole.schedule.learning_rate = 1e-12;
    (whole.schedule.steps, whole.schedule.patience, whole.run.val_steps) = (30, 2, 2);
    let mut parts = whole.clone();
    parts.run.out = dir.path().join("parts");
    let losses = run(&whole, false, u64::MAX);
    assert_eq!(losses.len(), 6, "three validations, two of them without a better AP");
    let mut again = run(&parts, false, 4);
    again.extend(run(&parts, true, u64::MAX));
    assert_eq!(again, losses);
    assert!(run(&parts, true, u64::MAX).is_empty(), "what has ended early stays ended");
    for picture in ["curves.png", "samples.png"] {
        let picture = image::open(whole.run.out.join(picture)).unwrap();
        assert!(picture.width() > 800 && picture.height() > 200);
    }
}

#[test]
fn a_stopped_training_goes_on_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    write_set(&dir.path().join("set"));
    let whole = settings(dir.path(), "whole");
    let losses = run(&whole, false, u64::MAX);
    assert_eq!(losses.len(), 6);
    assert!(losses.iter().all(|l| l.is_finite()) && losses[5] < losses[0], "{losses:?}");

    let parts = settings(dir.path(), "parts");
    let mut again = run(&parts, false, 2);
    assert_eq!(again.len(), 2);
    again.extend(run(&parts, true, u64::MAX));
    assert_eq!(again, losses);
    assert_eq!(state(&parts), state(&whole));

    let (model, info) =
        tmpose::weights::load(&whole.run.out.join("best.safetensors"), &burn::prelude::Device::flex())
            .unwrap();
    assert_eq!((model.config().layers(), info.record.command.as_str()), (1, "test"));
    let card = std::fs::read_to_string(whole.run.out.join("model-card.md")).unwrap();
    assert!(card.contains("| set/val | 6 | 0.25 |"), "{card}");
}
