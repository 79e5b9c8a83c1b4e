//! From drawn people to a skeleton, with the real program only: `tmpose mannequin`, `train`, `eval` and
//! `predict`. A few steps teach nothing; these tests are about every part reaching the next one.

mod program;

use program::tmpose;
use serde_json::Value;
use std::path::Path;

fn succeed(folder: &Path, line: &str) -> String {
    let output = tmpose(folder, line);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "tmpose {line}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned() + &said
}

/// Draws `people/` with a train and a val part.
fn draw_people(folder: &Path) {
    succeed(folder, "mannequin people --frames 6 --crops --seed 3");
    succeed(folder, "mannequin people --frames 2 --crops --seed 4 --split val");
}

#[test]
fn the_mannequin_is_a_set_for_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    let tiny = "--variant tmpose-t --depth 1 --freeze-backbone --device cpu --batch 4 --steps 1";
    succeed(here, &format!("train --data mannequin:8 --val mannequin:4 {tiny} --out run"));
    assert_eq!(events(&here.join("run"), "validated")[0]["score"]["persons"], 4);
    assert!(here.join("run/mannequin-8").is_dir() && here.join("run/mannequin-val-4").is_dir());

    // As the window's form writes it after "Add mannequin".
    std::fs::write(here.join("form.toml"), "[data]\ntrain = [\"mannequin:8\"]\nval = \"mannequin\"\n")
        .unwrap();
    succeed(here, &format!("train --config form.toml {tiny} --out form"));
    assert_eq!(events(&here.join("form"), "validated")[0]["score"]["persons"], 1, "a fifth of 8");

    let said = succeed(here, "eval --weights run/best.safetensors --data mannequin:3 --device cpu --keep 1");
    assert!(!said.contains("warning"), "nothing of it was trained on: {said}");
    assert!(here.join("mannequin-val-3").is_dir());
    let said = succeed(here, "data check mannequin:4");
    assert!(said.contains("mannequin-4/train") && said.contains("4 of 4 annotations"), "{said}");
    succeed(here, "data show mannequin:4 --out crops.png");
    succeed(
        here,
        "ablate --weights run/best.safetensors --data mannequin:3 --device cpu --keep 0.5 --mask block --runs 1 \
         --out ablation",
    );
}

fn events(run: &Path, kind: &str) -> Vec<Value> {
    let log = std::fs::read_to_string(run.join("log.jsonl")).unwrap();
    let events = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["event"] == kind).collect()
}

#[test]
fn drawn_people_train_a_network_that_predicts() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    draw_people(here);
    succeed(
        here,
        "train --data people --val people --variant tmpose-t --depth 1 --freeze-backbone --device cpu \
         --batch 4 --steps 3 --val-steps 3 --out run",
    );
    let run = here.join("run");
    let validated = events(&run, "validated");
    assert_eq!(validated[0]["score"]["persons"], 2, "the val part is what is measured");
    let card = std::fs::read_to_string(run.join("model-card.md")).unwrap();
    assert!(card.contains("3 steps") && card.contains("--freeze-backbone"), "{card}");

    let table = succeed(here, "eval --weights run/best.safetensors --data people --device cpu --keep 1,.4");
    assert!(table.contains("AP"), "{table}");

    std::fs::create_dir(here.join("photos")).unwrap();
    let drawn = std::fs::read_dir(here.join("people/images/val")).unwrap().next().unwrap().unwrap();
    std::fs::copy(drawn.path(), here.join("photos").join(drawn.file_name())).unwrap();
    succeed(
        here,
        "predict photos --boxes people/annotations/person_keypoints_val.json --weights run/best.safetensors \
         --device cpu --out result",
    );
    let results: Value =
        serde_json::from_slice(&std::fs::read(here.join("result/keypoints.json")).unwrap()).unwrap();
    assert_eq!(results[0]["keypoints"].as_array().unwrap().len(), 51);
}

#[test]
fn the_whole_network_trains_when_nothing_is_frozen() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    draw_people(here);
    succeed(
        here,
        "train --data people --val people --variant tmpose-t --depth 1 --device cpu --batch 2 --steps 2 \
         --val-steps 2 --out run",
    );
    assert!(here.join("run/best.safetensors").exists());
}

#[test]
fn the_papers_recipe_trains_on_pictures_in_several_batches_a_step() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    draw_people(here);
    succeed(
        here,
        "train --recipe tmpose --data people --val people --variant tmpose-t --depth 1 --device cpu --batch 2 \
         --accumulate 2 --steps 2 --out run",
    );
    let steps = events(&here.join("run"), "step");
    assert_eq!(steps.last().unwrap()["cross_entropy"], 0.0, "the paper's loss has one term");
    assert_eq!(events(&here.join("run"), "validated")[0]["keep_ratio"], 0.6);
}

#[test]
fn printed_settings_are_explained_and_can_be_used_as_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    let printed = tmpose(here, "train --recipe tmpose --data people --batch 8 --print-config");
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.contains("# Samples that the network sees at once.\nbatch = 8\n"), "{printed}");
    std::fs::write(here.join("a.toml"), &printed).unwrap();
    let again = tmpose(here, "train --config a.toml --print-config");
    assert_eq!(String::from_utf8(again.stdout).unwrap(), printed);

    std::fs::write(here.join("b.toml"), "[schedule]\nleraning_rate = 1").unwrap();
    let output = tmpose(here, "train --config b.toml --data people");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("did you mean schedule.learning_rate?"), "{said}");
}

#[test]
fn a_training_without_people_says_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let output = tmpose(dir.path(), "train --data nowhere --val nowhere --device cpu --out run");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("error: ") && said.contains("nowhere"), "{said}");
}
