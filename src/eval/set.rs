//! Accuracy of a network over a whole set with ground-truth boxes.

use super::{CocoStats, DtPerson, GtPerson, PckPerson, keypoint_ap, pck, rescore};
use crate::data::{CocoSet, DataError, Samples};
use crate::infer::Settings;
use crate::model::{Keep, TmPose, kept_tokens};
use crate::pose::Keypoint;
use crate::vision::{Decoding, Heatmaps, decode, keypoints_to_image};
use burn::prelude::*;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Accuracy with one setting. AP and PCK are fractions of 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetScore {
    pub ap: f64,
    pub ap50: f64,
    pub ap75: f64,
    pub ap_medium: f64,
    pub ap_large: f64,
    pub ar: f64,
    /// PCK at 0.05, 0.1 and 0.2 of the box's longer side, over all labelled joints.
    pub pck005: f64,
    pub pck01: f64,
    pub pck02: f64,
    pub persons: usize,
}

/// Scores one pose (picture pixels) for each of `samples`, in their order.
pub fn score(samples: &Samples, poses: &[Vec<Keypoint>]) -> SetScore {
    let joints = samples.skeleton.len();
    let (mut gt, mut dt, mut distances) = (Vec::new(), Vec::new(), Vec::new());
    for (index, keypoints) in poses.iter().enumerate() {
        let (_, person, picture) = samples.person(index);
        let truth: Vec<[f64; 3]> =
            person.keypoints.iter().map(|k| [k.x, k.y, k.score].map(f64::from)).collect();
        let b = &person.bbox;
        distances.push(PckPerson {
            predicted: keypoints.iter().map(|k| [f64::from(k.x), f64::from(k.y)]).collect(),
            visible: truth.iter().map(|k| k[2] > 0.0).collect(),
            truth: truth.iter().map(|k| [k[0], k[1]]).collect(),
            length: f64::from(b.w.max(b.h)),
        });
        gt.push(GtPerson {
            image_id: picture.id,
            keypoints: truth,
            bbox: [b.x, b.y, b.w, b.h].map(f64::from),
            area: person.area,
            crowd: false,
        });
        let score = rescore(keypoints, 1.0);
        dt.push(DtPerson { image_id: picture.id, keypoints: keypoints.clone(), score });
    }
    let stats: CocoStats = keypoint_ap(&gt, &dt, &samples.skeleton.sigmas);
    let part = |part: f64| pck(&distances, joints, part).mean.unwrap_or(0.0) / 100.0;
    SetScore {
        ap: stats.ap,
        ap50: stats.ap50,
        ap75: stats.ap75,
        ap_medium: stats.ap_medium,
        ap_large: stats.ap_large,
        ar: stats.ar,
        pck005: part(0.05),
        pck01: part(0.1),
        pck02: part(0.2),
        persons: poses.len(),
    }
}

/// One entry of COCO's results format.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CocoResult {
    pub image_id: u64,
    pub category_id: u64,
    /// x, y, score of each joint.
    pub keypoints: Vec<f64>,
    pub score: f64,
}

/// Poses as COCO's results file holds them.
pub fn coco_results(samples: &Samples, poses: &[Vec<Keypoint>]) -> Vec<CocoResult> {
    let entry = |(index, keypoints): (usize, &Vec<Keypoint>)| CocoResult {
        image_id: samples.person(index).2.id,
        category_id: 1,
        keypoints: keypoints.iter().flat_map(|k| [k.x, k.y, k.score].map(f64::from)).collect(),
        score: rescore(keypoints, 1.0),
    };
    poses.iter().enumerate().map(entry).collect()
}

/// The pose in picture pixels that heatmaps of a sample's plain crop say.
pub fn pose_of(samples: &Samples, index: usize, maps: &Heatmaps, decoding: Decoding) -> Vec<Keypoint> {
    let crop = samples.draw(index, 0).crop;
    keypoints_to_image(&decode(maps, decoding), &crop, samples.heatmap_wh)
}

/// Persons worked on at once where many small passes share the cores, and where one device takes all.
const SMALL: usize = 1;
const LARGE: usize = 64;

/// Poses of all `samples` (drawn without augmentation) for each of `settings`; the backbone sees a
/// person once, whatever the number of settings. `done` hears the number of persons finished.
///
/// # Errors
/// A picture cannot be decoded.
pub fn estimate(
    model: &TmPose,
    device: &Device,
    on_gpu: bool,
    samples: &Samples,
    settings: &[Settings],
    done: impl Fn(usize) + Sync,
) -> Result<Vec<Vec<Vec<Keypoint>>>, DataError> {
    let count = samples.len();
    let size = if on_gpu { LARGE } else { SMALL };
    let parts: Vec<Vec<usize>> = (0..count).collect::<Vec<_>>().chunks(size).map(<[usize]>::to_vec).collect();
    let part = |indices: &Vec<usize>| -> Result<Vec<Vec<Vec<Keypoint>>>, DataError> {
        let poses = estimate_part(model, device, samples, settings, indices)?;
        done(indices.len());
        Ok(poses)
    };
    let parts: Vec<Vec<Vec<Vec<Keypoint>>>> = if on_gpu {
        parts.iter().map(part).collect::<Result<_, _>>()?
    } else {
        parts.par_iter().map(part).collect::<Result<_, _>>()?
    };
    let mut all = vec![Vec::with_capacity(count); settings.len()];
    for part in parts {
        for (of_setting, poses) in all.iter_mut().zip(part) {
            of_setting.extend(poses);
        }
    }
    Ok(all)
}

/// For each setting the poses of `indices`.
fn estimate_part(
    model: &TmPose,
    device: &Device,
    samples: &Samples,
    settings: &[Settings],
    indices: &[usize],
) -> Result<Vec<Vec<Vec<Keypoint>>>, DataError> {
    let batch = indices.len();
    let [width, height] = samples.input_wh;
    let mut pixels = Vec::with_capacity(batch * 3 * width * height);
    for &index in indices {
        pixels.extend(samples.pixels(index, &samples.draw(index, 0))?);
    }
    let images = Tensor::<4>::from_data(TensorData::new(pixels, [batch, 3, height, width]), device);
    let mirrored = settings.iter().any(|s| s.flip_test).then(|| model.backbone(images.clone().flip([3])));
    let feature = model.backbone(images);
    let mirror = samples.skeleton.mirror();
    let of = |setting: &Settings| {
        let grid = model.config().grid;
        let kept = kept_tokens(setting.mask, setting.keep_ratio, grid, setting.seed);
        let keep = if kept.len() == grid[0] * grid[1] {
            Keep::all().with_positions(setting.positions)
        } else {
            Keep::same(&kept, batch, device).with_positions(setting.positions)
        };
        let mut maps = heatmaps(model.forward_features(feature.clone(), &keep));
        if let Some(mirrored) = mirrored.as_ref().filter(|_| setting.flip_test) {
            let other = heatmaps(model.forward_features(mirrored.clone(), &keep));
            for (map, other) in maps.iter_mut().zip(other) {
                map.average(&other.mirrored(&mirror));
            }
        }
        let poses = indices.iter().zip(&maps);
        poses.map(|(&index, maps)| pose_of(samples, index, maps, setting.decoding)).collect()
    };
    Ok(settings.iter().map(of).collect())
}

/// A batch of maps [B, J, H, W] as one value a person.
pub fn heatmaps(maps: Tensor<4>) -> Vec<Heatmaps> {
    let [_, joints, height, width] = maps.dims();
    let values: Vec<f32> = maps.into_data().iter::<f32>().collect();
    values
        .chunks_exact((joints * height * width).max(1))
        .map(|v| Heatmaps { values: v.to_vec(), joints, height, width })
        .collect()
}

/// The set as samples that show each person's plain crop.
pub fn plain_samples(
    set: CocoSet,
    model: &crate::model::ModelConfig,
    skeleton: &crate::pose::Skeleton,
) -> Samples {
    Samples {
        mixture: crate::data::Mixture::single(set),
        skeleton: skeleton.clone(),
        augmentation: crate::data::Augmentation::none(),
        seed: 0,
        input_wh: [model.input[1], model.input[0]],
        heatmap_wh: [model.heatmap[1], model.heatmap[0]],
    }
}
