//! The real program from the outside: what it writes, what it says, and how it ends.

mod program;

use program::bench::{Bench, failed, frame, succeeded, text};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tmpose::pose::Size;
use tmpose::source::{Source, VideoSource};

fn ids(results: &Value) -> Vec<u64> {
    results.as_array().unwrap().iter().map(|r| r["image_id"].as_u64().unwrap()).collect()
}

#[test]
fn pictures_and_folders_give_annotated_copies_and_coco_results() {
    let bench = Bench::new();
    bench.picture("people.png", 120, 90);
    bench.picture("folder/photo_0007.jpg", 64, 80);
    bench.picture("folder/photo_0008.png", 50, 50);
    let output = bench.predict("people.png folder --out result");
    succeeded(&output);
    assert!(text(&output.stdout).contains("3 poses in 3 pictures"), "{}", text(&output.stdout));

    let drawn = image::open(bench.path("result/people.png")).unwrap().into_rgb8();
    assert_eq!(drawn.dimensions(), (120, 90));
    assert!(drawn != frame(120, 90, 0), "a skeleton is drawn");
    assert_eq!(image::open(bench.path("result/photo_0007.jpg")).unwrap().height(), 80);

    let results = bench.json("result/keypoints.json");
    assert_eq!(ids(&results), [1, 7, 8], "the number in the name, else a running one");
    for result in results.as_array().unwrap() {
        assert_eq!(result["category_id"], 1);
        assert!(result.get("track_id").is_none(), "pictures follow nobody");
        assert_eq!(result["keypoints"].as_array().unwrap().len(), 51);
        assert!(result["score"].is_number());
    }
    let images = bench.json("result/images.json");
    assert_eq!(images["images"][1]["file_name"], "photo_0007.jpg");
    assert_eq!(images["images"][1]["id"], 7);
    assert_eq!(images["images"][1]["width"], 64);
}

#[test]
fn a_video_keeps_its_name_its_frames_and_their_times() {
    let bench = Bench::new();
    bench.video("walk.mp4", 12);
    succeeded(&bench.predict("walk.mp4 --keep 0.25 --flip-test"));

    let mut video = VideoSource::open(&bench.path("out/walk.mp4")).unwrap();
    assert_eq!(video.info().size, Size::new(96, 64));
    let mut times = Vec::new();
    while let Some(frame) = video.next_frame().unwrap() {
        times.push(frame.timestamp.as_millis());
    }
    assert_eq!(times, (0..12).map(|i| 100 * i).collect::<Vec<u128>>());

    let images = bench.json("out/images.json");
    let images = images["images"].as_array().unwrap();
    assert_eq!(images.len(), 12);
    assert_eq!(images[11]["frame"], 11);
    assert_eq!(images[11]["seconds"], 1.1);
    let poses = bench.json("out/keypoints.json");
    assert_eq!(ids(&poses), (1..=12).collect::<Vec<u64>>());
    assert!(poses.as_array().unwrap().iter().all(|p| p["track_id"] == 1), "one person is followed: {poses}");
}

#[test]
fn every_person_of_a_box_file_is_estimated_under_its_image_id() {
    let bench = Bench::new();
    bench.picture("street.png", 120, 90);
    bench.picture("empty.png", 40, 40);
    let boxes = r#"{
        "images": [{"id": 139, "file_name": "val/street.png"}, {"id": 140, "file_name": "empty.png"}],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [
            {"image_id": 139, "category_id": 1, "bbox": [10, 10, 40, 70]},
            {"image_id": 139, "category_id": 1, "bbox": [60, 5, 30, 80]},
            {"image_id": 139, "category_id": 1, "bbox": [300, 300, 0, 0]},
            {"image_id": 139, "category_id": 1, "bbox": [0, 0, 90, 80], "iscrowd": 1}]}"#;
    std::fs::write(bench.path("boxes.json"), boxes).unwrap();
    succeeded(&bench.predict("street.png empty.png --boxes boxes.json"));
    assert_eq!(ids(&bench.json("out/keypoints.json")), [139, 139]);
    assert_eq!(bench.json("out/images.json")["images"][1]["id"], 140);

    let detections = r#"[{"image_id": 5, "category_id": 1, "bbox": [1, 2, 30, 40], "score": 0.5}]"#;
    std::fs::write(bench.path("detections.json"), detections).unwrap();
    bench.picture("img_5.png", 50, 50);
    succeeded(&bench.predict("img_5.png --boxes detections.json --no-pictures --out five"));
    assert_eq!(ids(&bench.json("five/keypoints.json")), [5]);
    assert!(!bench.path("five/img_5.png").exists());

    let error = failed(&bench.predict("img_5.png --boxes boxes.json"));
    assert!(error.contains("boxes.json names none of the inputs"), "{error}");
}

#[test]
fn wrong_files_are_named_in_one_sentence_and_exit_code_1() {
    let bench = Bench::new();
    bench.picture("good.png", 30, 30);
    std::fs::write(bench.path("text.txt"), "not a picture").unwrap();
    std::fs::write(bench.path("foreign.safetensors"), "not weights").unwrap();
    let whole = std::fs::read(bench.path("w.safetensors")).unwrap();
    std::fs::write(bench.path("half.safetensors"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(bench.path("boxes.json"), "{\"a\": 1}").unwrap();
    for (line, named) in [
        ("predict -w w.safetensors no-such.png", "no-such.png"),
        ("predict -w w.safetensors text.txt", "text.txt"),
        ("predict -w no-such.safetensors good.png", "no-such.safetensors"),
        ("predict -w foreign.safetensors good.png", "foreign.safetensors"),
        ("predict -w half.safetensors good.png", "half.safetensors"),
        ("predict -w w.safetensors good.png --boxes no-such.json", "no-such.json"),
        ("predict -w w.safetensors good.png --detector no-such.safetensors", "no-such.safetensors"),
        ("predict -w w.safetensors good.png --detector half.safetensors", "half.safetensors"),
        ("predict -w w.safetensors good.png --detector w.safetensors", "w.safetensors"),
        ("predict -w w.safetensors good.png --boxes boxes.json", "boxes.json"),
        ("predict -w w.safetensors good.png --detector none --out text.txt", "text.txt"),
    ] {
        let error = failed(&bench.run(&format!("{line} --device cpu")));
        assert!(error.contains(named), "{line}: {error}");
    }
    let good = image::open(bench.path("good.png")).unwrap().into_rgb8();
    assert!(good == frame(30, 30, 0), "it is untouched");
}

#[test]
fn one_broken_picture_does_not_spoil_the_others() {
    let bench = Bench::new();
    bench.picture("folder/a.png", 40, 40);
    bench.picture("folder/c.png", 40, 40);
    std::fs::write(bench.path("folder/b.png"), b"\x89PNG\r\n\x1a\nbroken").unwrap();
    let error = failed(&bench.predict("folder"));
    assert!(error.contains("b.png"), "{error}");
    assert_eq!(ids(&bench.json("out/keypoints.json")).len(), 2);
    assert!(bench.path("out/c.png").exists());
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let bench = Bench::new();
    for line in ["predict", "predict a.png --keep 0", "predict a.png --mask stripes", "no-such-command --x"] {
        let output = bench.run(line);
        assert_eq!(output.status.code(), Some(2), "{line}");
    }
    let help = bench.run("--help");
    succeeded(&help);
    assert!(text(&help.stdout).contains("predict"), "{}", text(&help.stdout));
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_is_done() {
    let bench = Bench::new();
    bench.video("long.mp4", 1500);
    let running = bench
        .command("predict -w w.safetensors --device cpu --detector none long.mp4")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    wait_for_temporary_file(&bench.path("out"));
    let interrupted = Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let output = running.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("kept in out"), "{said}");
    let done = bench.json("out/images.json")["images"].as_array().unwrap().len();
    assert!(done < 1500, "it stopped early");
    assert_eq!(bench.json("out/keypoints.json").as_array().unwrap().len(), done);
}

/// The results' temporary files show that the work has begun.
#[cfg(unix)]
fn wait_for_temporary_file(dir: &Path) {
    let begun = || std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    for _ in 0..600 {
        if begun() {
            std::thread::sleep(Duration::from_millis(500));
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("nothing appeared in {}", dir.display());
}

#[test]
fn bench_prints_a_table_and_writes_it_as_json() {
    let bench = Bench::new();
    let output = bench.run("bench --variants t --keep 1,0.4 --devices cpu --runs 1 --no-peers --json b.json");
    succeeded(&output);
    let table = text(&output.stdout);
    for word in ["tmpose-t", "backbone", "mask", "transformer", "head", "decode", "whole", "102"] {
        assert!(table.contains(word), "{word}: {table}");
    }
    let rows = bench.json("b.json")["rows"].as_array().unwrap().clone();
    assert_eq!(rows.len(), 2);
    assert!(rows[1]["ms"]["transformer"].as_f64().unwrap() > 0.0);
    assert_eq!(rows[1]["tokens"], 102);
}

/// Table 1 and Table 4 of the TMPose paper, from its repository's way of counting (docs/METHOD.md,
/// "Multiply-adds").
#[test]
fn the_papers_count_reproduces_its_tables() {
    let output = Bench::new().run("macs --variants b --keep 1,0.8,0.6,0.4 --count paper");
    succeeded(&output);
    let said = text(&output.stdout);
    for published in ["5.655", "5.214", "4.872", "4.619"] {
        assert!(said.contains(published), "{published} is missing: {said}");
    }
}
