//! The program computes the same to the bit with every instruction set of the machine and any number of threads.

mod program;

use program::{command, tmpose};
use std::path::Path;
use tmpose::cpu::simd::{InstructionSet, SIMD_VARIABLE};

/// Runs `tmpose predict` with the shipped weights on three people in one picture; returns `keypoints.json`.
fn keypoints(folder: &Path, set: InstructionSet, threads: usize) -> Vec<u8> {
    let out = format!("{set}-{threads}");
    let line = format!("predict people.png --device cpu --no-pictures --threads {threads} --out {out}");
    let output = command(folder, &line)
        .env(SIMD_VARIABLE, set.name())
        .env("TMPOSE_WEIGHTS", Path::new(env!("CARGO_MANIFEST_DIR")).join("weights"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(folder.join(out).join("keypoints.json")).unwrap()
}

/// The picture of three people that the tests look at.
fn prepared() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let size = tmpose::pose::Size::new(640, 480);
    let (picture, _) = tmpose::synth::Crowd::new(7, size, 3).render(1.0);
    picture.save(dir.path().join("people.png")).unwrap();
    dir
}

#[test]
fn keypoints_depend_neither_on_the_instruction_set_nor_on_threads() {
    let dir = prepared();
    // Plain Rust rounds products and sums apart unless the whole program is compiled for fused ones.
    let same = |set: &InstructionSet| *set != InstructionSet::Portable || cfg!(target_feature = "fma");
    let sets: Vec<InstructionSet> =
        InstructionSet::ALL.into_iter().filter(|set| set.is_available()).filter(same).collect();
    let Some(first) = sets.first() else { return };
    let expected = keypoints(dir.path(), *first, 2);
    let people: serde_json::Value = serde_json::from_slice(&expected).unwrap();
    assert_eq!(people.as_array().unwrap().len(), 3, "everybody is found");
    for set in sets {
        for threads in [1, 3] {
            assert!(keypoints(dir.path(), set, threads) == expected, "{set} with {threads} threads");
        }
    }
}

#[test]
fn plain_rust_finds_the_same_people() {
    let dir = prepared();
    let people = |set: InstructionSet| -> Vec<serde_json::Value> {
        serde_json::from_slice(&keypoints(dir.path(), set, 2)).unwrap()
    };
    let fastest = InstructionSet::ALL.into_iter().find(|set| set.is_available()).unwrap();
    let (found, expected) = (people(InstructionSet::Portable), people(fastest));
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(&expected) {
        let numbers = |person: &serde_json::Value| -> Vec<f64> {
            person["keypoints"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
        };
        for (a, b) in numbers(a).iter().zip(numbers(b)) {
            assert!((a - b).abs() < 0.05, "{a} is not {b}");
        }
    }
}

#[test]
fn an_instruction_set_that_there_is_not_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let output = command(dir.path(), "macs").env(SIMD_VARIABLE, "sse9").output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("TMPOSE_SIMD=sse9") && message.contains("portable"), "{message}");
    assert!(tmpose(dir.path(), "macs --threads 1").status.success());
}
