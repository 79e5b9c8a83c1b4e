//! The network that a student learns from.

use super::cpu_teacher::CpuTeacher;
use super::loss::DistillWeights;
use super::{TeacherTargetParts, TeacherTargetsShape};
use crate::data::features::Fingerprint;
use crate::model::backbone::TinyPose;
use crate::model::{EncoderTrace, PoseNet, PoseNetConfig, TokenSelection};
use crate::pose::{Size, Skeleton};
use crate::train::TrainError;
use crate::train::init::{PP_TINYPOSE, origin_of};
use crate::train::parameters::hash_params;
use crate::weights;
use burn::prelude::*;
use std::path::Path;

/// A network whose outputs a student learns from. It keeps all its tokens.
pub struct Teacher {
    network: TeacherNetwork,
    /// The same by the CPU's engine, where the CPU computes and heatmaps alone are learnt.
    engine: Option<CpuTeacher>,
    /// For each joint of the student, the number of the same joint in the teacher.
    joints: Vec<usize>,
    /// For each layer of the student, the number of the teacher's layer that it is compared with.
    layers: Vec<usize>,
    /// What its targets for a crop are.
    pub shape: TeacherTargetsShape,
    /// Identifies the targets of this teacher for this student, for the key of a cache.
    pub fingerprint: String,
    /// File, source and licence, for the model card.
    pub origin: String,
}

/// The network of a teacher, with batch norms folded: it is not trained.
enum TeacherNetwork {
    /// PP-TinyPose as published.
    Published(Box<TinyPose>),
    /// A network of tmpose.
    Ours(Box<PoseNet>),
}

/// What a student must have in common with its teacher.
struct TeacherFormat {
    skeleton: Skeleton,
    input: Size,
    heatmap: Size,
}

impl Teacher {
    /// Opens the weights `path` on `device` (no autodiff) for a student with the architecture `student`.
    ///
    /// # Errors
    /// The file cannot be read, or the two networks do not fit together in what `distill` compares.
    pub fn open(
        path: &Path,
        student: &PoseNetConfig,
        skeleton: &Skeleton,
        distill: DistillWeights,
        device: &Device,
    ) -> Result<Teacher, TrainError> {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let refuse = |reason: String| TrainError::Teacher { teacher: file.clone(), reason };
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let mut fingerprint = Fingerprint::default();
        let (network, format, config, origin) = match extension.as_str() {
            "onnx" => {
                let network = TinyPose::new(device).with_weights(weights::convolutions(path)?);
                let network = network.map_err(|error| refuse(error.to_string()))?;
                hash_params(&network, &mut fingerprint);
                let format = TeacherFormat {
                    skeleton: Skeleton::coco17().clone(),
                    input: Size::new(192, 256),
                    heatmap: Size::new(48, 64),
                };
                (
                    TeacherNetwork::Published(Box::new(network.fold())),
                    format,
                    None,
                    format!("{file} ({PP_TINYPOSE})"),
                )
            }
            "safetensors" => {
                let (model, info) = weights::load(path, device)?;
                hash_params(&model, &mut fingerprint);
                let (input, heatmap) = (info.config.input(), info.config.heatmap());
                let format = TeacherFormat { skeleton: info.skeleton.clone(), input, heatmap };
                let origin = origin_of(&file, &info.record);
                (TeacherNetwork::Ours(Box::new(model.fold())), format, Some(info.config), origin)
            }
            _ => return Err(refuse(WRONG_KIND.into())),
        };
        let joints = format.joints_of(student, skeleton).map_err(refuse)?;
        let layers = layers_of(config.as_ref(), student, distill).map_err(refuse)?;
        let shape = TeacherTargetsShape {
            joints: student.joints(),
            heatmap: student.heatmap(),
            layers: student.layers(),
            dim: student.dim(),
            tokens: student.tokens(),
            parts: TeacherTargetParts {
                maps: distill.heatmaps > 0.0,
                keypoints: distill.tokens > 0.0,
                attention: distill.attention > 0.0,
            },
        };
        let heatmaps_alone =
            shape.parts == TeacherTargetParts { maps: true, keypoints: false, attention: false };
        let engine = match &network {
            _ if *device != Device::flex() || !heatmaps_alone => None,
            TeacherNetwork::Published(network) => {
                Some(CpuTeacher::published(network, format.input, format.heatmap))
            }
            TeacherNetwork::Ours(model) => CpuTeacher::ours(model),
        };
        fingerprint.add(format!("{} {joints:?} {layers:?}", shape.cache_key()).as_bytes());
        Ok(Teacher { network, engine, joints, layers, shape, fingerprint: fingerprint.text(), origin })
    }

    /// The targets for normalised crops [B, 3, H, W]: a row for each, [B, numbers of a row].
    pub fn targets(&self, images: Tensor<4>) -> Tensor<2> {
        let batch = images.dims()[0];
        let TeacherTargetParts { maps, keypoints, attention } = self.shape.parts;
        let device = images.device();
        let mut trace = EncoderTrace::new(0, attention);
        let heatmaps = match (&self.engine, &self.network) {
            (Some(engine), _) => engine.heatmaps(images),
            (None, TeacherNetwork::Published(network)) => {
                network.forward(images).narrow(1, TinyPose::CHANNELS - TinyPose::HEATMAPS, TinyPose::HEATMAPS)
            }
            (None, TeacherNetwork::Ours(model)) => {
                trace = EncoderTrace::new(model.config().joints(), attention);
                let patches = model.patches(model.features(images));
                model.heatmaps_of_patches(patches, &TokenSelection::all(), Some(&mut trace))
            }
        };
        let joints: Vec<i32> = self.joints.iter().map(|&j| j as i32).collect();
        let joints = Tensor::<1, Int>::from_data(joints.as_slice(), &device);
        let row =
            |tensor: Tensor<3>| -> Tensor<2> { tensor.select(1, joints.clone()).reshape([batch as i32, -1]) };
        let mut parts = Vec::new();
        if maps {
            let [_, count, height, width] = heatmaps.dims();
            parts.push(row(heatmaps.reshape([batch, count, height * width])));
        }
        if keypoints {
            parts.extend(self.layers.iter().map(|&layer| row(trace.keypoints[layer].clone())));
        }
        if attention {
            parts.extend(self.layers.iter().map(|&layer| {
                let attention = trace.attention[layer].clone();
                let sum = attention.clone().sum_dim(2);
                row((attention / sum).mul_scalar(self.shape.tokens as f64))
            }));
        }
        Tensor::cat(parts, 1)
    }
}

/// Why a file of another kind cannot teach, and what helps.
const WRONG_KIND: &str = "it is neither .safetensors of ours nor PP-TinyPose's .onnx file; turn a published \
                       checkpoint into weights with `tmpose import`";

impl TeacherFormat {
    /// For each joint of the student, the number of the teacher's joint of the same name.
    ///
    /// # Errors
    /// Why the two do not fit together: a joint is missing, or crops or heatmaps have another size.
    fn joints_of(&self, student: &PoseNetConfig, skeleton: &Skeleton) -> Result<Vec<usize>, String> {
        if (self.input, self.heatmap) != (student.input(), student.heatmap()) {
            let text = |input: Size, heatmap: Size| format!("{heatmap} heatmaps of {input} crops");
            let (theirs, ours) = (text(self.input, self.heatmap), text(student.input(), student.heatmap()));
            return Err(format!("it draws {theirs}, the student {ours}; choose a teacher of the same size"));
        }
        let known = &self.skeleton.joints;
        let missing: Vec<&str> =
            skeleton.joints.iter().filter(|joint| !known.contains(joint)).map(String::as_str).collect();
        if !missing.is_empty() {
            let (of, missing) = (&self.skeleton.name, missing.join(", "));
            return Err(format!(
                "it knows the joints of {of}, which lacks {missing}; choose a teacher that has all joints"
            ));
        }
        Ok(skeleton.joints.iter().filter_map(|joint| known.iter().position(|k| k == joint)).collect())
    }
}

/// For each layer of the student, the number of the teacher's layer at the same share of its depth: the last layers belong
/// together. Empty when neither tokens nor attention are compared.
///
/// # Errors
/// Why they cannot be compared.
fn layers_of(
    teacher: Option<&PoseNetConfig>,
    student: &PoseNetConfig,
    distill: DistillWeights,
) -> Result<Vec<usize>, String> {
    if !distill.needs_trace() {
        return Ok(Vec::new());
    }
    let off = "set distillation.tokens and distillation.attention to 0";
    let Some(teacher) = teacher else {
        return Err(format!("an .onnx file teaches heatmaps only; {off}"));
    };
    if distill.tokens > 0.0 && teacher.dim() != student.dim() {
        let (theirs, ours) = (teacher.dim(), student.dim());
        return Err(format!(
            "its tokens are {theirs} wide, the student's {ours}; set distillation.tokens to 0"
        ));
    }
    if distill.attention > 0.0 && (teacher.grid(), teacher.patch()) != (student.grid(), student.patch()) {
        let text = |c: &PoseNetConfig| c.grid().to_string();
        let (theirs, ours) = (text(teacher), text(student));
        return Err(format!(
            "its tokens lie in a grid of {theirs}, the student's in one of {ours}; set distillation.attention to 0"
        ));
    }
    let (theirs, ours) = (teacher.layers(), student.layers());
    Ok((1..=ours).map(|layer| (layer * theirs).div_ceil(ours) - 1).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{TmPoseConfig, Variant};
    use crate::weights::{Precision, TrainingRecord, WeightsInfo};
    use burn::tensor::Distribution;

    const EVERYTHING: DistillWeights =
        DistillWeights { sandwich: 0.0, heatmaps: 1.0, tokens: 1.0, attention: 1.0 };

    fn config(skeleton: &Skeleton) -> PoseNetConfig {
        PoseNetConfig::new(Variant::T, skeleton).with_depth(2)
    }

    fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }

    fn near(a: &[f32], b: &[f32]) {
        let size = b.iter().fold(0f32, |m, v| m.max(v.abs()));
        assert_eq!(a.len(), b.len());
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-3 * size), "{:?} {:?}", &a[..4], &b[..4]);
    }

    #[test]
    fn a_teacher_says_what_its_network_says_in_the_order_of_the_students_joints() {
        let device = Device::flex();
        let (dir, coco) = (tempfile::tempdir().unwrap(), Skeleton::coco17());
        let path = dir.path().join("teacher.safetensors");
        let model = config(coco).init(&device);
        let info = WeightsInfo::new(config(coco), coco.clone(), TrainingRecord::default());
        weights::save(&path, &model, &info, Precision::F32).unwrap();
        let mut reversed = coco.clone();
        reversed.name = "reversed".into();
        reversed.joints.reverse();
        let student = config(&reversed);
        let teacher = Teacher::open(&path, &student, &reversed, EVERYTHING, &device).unwrap();
        assert_eq!(teacher.origin, "teacher.safetensors: random weights");

        let images = Tensor::<4>::random([2, 3, 256, 192], Distribution::Default, &device);
        let rows = numbers(teacher.targets(images.clone()));
        let shape = &teacher.shape;
        assert_eq!(rows.len(), 2 * shape.len());
        let mut trace = EncoderTrace::new(17, true);
        let patches = model.patches(model.features(images));
        let maps = numbers(model.heatmaps_of_patches(patches, &TokenSelection::all(), Some(&mut trace)));
        let cells = 64 * 48;
        // The student's joint 2 is the teacher's 14.
        near(&rows[shape.maps()][2 * cells..3 * cells], &maps[14 * cells..15 * cells]);
        let second = &rows[shape.len()..];
        let tokens = numbers(trace.keypoints[1].clone());
        near(&second[shape.keypoints()][(17 + 2) * 192..][..192], &tokens[(17 + 14) * 192..][..192]);
        let attention = numbers(trace.attention[0].clone());
        let mass: f32 = attention[(17 + 14) * 256..][..256].iter().sum();
        let attention: Vec<f32> =
            attention[(17 + 14) * 256..][..256].iter().map(|s| s / mass * 256.0).collect();
        near(&second[shape.attention()][2 * 256..][..256], &attention);
    }

    #[test]
    fn the_published_network_teaches_its_heatmaps() {
        let device = Device::flex();
        let network = TinyPose::new(&device);
        let images = Tensor::<4>::random([1, 3, 256, 192], Distribution::Default, &device);
        let whole = numbers(network.forward(images.clone()));
        let shape = TeacherTargetsShape {
            joints: 17,
            heatmap: Size::new(48, 64),
            layers: 1,
            dim: 192,
            tokens: 256,
            parts: TeacherTargetParts { maps: true, keypoints: false, attention: false },
        };
        let engine = Some(CpuTeacher::published(&network, Size::new(192, 256), shape.heatmap));
        let mut teacher = Teacher {
            network: TeacherNetwork::Published(Box::new(network)),
            engine,
            joints: (0..17).collect(),
            layers: Vec::new(),
            shape,
            fingerprint: String::new(),
            origin: String::new(),
        };
        near(&numbers(teacher.targets(images.clone())), &whole[40 * 64 * 48..]);
        teacher.engine = None;
        near(&numbers(teacher.targets(images)), &whole[40 * 64 * 48..]);
    }

    #[test]
    fn layers_are_matched_by_their_part_of_the_depth() {
        let with = |depth, student| {
            let [teacher, student] =
                [depth, student].map(|depth| config(Skeleton::coco17()).with_depth(depth));
            layers_of(Some(&teacher), &student, EVERYTHING).unwrap()
        };
        assert_eq!(with(3, 3), [0, 1, 2]);
        assert_eq!(with(6, 4), [1, 2, 4, 5]);
        assert_eq!(with(2, 6), [0, 0, 0, 1, 1, 1]);
        let heatmaps = DistillWeights { tokens: 0.0, attention: 0.0, ..EVERYTHING };
        assert_eq!(layers_of(None, &config(Skeleton::coco17()), heatmaps), Ok(Vec::new()));
    }

    #[test]
    fn what_cannot_teach_is_refused_with_the_reason() {
        let student = config(Skeleton::coco17());
        let PoseNetConfig::TmPose(shape) = student.clone();
        let other = PoseNetConfig::TmPose(TmPoseConfig { dim: 128, grid: Size::new(24, 32), ..shape });
        let tokens = DistillWeights { attention: 0.0, ..EVERYTHING };
        let attention = DistillWeights { tokens: 0.0, ..EVERYTHING };
        let reason = |teacher, distill| layers_of(teacher, &student, distill).unwrap_err();
        assert!(reason(None, tokens).contains(".onnx file teaches heatmaps only"));
        assert!(reason(Some(&other), tokens).contains("128 wide, the student's 192"));
        assert!(reason(Some(&other), attention).contains("a grid of 24x32"));

        let (coco, mpii) = (Skeleton::coco17(), Skeleton::mpii16());
        let format =
            TeacherFormat { skeleton: coco.clone(), input: Size::new(192, 256), heatmap: Size::new(48, 64) };
        let reason = format.joints_of(&config(mpii), mpii).unwrap_err();
        assert!(reason.contains("48x64 heatmaps of 192x256 crops, the student 64x64"), "{reason}");
        let mut more = coco.clone();
        more.joints[3] = "tail".into();
        let reason = format.joints_of(&config(&more), &more).unwrap_err();
        assert!(reason.contains("lacks tail"), "{reason}");

        let path = Path::new("somewhere/teacher.pth");
        let error =
            Teacher::open(path, &student, coco, EVERYTHING, &Device::flex()).err().unwrap().to_string();
        assert!(error.starts_with("teacher.pth cannot teach") && error.contains("tmpose import"), "{error}");
    }
}
