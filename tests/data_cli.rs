//! `tmpose data` with the real program, on sets that the tests draw and write themselves.

mod program;

use program::tmpose;
use serde_json::{Value, json};
use std::path::Path;

fn succeed(folder: &Path, line: &str) -> String {
    let output = tmpose(folder, line);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "tmpose {line}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn read(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// `people/` with a train part of drawn people.
fn draw_people(folder: &Path) {
    succeed(folder, "mannequin people --frames 4 --crops --seed 3");
}

#[test]
fn a_drawn_set_is_healthy_and_a_spoiled_one_says_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    draw_people(here);
    let said = succeed(here, "data check people --json report.json --sheet");
    assert!(said.contains("people/train") && said.contains("4 of 4 annotations"), "{said}");
    let report = &read(&here.join("report.json"))[0];
    assert_eq!((&report["persons"], &report["skeleton"]), (&json!(4), &json!("coco17")));
    assert_eq!(report["findings"], json!([]), "{said}");
    assert!(image::open(here.join("contact-sheet.png")).unwrap().width() > 900);

    let file = here.join("people/annotations/person_keypoints_train.json");
    let mut set = read(&file);
    set["annotations"][0]["bbox"] = json!("none");
    set["images"][1]["width"] = json!(999);
    std::fs::write(&file, set.to_string()).unwrap();
    std::fs::write(here.join("people/images/train/000002.jpg"), b"broken").unwrap();
    std::fs::remove_file(here.join("people/images/train/000003.jpg")).unwrap();
    let said = succeed(here, "data check people --json report.json");
    for wanted in ["1  missing pictures", "1  pictures that cannot be decoded", "000003.jpg", "stated as 999"]
    {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    let findings = read(&here.join("report.json"))[0]["findings"].as_array().unwrap().len();
    assert_eq!(findings, 4, "{said}");
}

#[test]
fn a_set_that_cannot_be_used_is_an_error_after_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    draw_people(here);
    let output = tmpose(here, "data check nowhere people --quick");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("people/train"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("1 of the sets cannot be used: nowhere"), "{said}");
}

#[test]
fn samples_are_drawn_with_the_settings_of_a_training() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    draw_people(here);
    std::fs::write(here.join("half.toml"), "[augmentation]\nhalf_body = 1.0\n").unwrap();
    succeed(here, "data show people --out plain.png --count 4");
    succeed(here, "data show people --out again.png --count 4");
    succeed(here, "data show people --out half.png --count 4 --config half.toml");
    let said = succeed(here, "data show people --out mpii.png --count 4 --skeleton mpii16 --seed 2");
    assert!(said.contains("as mpii16: 12 joints mapped by name, 2 derived (pelvis, thorax)"), "{said}");
    let picture = |name: &str| image::open(here.join(name)).unwrap().into_rgb8();
    assert_eq!(picture("plain.png"), picture("again.png"));
    for other in ["half.png", "mpii.png"] {
        assert_ne!(picture("plain.png"), picture(other), "{other}");
    }
    std::fs::write(here.join("wrong.toml"), "[augmentation]\nscale_limits = [2.0, 1.0]\n").unwrap();
    let output = tmpose(here, "data show people --out no.png --config wrong.toml");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("augmentation.scale_limits"), "{said}");
}

/// `mpii/` in MPII's layout with the drawn people of `people/`.
fn write_mpii(folder: &Path) {
    let drawn = read(&folder.join("people/annotations/person_keypoints_train.json"));
    let entries: Vec<Value> = (0..4)
        .map(|i| {
            let keypoints = drawn["annotations"][i]["keypoints"].as_array().unwrap();
            let at = |joint: usize| {
                let [x, y, v] = [0, 1, 2].map(|k| keypoints[3 * joint + k].as_f64().unwrap());
                if v > 0.0 { json!([x + 1.0, y + 1.0]) } else { json!([-1, -1]) }
            };
            // COCO's ankles, knees, hips; four joints that it lacks; wrists, elbows, shoulders.
            let limbs: Vec<Value> = [16, 14, 12, 11, 13, 15].map(at).into();
            let arms: Vec<Value> = [10, 8, 6, 5, 7, 9].map(at).into();
            let joints = [limbs, vec![json!([-1, -1]); 4], arms].concat();
            let visible: Vec<u8> = joints.iter().map(|j| u8::from(*j != json!([-1, -1]))).collect();
            json!({
                "image": drawn["images"][i]["file_name"], "center": [192, 240], "scale": 1.5,
                "joints": joints, "joints_vis": visible,
            })
        })
        .collect();
    std::fs::create_dir_all(folder.join("mpii/annot")).unwrap();
    std::fs::create_dir_all(folder.join("mpii/images")).unwrap();
    for file in std::fs::read_dir(folder.join("people/images/train")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.join("mpii/images").join(file.file_name())).unwrap();
    }
    for split in ["train", "valid"] {
        std::fs::write(folder.join(format!("mpii/annot/{split}.json")), json!(entries).to_string()).unwrap();
    }
}

#[test]
fn a_training_takes_sets_of_either_skeleton() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    draw_people(here);
    write_mpii(here);
    let said = succeed(here, "data check mpii");
    assert!(said.contains("mpii/train") && said.contains("mpii/valid") && said.contains("mpii16"), "{said}");
    succeed(
        here,
        "train --data people --data mpii --val mpii --skeleton mpii16 --variant tmpose-t --depth 1 \
         --freeze-backbone --device cpu --batch 4 --steps 1 --out run",
    );
    let log = std::fs::read_to_string(here.join("run/log.jsonl")).unwrap();
    assert!(log.contains("12 joints mapped by name, 2 derived (pelvis, thorax), 2 masked"), "{log}");
}
