//! A skeleton as a data file: names, edges, left/right pairs and OKS sigmas.

use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::LazyLock;

/// The joints of a data set and how they hang together. Read from a JSON file like those in
/// `assets/skeletons/`, so that a user can train on a skeleton of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skeleton {
    /// Key in files and flags, e.g. `coco17`.
    pub name: String,
    /// Name shown to people, e.g. `COCO-17`.
    pub title: String,
    /// Joint names, `left_*` and `right_*` from the person's own view.
    pub joints: Vec<String>,
    /// Bones to draw, as pairs of joint indices.
    pub edges: Vec<[usize; 2]>,
    /// Joints that swap places when the picture is mirrored.
    pub flip_pairs: Vec<[usize; 2]>,
    /// Per-joint standard deviation of OKS (METHOD 6.1), one for each joint.
    pub sigmas: Vec<f64>,
}

/// Why a skeleton file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SkeletonError {
    #[error("cannot read the skeleton file {path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("{path} is not a skeleton file: {source} (compare it with assets/skeletons/coco17.json)")]
    Parse { path: String, source: serde_json::Error },
    #[error("the skeleton in {path} is inconsistent: {reason}")]
    Inconsistent { path: String, reason: String },
}

static COCO17: LazyLock<Skeleton> =
    LazyLock::new(|| builtin(include_str!("../../assets/skeletons/coco17.json")));
static MPII16: LazyLock<Skeleton> =
    LazyLock::new(|| builtin(include_str!("../../assets/skeletons/mpii16.json")));

fn builtin(text: &str) -> Skeleton {
    // The text is part of the program, and a unit test parses it.
    serde_json::from_str(text).expect("a built-in skeleton parses")
}

impl Skeleton {
    /// COCO-17 (METHOD 6.3).
    pub fn coco17() -> &'static Skeleton {
        &COCO17
    }

    /// MPII-16 (METHOD 6.3). MPII defines no OKS; the sigmas are those of the nearest COCO joints.
    pub fn mpii16() -> &'static Skeleton {
        &MPII16
    }

    /// Reads and checks a skeleton file.
    pub fn load(path: &Path) -> Result<Skeleton, SkeletonError> {
        let shown = || path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|source| SkeletonError::Read { path: shown(), source })?;
        let skeleton: Skeleton =
            serde_json::from_str(&text).map_err(|source| SkeletonError::Parse { path: shown(), source })?;
        match skeleton.fault() {
            None => Ok(skeleton),
            Some(reason) => Err(SkeletonError::Inconsistent { path: shown(), reason }),
        }
    }

    /// Number of joints J.
    pub fn len(&self) -> usize {
        self.joints.len()
    }

    /// True for a skeleton without joints, which [`Skeleton::load`] refuses.
    pub fn is_empty(&self) -> bool {
        self.joints.is_empty()
    }

    /// `mirror()[j]` is the joint that joint `j` becomes when the picture is mirrored; length J.
    pub fn mirror(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        for &[a, b] in &self.flip_pairs {
            order.swap(a, b);
        }
        order
    }

    /// What is wrong with the numbers, if anything is.
    fn fault(&self) -> Option<String> {
        let joints = self.len();
        if joints == 0 {
            return Some("it names no joints".into());
        }
        if self.sigmas.len() != joints {
            return Some(format!("{joints} joints but {} sigmas", self.sigmas.len()));
        }
        if let Some(s) = self.sigmas.iter().find(|s| !s.is_finite() || **s <= 0.0) {
            return Some(format!("sigma {s} is not a positive number"));
        }
        let mut pairs = self.edges.iter().chain(&self.flip_pairs);
        if let Some(p) = pairs.find(|p| p[0] >= joints || p[1] >= joints) {
            return Some(format!("{p:?} names a joint that is not there (joints are 0 to {})", joints - 1));
        }
        let mut seen = vec![false; joints];
        for &[a, b] in &self.flip_pairs {
            if a == b || seen[a] || seen[b] {
                return Some(format!("flip pair [{a}, {b}] uses a joint twice"));
            }
            seen[a] = true;
            seen[b] = true;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_skeletons_are_consistent() {
        for s in [Skeleton::coco17(), Skeleton::mpii16()] {
            assert_eq!(s.fault(), None, "{}", s.name);
        }
        assert_eq!(Skeleton::coco17().len(), 17);
        assert_eq!(Skeleton::mpii16().len(), 16);
    }

    #[test]
    fn mirroring_swaps_the_words_left_and_right() {
        for s in [Skeleton::coco17(), Skeleton::mpii16()] {
            for (j, &m) in s.mirror().iter().enumerate() {
                let swapped = match s.joints[j].split_once('_') {
                    Some(("left", rest)) => format!("right_{rest}"),
                    Some(("right", rest)) => format!("left_{rest}"),
                    _ => s.joints[j].clone(),
                };
                assert_eq!(s.joints[m], swapped);
            }
        }
    }

    #[test]
    fn a_broken_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mine.json");
        let mut s = Skeleton::coco17().clone();
        s.sigmas.pop();
        std::fs::write(&path, serde_json::to_string(&s).unwrap()).unwrap();
        let text = Skeleton::load(&path).unwrap_err().to_string();
        assert!(text.contains("mine.json") && text.contains("17 joints but 16 sigmas"), "{text}");
    }
}
