//! The network over many persons of many pictures, for several settings at once.

use super::EvalError;
use crate::data::{Picture, read_picture};
use crate::infer::{Network, Settings, StageTimes};
use crate::model::kept_tokens;
use crate::pose::Keypoint;
use crate::vision::{CropBox, Heatmaps, decode, keypoints_to_image};
use image::RgbImage;
use rayon::prelude::*;

/// A person to estimate: the picture, and the part of it that the network is shown.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub picture: &'a Picture,
    pub crop: CropBox,
}

/// Persons worked on at once where many small passes share the cores, and where one device takes all.
const SMALL: usize = 1;
const LARGE: usize = 64;

/// For each of `settings` the pose of each subject, in picture pixels. The backbone sees a person once,
/// whatever the number of settings. `done` hears numbers of persons as they are finished.
///
/// # Errors
/// A picture cannot be decoded, or the device fails.
pub fn estimate_subjects(
    network: &Network,
    subjects: &[Subject],
    settings: &[Settings],
    done: impl Fn(usize) + Sync,
) -> Result<Vec<Vec<Vec<Keypoint>>>, EvalError> {
    let grid = network.model.config().grid;
    let kept = |s: &Settings| kept_tokens(s.mask, s.keep_ratio, grid, s.seed);
    let settings: Vec<(&Settings, Vec<usize>)> = settings.iter().map(|s| (s, kept(s))).collect();
    let part = |pictures: &[RgbImage], subjects: &[Subject]| {
        let shown: Vec<(&RgbImage, CropBox)> =
            pictures.iter().cycle().zip(subjects).map(|(picture, s)| (picture, s.crop)).collect();
        let poses = estimate_batch(network, &shown, &settings)?;
        done(subjects.len());
        Ok(poses)
    };
    let parts: Result<Vec<Vec<Vec<Vec<Keypoint>>>>, EvalError> = if network.on_gpu {
        let parts = subjects.chunks(LARGE).map(|subjects| {
            let pictures: Result<Vec<RgbImage>, _> =
                subjects.par_iter().map(|s| read_picture(s.picture)).collect();
            part(&pictures?, subjects)
        });
        parts.collect()
    } else {
        // A picture is decoded once for all its persons, which stand together.
        let pictures: Vec<&[Subject]> = subjects.chunk_by(|a, b| a.picture.path == b.picture.path).collect();
        let parts = pictures.par_iter().map(|subjects| {
            let picture = [read_picture(subjects[0].picture)?];
            subjects.chunks(SMALL).map(|subjects| part(&picture, subjects)).collect::<Result<Vec<_>, _>>()
        });
        parts.collect::<Result<Vec<_>, _>>().map(|parts| parts.into_iter().flatten().collect())
    };
    let mut all = vec![Vec::with_capacity(subjects.len()); settings.len()];
    for part in parts? {
        for (of_setting, poses) in all.iter_mut().zip(part) {
            of_setting.extend(poses);
        }
    }
    Ok(all)
}

/// For each setting the poses of a batch.
fn estimate_batch(
    network: &Network,
    shown: &[(&RgbImage, CropBox)],
    settings: &[(&Settings, Vec<usize>)],
) -> Result<Vec<Vec<Vec<Keypoint>>>, EvalError> {
    let mut times = StageTimes::default();
    let flip_test = settings.iter().any(|(setting, _)| setting.flip_test);
    let features = network.features(network.crops(shown), flip_test, &mut times)?;
    let pose = |setting: &Settings, maps: &Heatmaps, crop: &CropBox| {
        keypoints_to_image(&decode(maps, setting.decoding), crop, [maps.width, maps.height])
    };
    let of = |(setting, kept): &(&Settings, Vec<usize>)| {
        let maps = network.heatmaps(&features, kept, setting, &mut StageTimes::default())?;
        Ok(maps.iter().zip(shown).map(|(maps, (_, crop))| pose(setting, maps, crop)).collect())
    };
    settings.iter().map(of).collect()
}
