//! The mannequin as a data set: the pictures that `mannequin:N` stands for, drawn where they are missing.

use super::error::DataError;
use super::set_spec::{SetSource, SetSpec};
use crate::pose::Size;
use crate::synth::{SetPlan, render_set};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Figures that are trained on.
const TRAINING_SEED: u64 = 1;
/// Figures that are validated and evaluated on: never those of a training.
const EVALUATION_SEED: u64 = 2;
/// Pictures of a training set whose number is not said: a set without a number is passed once.
const TRAINING_PICTURES: usize = 1;
/// Pictures of an evaluation whose number is not said.
const EVALUATION_PICTURES: usize = 20;

/// Draws the pictures that [`SetSource::Mannequin`] names, as people cut out of them, and puts their folder in its
/// place.
///
/// - For a training, `mannequin:N` is `mannequin-N/` with N pictures to train on and a fifth as many of other figures
///   to validate on.
/// - For a validation or an evaluation, `mannequin:N` is `mannequin-val-N/` with N pictures of those other figures.
///
/// What lies there from before is used again. A number always means the same pictures.
pub struct MannequinSets<'a> {
    /// Gets a folder for each set.
    pub folder: PathBuf,
    /// Is told how many of how many pictures of a set have been drawn.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
    /// Raised to stop early.
    pub stop: &'a AtomicBool,
}

/// A part of a set.
struct SetPart {
    split: &'static str,
    seed: u64,
    pictures: usize,
}

impl MannequinSets<'_> {
    /// The path of a set to train on.
    ///
    /// # Errors
    /// The pictures cannot be written, or the drawing was stopped.
    pub fn to_train_on(&self, source: &SetSource) -> Result<PathBuf, DataError> {
        let pictures = match source {
            SetSource::Path(path) => return Ok(path.clone()),
            SetSource::Mannequin(pictures) => pictures.unwrap_or(TRAINING_PICTURES),
        };
        let train = SetPart { split: "train", seed: TRAINING_SEED, pictures };
        let val = SetPart { split: "val", seed: EVALUATION_SEED, pictures: (pictures / 5).max(1) };
        self.draw(&format!("mannequin-{pictures}"), &[train, val])
    }

    /// The path of a set to validate or evaluate on.
    ///
    /// # Errors
    /// The pictures cannot be written, or the drawing was stopped.
    pub fn to_evaluate_on(&self, source: &SetSource) -> Result<PathBuf, DataError> {
        let pictures = match source {
            SetSource::Path(path) => return Ok(path.clone()),
            SetSource::Mannequin(pictures) => pictures.unwrap_or(EVALUATION_PICTURES),
        };
        let val = SetPart { split: "val", seed: EVALUATION_SEED, pictures };
        self.draw(&format!("mannequin-val-{pictures}"), &[val])
    }

    /// Replaces the mannequin in the sets of a training. A validation set that is `mannequin` without a number is the
    /// validation part of the mannequin that is trained on, if it is.
    ///
    /// # Errors
    /// The pictures cannot be written, or the drawing was stopped.
    pub fn replace_in(
        &self,
        train: &mut [SetSpec],
        val: &mut Option<SetSource>,
        report: &mut [SetSource],
    ) -> Result<(), DataError> {
        let mut trained_on = None;
        for spec in train {
            let path = self.to_train_on(&spec.source)?;
            if let SetSource::Mannequin(_) = spec.source {
                trained_on = Some(path.clone());
            }
            spec.source = path.into();
        }
        if let (Some(SetSource::Mannequin(None)), Some(path)) = (&val, trained_on) {
            *val = Some(path.into());
        }
        for source in val.iter_mut().chain(report) {
            *source = self.to_evaluate_on(source)?.into();
        }
        Ok(())
    }

    /// Draws the parts that are missing in a set's folder, and returns the folder.
    fn draw(&self, name: &str, parts: &[SetPart]) -> Result<PathBuf, DataError> {
        let folder = self.folder.join(name);
        let total = parts.iter().map(|part| part.pictures).sum();
        let done = AtomicUsize::new(0);
        for part in parts {
            let file = folder.join("annotations").join(format!("person_keypoints_{}.json", part.split));
            if file.is_file() {
                done.fetch_add(part.pictures, Ordering::Relaxed);
                continue;
            }
            let plan = SetPlan {
                folder: folder.clone(),
                split: part.split.into(),
                frames: part.pictures as u64,
                size: Size::new(640, 480),
                seed: part.seed,
                crops: true,
                consecutive: false,
                keep: 0,
            };
            let one_more = || (self.progress)(1 + done.fetch_add(1, Ordering::Relaxed), total);
            let drawn = render_set(&plan, &one_more, self.stop)?;
            if self.stop.load(Ordering::SeqCst) {
                // Without its annotation file the part is drawn again next time.
                std::fs::remove_file(&drawn.file)
                    .map_err(|source| DataError::Write { path: drawn.file.display().to_string(), source })?;
                return Err(DataError::RenderingStopped);
            }
        }
        Ok(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::PoseSet;
    use crate::pose::Skeleton;
    use std::fs;
    use std::path::Path;
    use std::sync::Mutex;

    fn sets<'a>(
        folder: &Path,
        progress: &'a (dyn Fn(usize, usize) + Sync),
        stop: &'a AtomicBool,
    ) -> MannequinSets<'a> {
        MannequinSets { folder: folder.into(), progress, stop }
    }

    #[test]
    fn a_training_set_is_drawn_once_and_a_stopped_one_is_drawn_again() {
        let dir = tempfile::tempdir().unwrap();
        let (raised, lowered) = (AtomicBool::new(true), AtomicBool::new(false));
        let two = SetSource::Mannequin(Some(2));
        let folder = dir.path().join("mannequin-2");
        let written = |split| folder.join(format!("annotations/person_keypoints_{split}.json"));
        let stopped = sets(dir.path(), &|_, _| (), &raised).to_train_on(&two);
        assert!(matches!(stopped, Err(DataError::RenderingStopped)) && !written("train").exists());

        let told = Mutex::new(Vec::new());
        let tell = |done, total| told.lock().unwrap().push((done, total));
        assert_eq!(sets(dir.path(), &tell, &lowered).to_train_on(&two).unwrap(), folder);
        assert_eq!(told.lock().unwrap().last(), Some(&(3, 3)));
        let first = fs::read(written("val")).unwrap();
        assert!(written("train").exists());

        told.lock().unwrap().clear();
        assert_eq!(sets(dir.path(), &tell, &lowered).to_train_on(&two).unwrap(), folder);
        assert!(told.lock().unwrap().is_empty(), "what is there is not drawn again");
        assert_eq!(fs::read(written("val")).unwrap(), first);
    }

    #[test]
    fn a_training_and_its_evaluations_share_no_picture() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let sets = sets(dir.path(), &|_, _| (), &stop);
        let two = SetSource::Mannequin(Some(2));
        let mut train = vec![SetSpec { source: two.clone(), repeat: 3 }, dir.path().join("people").into()];
        let (mut val, mut report) = (Some(SetSource::Mannequin(None)), vec![two]);
        sets.replace_in(&mut train, &mut val, &mut report).unwrap();
        let path = |name: &str| SetSource::Path(dir.path().join(name));
        assert_eq!(train[0], SetSpec { source: path("mannequin-2"), repeat: 3 });
        assert_eq!(train[1].source, path("people"));
        assert_eq!((val, &report[0]), (Some(path("mannequin-2")), &path("mannequin-val-2")));

        let pictures = |source: &SetSource, split: &str| -> Vec<Vec<u8>> {
            let set = PoseSet::open(source.path().unwrap(), split, Skeleton::coco17()).unwrap();
            set.images.iter().map(|image| fs::read(&image.path).unwrap()).collect()
        };
        let evaluated = pictures(&report[0], "val");
        assert_eq!(evaluated.len(), 2);
        assert!(pictures(&train[0].source, "train").iter().all(|seen| !evaluated.contains(seen)));
    }

    #[test]
    fn a_validation_set_without_a_number_needs_no_mannequin_to_train_on() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(true);
        let mut val = Some(SetSource::Mannequin(None));
        let stopped = sets(dir.path(), &|_, _| (), &stop).replace_in(&mut [], &mut val, &mut []);
        assert!(matches!(stopped, Err(DataError::RenderingStopped)));
        assert!(dir.path().join("mannequin-val-20").is_dir());
    }
}
