//! The weight file: what is saved comes back, and every other file is refused in one sentence.

mod support;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use burn::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use support::params;
use tempfile::TempDir;
use tmpose::model::{Family, PoseNet, PoseNetConfig, TokenBudget, Variant};
use tmpose::pose::Skeleton;
use tmpose::weights::{Precision, TrainingRecord, WeightsError, WeightsInfo, load, read_info, save};

fn cpu() -> Device {
    Device::flex()
}

fn record() -> TrainingRecord {
    TrainingRecord {
        command: "tmpose train --set people".into(),
        sets: vec!["people/train x1".into(), "people_coco/train x2".into()],
        start: "PP-TinyPose's backbone (PaddleDetection, Apache-2.0)".into(),
        steps: 2900,
        epochs: 5.25,
        seconds: 2340.5,
        notes: BTreeMap::from([("OKS AP people_coco/val".into(), "0.584".into())]),
    }
}

fn small_network() -> (PoseNet, WeightsInfo) {
    let config = PoseNetConfig::new(Variant::T, Skeleton::coco17());
    let info = WeightsInfo::new(config.clone(), Skeleton::coco17().clone(), record());
    (config.init(&cpu()), info)
}

/// A folder with one good file, `good.safetensors`.
fn saved() -> (TempDir, PathBuf, PoseNet, WeightsInfo) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("good.safetensors");
    let (model, info) = small_network();
    save(&path, &model, &info, Precision::F16).unwrap();
    (folder, path, model, info)
}

/// One sentence that names the file.
fn refusal(path: &Path) -> (WeightsError, String) {
    let error = load(path, &cpu()).unwrap_err();
    let text = error.to_string();
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(text.contains(name) && !text.contains('\n'), "{text}");
    (error, text)
}

/// A copy of a good file with another header and other tensors.
fn rewritten(
    from: &Path,
    name: &str,
    header: impl Fn(&mut HashMap<String, String>),
    tensor: impl Fn(&str, &TensorView<'_>) -> Option<(String, Vec<usize>)>,
) -> PathBuf {
    let bytes = std::fs::read(from).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let mut fields = metadata.metadata().clone().unwrap();
    header(&mut fields);
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let views = file.iter().filter_map(|(name, view)| {
        let (name, shape) = tensor(name, &view)?;
        Some((name, TensorView::new(view.dtype(), shape, view.data()).unwrap()))
    });
    let path = from.with_file_name(name);
    std::fs::write(&path, safetensors::serialize(views, Some(fields)).unwrap()).unwrap();
    path
}

fn unchanged(name: &str, view: &TensorView<'_>) -> Option<(String, Vec<usize>)> {
    Some((name.into(), view.shape().to_vec()))
}

#[test]
fn full_precision_comes_back_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.safetensors");
    let (model, info) = small_network();
    save(&path, &model, &info, Precision::F32).unwrap();
    let (again, read) = load(&path, &cpu()).unwrap();
    assert_eq!(read, info);
    assert_eq!(read_info(&path).unwrap(), info);
    assert_eq!(params(&again), params(&model));
}

#[test]
fn half_precision_is_half_the_size_and_close() {
    let (folder, path, model, info) = saved();
    let whole = folder.path().join("whole.safetensors");
    save(&whole, &model, &info, Precision::F32).unwrap();
    let size = |path: &Path| std::fs::metadata(path).unwrap().len();
    assert!(size(&path) * 100 < size(&whole) * 53, "{} of {}", size(&path), size(&whole));

    let (again, read) = load(&path, &cpu()).unwrap();
    assert_eq!(read, info);
    let (before, after) = (params(&model), params(&again));
    for (name, (shape, values)) in &before {
        let (new_shape, new) = &after[name];
        assert_eq!(shape, new_shape);
        let close = values.iter().zip(new).all(|(a, b)| (a - b).abs() <= a.abs() / 1024.0 + 1e-7);
        assert!(close, "{name}");
        if shape.len() == 1 {
            assert_eq!(values, new, "{name}: vectors keep full precision");
        }
    }
    let image = Tensor::ones([1, 3, 256, 192], &cpu());
    let heatmaps = |net: &PoseNet| net.forward(image.clone(), &TokenBudget::ALL).heatmaps;
    let difference = heatmaps(&model) - heatmaps(&again);
    assert!(difference.abs().max().into_scalar::<f32>() < 0.05);
}

#[test]
fn loading_does_not_depend_on_folding() {
    let (folder, path, model, info) = saved();
    let (loaded, _) = load(&path, &cpu()).unwrap();
    drop(loaded.fold());
    load(&path, &cpu()).expect("the file is as it was");
    // A folded network has lost its batch norm: it is not written, and no half-written file stays.
    let folded = folder.path().join("folded.safetensors");
    let error = save(&folded, &model.fold(), &info, Precision::F16).unwrap_err();
    assert!(matches!(error, WeightsError::Folded { .. }), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn saving_replaces_a_file_as_a_whole_or_not_at_all() {
    let (_folder, path, model, mut info) = saved();
    info.record.steps = 9;
    save(&path, &model, &info, Precision::F16).unwrap();
    assert_eq!(read_info(&path).unwrap().record.steps, 9);
    let nowhere = path.with_file_name("no/such/folder.safetensors");
    let error = save(&nowhere, &model, &info, Precision::F16).unwrap_err().to_string();
    assert!(error.contains("cannot write") && error.contains("folder.safetensors"), "{error}");
}

#[test]
fn a_number_beyond_half_precision_is_not_written_as_infinity() {
    let (_folder, path, model, info) = saved();
    let huge = tmpose::model::fill_params(model, |param| {
        (param.path == "patch.weight").then(|| vec![1e6; param.shape.iter().product()])
    });
    let error = save(&path, &huge, &info, Precision::F16).unwrap_err().to_string();
    assert!(error.contains("`patch.weight` exceeds half precision"), "{error}");
    save(&path, &huge, &info, Precision::F32).unwrap();
}

#[test]
fn a_header_of_another_network_is_not_written() {
    let (_folder, path, model, mut info) = saved();
    info.config = PoseNetConfig::new(Variant::T, Skeleton::mpii16());
    let error = save(&path, &model, &info, Precision::F16).unwrap_err().to_string();
    assert!(error.contains("other tensors than its header says"), "{error}");
}

#[test]
fn a_missing_file_is_named() {
    let (error, text) = refusal(Path::new("nowhere/tmpose-t.safetensors"));
    assert!(matches!(error, WeightsError::Read { .. }), "{text}");
    assert!(matches!(read_info(Path::new("nowhere/t.safetensors")), Err(WeightsError::Read { .. })));
}

#[test]
fn a_truncated_file_is_damaged_wherever_it_ends() {
    let (_folder, path, ..) = saved();
    let bytes = std::fs::read(&path).unwrap();
    for length in [0, 5, 8, 200, bytes.len() / 2, bytes.len() - 1] {
        let cut = path.with_file_name("cut.safetensors");
        std::fs::write(&cut, &bytes[..length]).unwrap();
        let (error, text) = refusal(&cut);
        assert!(matches!(error, WeightsError::Damaged { .. }), "{length} bytes: {text}");
        assert!(text.contains("get or export it again"), "{text}");
    }
    for length in [0, 5, 8, 200] {
        let cut = path.with_file_name("cut.safetensors");
        std::fs::write(&cut, &bytes[..length]).unwrap();
        assert!(matches!(read_info(&cut), Err(WeightsError::Damaged { .. })), "{length} bytes");
    }
}

#[test]
fn foreign_files_are_told_the_way() {
    let (_folder, path, ..) = saved();
    let text_file = path.with_file_name("notes.safetensors");
    std::fs::write(&text_file, "This is a letter, not a network.").unwrap();
    assert!(matches!(refusal(&text_file).0, WeightsError::Damaged { .. }));

    let foreign = path.with_file_name("foreign.safetensors");
    let data = [0_u8; 4];
    let view = TensorView::new(Dtype::F32, vec![1], &data).unwrap();
    std::fs::write(&foreign, safetensors::serialize([("x", view)], None).unwrap()).unwrap();
    let (error, text) = refusal(&foreign);
    assert!(matches!(error, WeightsError::Foreign { .. }) && text.contains("tmpose import"), "{text}");

    let (error, text) = refusal(&support::fixture("hrnet_w32_small.pth"));
    assert!(matches!(error, WeightsError::Foreign { .. }) && text.contains("tmpose import"), "{text}");
}

#[test]
fn a_newer_format_asks_for_a_newer_program() {
    let (_folder, path, ..) = saved();
    let newer =
        rewritten(&path, "newer.safetensors", |h| drop(h.insert("version".into(), "2".into())), unchanged);
    let (error, text) = refusal(&newer);
    assert!(matches!(error, WeightsError::Newer { found: 2, known: 1, .. }), "{text}");
    assert!(text.contains("update tmpose"), "{text}");
}

#[test]
fn a_file_names_the_family_of_its_network_and_one_of_before_is_of_tmposes() {
    let (_folder, path, ..) = saved();
    let before = rewritten(&path, "before.safetensors", |h| drop(h.remove("family").unwrap()), unchanged);
    assert_eq!(load(&before, &cpu()).unwrap().1.config.family(), Family::TmPose);
    let later =
        rewritten(&path, "later.safetensors", |h| drop(h.insert("family".into(), "gtpt".into())), unchanged);
    let (error, text) = refusal(&later);
    assert!(matches!(error, WeightsError::UnknownFamily { .. }), "{text}");
    assert!(
        text.contains("later.safetensors") && text.contains("gtpt") && text.contains("update tmpose"),
        "{text}"
    );
}

#[test]
fn a_header_that_contradicts_itself_is_damaged() {
    let (_folder, path, ..) = saved();
    for (field, value) in [("version", "two"), ("config", "{}"), ("skeleton", "[]"), ("training", "\"none\"")]
    {
        let bad =
            rewritten(&path, "bad.safetensors", |h| drop(h.insert(field.into(), value.into())), unchanged);
        let (error, text) = refusal(&bad);
        assert!(matches!(error, WeightsError::Damaged { .. }) && text.contains(field), "{text}");
        let bad = rewritten(&path, "bad.safetensors", |h| drop(h.remove(field)), unchanged);
        assert!(refusal(&bad).1.contains(&format!("lacks `{field}`")));
    }
    let other = serde_json::to_string(Skeleton::mpii16()).unwrap();
    let bad =
        rewritten(&path, "bad.safetensors", |h| drop(h.insert("skeleton".into(), other.clone())), unchanged);
    assert!(refusal(&bad).1.contains("16 joints where the network has 17"));
}

#[test]
fn tensors_that_do_not_fit_the_header_are_named() {
    let (_folder, path, ..) = saved();
    let mismatch = |bad: &Path, words: &str| {
        let (error, text) = refusal(bad);
        assert!(matches!(error, WeightsError::Mismatch { .. }) && text.contains(words), "{text}");
    };
    let lacking = rewritten(
        &path,
        "a.safetensors",
        |_| (),
        |name, view| unchanged(name, view).filter(|_| name != "keypoint_token"),
    );
    mismatch(&lacking, "tmpose-t: it lacks the tensor `keypoint_token`");
    let more = rewritten(
        &path,
        "b.safetensors",
        |_| (),
        |name, view| {
            let name = if name == "keypoint_token" { "keypoint_tokens" } else { name };
            unchanged(name, view)
        },
    );
    mismatch(&more, "keypoint_token`");
    let turned = rewritten(
        &path,
        "c.safetensors",
        |_| (),
        |name, view| {
            let mut shape = view.shape().to_vec();
            if name == "patch.weight" {
                shape.reverse();
            }
            Some((name.into(), shape))
        },
    );
    mismatch(&turned, "`patch.weight` is [192, 684], [684, 192] is needed");
    // The header of a larger variant over the tensors of a small one.
    let config = serde_json::to_string(&PoseNetConfig::new(Variant::S, Skeleton::coco17())).unwrap();
    let larger =
        rewritten(&path, "d.safetensors", |h| drop(h.insert("config".into(), config.clone())), unchanged);
    mismatch(&larger, "tmpose-s");
}
