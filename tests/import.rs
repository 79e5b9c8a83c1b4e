//! Published checkpoints (structure by scripts/make_pth_fixture.py): every tensor lands where it belongs.

mod support;

use std::path::{Path, PathBuf};

use burn::prelude::*;
use burn::tensor::TensorData;
use support::{closed_form, fixture, fnv1a, params, reference, teachers};
use tmpose::model::{NameStyle, TokenBudget, Variant, pytorch_name};
use tmpose::pose::Skeleton;
use tmpose::weights::{
    CheckpointKind, ImportOptions, ImportedNet, Precision, WeightsError, import, load, save,
};

fn cpu() -> Device {
    Device::flex()
}

fn guess(name: &str) -> ImportedNet {
    import(&fixture(name), &ImportOptions::default(), &cpu()).unwrap()
}

fn variant(variant: Variant) -> ImportOptions {
    ImportOptions { variant: Some(variant), ..ImportOptions::default() }
}

/// In the small files, element o along the first axis of tensor `name` is `ramp[fnv1a(name) % 256 + o]`.
fn assert_small(model: &tmpose::model::PoseNet, mapped: &[String], style: NameStyle) {
    let ramp = closed_form("ramp", 0.0, 1.0, 8192);
    let config = model.config();
    let params = params(model);
    for path in mapped {
        let name = pytorch_name(path, &config, style).expect("it was mapped");
        let offset = (fnv1a(&name) % 256) as usize;
        let (shape, values) = &params[path];
        let element = |i: usize| match shape.len() {
            // Linear weights: PyTorch's [out, in] is [in, out] here, so the output is the fastest index.
            2 => i % shape[1],
            3 => i / shape[2],
            _ => i / shape[1..].iter().product::<usize>(),
        };
        let wrong = values.iter().enumerate().find(|&(i, &value)| value != ramp[offset + element(i)]);
        assert_eq!(wrong, None, "{path} from {name}");
    }
}

#[test]
fn tmpose_b_as_training_saved_it() {
    let ImportedNet { net: model, info, report } = guess("tmpose_b_small.pth");
    assert_eq!(info.config.variant(), Variant::B);
    assert_eq!(&info.skeleton, Skeleton::coco17());
    assert!(info.record.start.contains("tmpose_b_small.pth"));
    assert_eq!((report.untrained.len(), report.unused.len()), (0, 0));
    // 1,074 entries less 155 counters less the positions.
    assert_eq!(report.mapped.len(), 918);
    assert_small(&model, &report.mapped, NameStyle::TokenPose);
}

#[test]
fn ppt_s_with_its_own_names() {
    let ImportedNet { net: model, info, report } = guess("ppt_s_small.pth");
    assert_eq!(info.config.variant(), Variant::S);
    assert!(report.kind == CheckpointKind::PyTorch(NameStyle::Ppt));
    assert_eq!((report.untrained.len(), report.unused.len()), (0, 0));
    assert_small(&model, &report.mapped, NameStyle::Ppt);
}

#[test]
fn an_imagenet_backbone_leaves_the_transformer_untrained() {
    let ImportedNet { net: model, info, report } = guess("hrnet_w32_small.pth");
    assert_eq!(info.config.variant(), Variant::B);
    assert!(report.mapped.iter().all(|path| path.starts_with("backbone.")));
    assert!(report.untrained.iter().all(|path| !path.starts_with("backbone.")));
    assert!(report.untrained.contains(&"keypoint_token".to_owned()));
    // The last module's other outputs exist in the file only.
    assert!(!report.unused.is_empty());
    assert!(
        report.unused.iter().all(|name| name.starts_with("stage3.3.fuse_layers.")),
        "{:?}",
        report.unused
    );
    assert_small(&model, &report.mapped, NameStyle::ImageNet);
}

#[test]
fn what_was_imported_is_saved_and_loaded() {
    let ImportedNet { net: model, info, .. } = guess("ppt_s_small.pth");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.safetensors");
    save(&path, &model, &info, Precision::F32).unwrap();
    let (again, read) = load(&path, &cpu()).unwrap();
    assert_eq!(read, info);
    assert_eq!(params(&again), params(&model));
}

#[test]
fn another_variant_or_skeleton_than_the_files_is_refused() {
    let refused = |name: &str, options: ImportOptions| {
        let error = import(&fixture(name), &options, &cpu()).unwrap_err();
        assert!(matches!(error, WeightsError::Mismatch { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(name) && !text.contains('\n'), "{text}");
        text
    };
    let text = refused("tmpose_b_small.pth", variant(Variant::LD6));
    assert!(text.contains("tmpose-l-d6") && text.contains("is needed"), "{text}");
    let text = refused("tmpose_b_small.pth", variant(Variant::S));
    assert!(text.contains("tmpose-s") && text.contains("lacks `features."), "{text}");
    let text = refused("tmpose_b_small.pth", variant(Variant::T));
    assert!(text.contains(".onnx"), "{text}");
    let mpii = ImportOptions { skeleton: Some(Skeleton::mpii16().clone()), ..ImportOptions::default() };
    let text = refused("tmpose_b_small.pth", mpii);
    assert!(text.contains("is needed"), "{text}");
}

#[test]
fn files_that_are_no_checkpoints_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let whole = std::fs::read(fixture("hrnet_w32_small.pth")).unwrap();
    let cases = [
        file("letter.pth", b"Dear network,"),
        file("cut.pth", &whole[..whole.len() / 2]),
        file("letter.onnx", b"Dear network,"),
        file("empty.onnx", b""),
    ];
    for path in cases {
        let error = import(&path, &ImportOptions::default(), &cpu()).unwrap_err();
        assert!(matches!(error, WeightsError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(path.file_name().unwrap().to_str().unwrap()), "{error}");
    }
    let error = import(Path::new("nowhere.pth"), &ImportOptions::default(), &cpu()).unwrap_err();
    assert!(matches!(error, WeightsError::Read { .. }), "{error}");
}

#[test]
fn tinypose_gives_a_tmpose_t_to_train_where_the_published_file_is() {
    let Some(folder) = teachers() else { return };
    let file = folder.join("pp_tinypose_256x192.onnx");
    let ImportedNet { net: model, info, report } = import(&file, &ImportOptions::default(), &cpu()).unwrap();
    assert_eq!(info.config.variant(), Variant::T);
    assert!(info.record.start.contains("Apache-2.0"), "{}", info.record.start);
    assert_eq!(report.mapped.len(), 2 * 269);
    assert!(report.untrained.contains(&"feature_norm.gamma".to_owned()));
    let heatmaps = model.forward(Tensor::zeros([1, 3, 256, 192], &cpu()), &TokenBudget::ALL).heatmaps;
    assert_eq!(heatmaps.dims(), [1, 17, 64, 48]);
    let error = import(&file, &variant(Variant::B), &cpu()).unwrap_err().to_string();
    assert!(error.contains("only tmpose-t"), "{error}");
}

/// The whole way from a full-size checkpoint to PyTorch's heatmap. Needs
/// `make_pth_fixture.py full VARIANT FOLDER` for b, l_d6 and s; run with
/// `TMPOSE_FULL_CHECKPOINTS=FOLDER cargo test --release --test import -- --ignored`.
#[test]
#[ignore = "needs full-size checkpoints made by scripts/make_pth_fixture.py"]
fn a_full_size_checkpoint_gives_pytorchs_heatmap() {
    let folder = PathBuf::from(std::env::var_os("TMPOSE_FULL_CHECKPOINTS").expect("the folder is named"));
    let image = closed_form("input.256x192", 0.0, 2.0, 3 * 256 * 192);
    let image = Tensor::<4>::from_data(TensorData::new(image, [1, 3, 256, 192]), &cpu());
    let cases = [
        ("b", "tmpose_b.safetensors", "heatmap.full"),
        ("l_d6", "tmpose_l_d6.safetensors", "heatmap.full"),
        ("s", "tokenpose_s_and_ppt.safetensors", "s.heatmap.full"),
    ];
    for (checkpoint, file, tensor) in cases {
        let path = folder.join(format!("{checkpoint}_closed_form.pth"));
        let ImportedNet { net: model, report, .. } =
            import(&path, &ImportOptions::default(), &cpu()).unwrap();
        assert_eq!((report.untrained.len(), report.unused.len()), (0, 0));
        let heatmap = model.forward(image.clone(), &TokenBudget::ALL).heatmaps;
        let values: Vec<f32> = heatmap.into_data().try_into_vec().unwrap();
        let (_, expected) = reference(file, tensor);
        let worst = values.iter().zip(&expected).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
        println!("{checkpoint}: largest difference {worst:.2e}");
        assert!(worst < 1e-4, "{checkpoint}: {worst}");
    }
}
