//! The cached features that a training with a frozen backbone reads instead of pictures.

use super::cached::{CachedSet, is_unreadable};
use super::events::PoseEvent;
use super::features::FeatureBuilder;
use super::init::{calibrate, channel_scale};
use crate::data::{CropDataset, FeatureCache};
use crate::model::PoseNet;
use crate::pose::Skeleton;
use crate::train::TrainError;
use crate::train::config::DataSection;
use crate::train::distill::Teacher;
use crate::train::events::RunEvent;
use crate::train::unreadable;

/// Cached features of a training.
pub struct FrozenFeatures {
    /// Of the training samples, one set for each draw of the crops.
    pub train: Vec<CachedSet>,
    /// Of the validation samples.
    pub val: Option<CachedSet>,
}

/// What the features of a training are computed from.
pub struct FrozenInputs<'a> {
    /// The training samples.
    pub samples: &'a CropDataset,
    /// The validation samples.
    pub val: Option<&'a CropDataset>,
    /// The network whose outputs for the training samples are kept too.
    pub teacher: Option<&'a Teacher>,
}

impl FrozenInputs<'_> {
    /// Opens the features and computes those that are missing; `None` when the work was stopped. With `calibrate_for`, the
    /// skeleton of `model`, the norm and the feature head of `model` are fitted to them.
    ///
    /// # Errors
    /// The cache cannot be read or written, or too many pictures cannot be decoded.
    pub fn open(
        &self,
        data: &DataSection,
        model: &mut PoseNet,
        calibrate_for: Option<&Skeleton>,
        builder: &mut FeatureBuilder,
    ) -> Result<Option<FrozenFeatures>, TrainError> {
        let mut caches = Vec::new();
        for draw in 0..data.draws.max(1) {
            let Some(cache) = builder.train_features(self.samples, draw, model)? else { return Ok(None) };
            caches.push(cache);
        }
        self.check_unreadable(&caches[0], data.bad_limit, builder.emit)?;
        if let Some(skeleton) = calibrate_for {
            *model = calibrate(model.clone(), &caches[0], skeleton);
        }
        let scale = channel_scale(model);
        let mut val = None;
        if let Some(samples) = self.val {
            let Some(cache) = builder.val_features(samples, model)? else { return Ok(None) };
            val = Some(CachedSet::new(cache, heatmap_joints(samples, 0), scale.clone()));
        }
        let mut train = Vec::new();
        for (cache, draw) in caches.into_iter().zip(0..) {
            let mut set = CachedSet::new(cache, heatmap_joints(self.samples, draw), scale.clone());
            if let Some(teacher) = self.teacher {
                let targets = builder.teacher_targets(teacher, self.samples, draw)?;
                let Some(targets) = targets else { return Ok(None) };
                set.teacher_targets = Some(targets);
            }
            train.push(set);
        }
        Ok(Some(FrozenFeatures { train, val }))
    }

    /// Notes the pictures that cannot be decoded.
    ///
    /// # Errors
    /// Their share of all pictures is above `limit`.
    fn check_unreadable(
        &self,
        cache: &FeatureCache,
        limit: f64,
        emit: &mut dyn FnMut(PoseEvent),
    ) -> Result<(), TrainError> {
        let samples = self.samples;
        let indices: Vec<usize> = (0..samples.len()).filter(|&i| is_unreadable(cache, i)).collect();
        if indices.is_empty() {
            return Ok(());
        }
        let paths = indices.iter().map(|&i| samples.image(i).path.display().to_string());
        let names = unreadable::first_names(paths);
        unreadable::check_limit(indices.len(), samples.len(), limit, &names)?;
        let text = format!("{} pictures cannot be decoded and are left out: {names}", indices.len());
        emit(RunEvent::Note { text }.into());
        Ok(())
    }
}

/// Joints of every sample, [x, y, weight] in heatmap cells, in draw number `draw` of the crops.
fn heatmap_joints(samples: &CropDataset, draw: u64) -> Vec<Vec<[f32; 3]>> {
    (0..samples.len()).map(|i| samples.joints(i, &samples.draw(i, draw))).collect()
}
