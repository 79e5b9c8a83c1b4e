//! A skeleton as a data file: names, edges, left/right pairs and OKS sigmas.

use super::JointName;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::LazyLock;

/// The joints of a data set and how they hang together. Read from a JSON file like those in
/// `assets/skeletons/`, or a TOML file with the same fields, so that a user can train on a skeleton of
/// their own.
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
    /// Per-joint standard deviation of OKS (docs/METHOD.md, "OKS"), one for each joint.
    pub sigmas: Vec<f64>,
    /// Shape of the crops that its networks see.
    #[serde(default, skip_serializing_if = "CropShape::is_default")]
    pub crop: CropShape,
}

/// The shape of the crops that networks for a skeleton see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CropShape {
    /// 3 : 4, as in COCO's protocol: most people stand.
    #[default]
    Portrait,
    /// 1 : 1, as in MPII's protocol.
    Square,
}

impl CropShape {
    fn is_default(&self) -> bool {
        *self == CropShape::default()
    }
}

/// Why a skeleton file cannot be used.
// The fields are the words of the messages.
#[allow(missing_docs)]
#[derive(Debug, thiserror::Error)]
pub enum SkeletonError {
    /// There is no such file, or it cannot be read.
    #[error("cannot read the skeleton file {path}: {source}")]
    Read { path: String, source: std::io::Error },
    /// It is neither JSON nor TOML with a skeleton's fields.
    #[error("{path} is not a skeleton file: {reason} (compare it with assets/skeletons/coco17.json)")]
    Parse { path: String, reason: String },
    /// Its fields contradict each other, such as an edge to a joint that is not there.
    #[error("the skeleton in {path} is inconsistent: {reason}")]
    Inconsistent { path: String, reason: String },
}

/// The skeletons that are part of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltinSkeleton {
    /// COCO's 17 joints.
    Coco17,
    /// MPII's 16 joints.
    Mpii16,
}

impl BuiltinSkeleton {
    /// All of them.
    pub const ALL: [BuiltinSkeleton; 2] = [BuiltinSkeleton::Coco17, BuiltinSkeleton::Mpii16];

    /// [`Skeleton::name`] of it, the name used in flags and files.
    pub fn name(self) -> &'static str {
        match self {
            BuiltinSkeleton::Coco17 => "coco17",
            BuiltinSkeleton::Mpii16 => "mpii16",
        }
    }

    /// All names in one line, for help texts and messages.
    pub fn names() -> String {
        BuiltinSkeleton::ALL.map(BuiltinSkeleton::name).join(", ")
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<BuiltinSkeleton> {
        BuiltinSkeleton::ALL.into_iter().find(|builtin| builtin.name() == name)
    }

    /// Its joints.
    pub fn skeleton(self) -> &'static Skeleton {
        match self {
            BuiltinSkeleton::Coco17 => Skeleton::coco17(),
            BuiltinSkeleton::Mpii16 => Skeleton::mpii16(),
        }
    }
}

/// The mean of COCO's sigmas, for a joint that COCO does not know.
const MEAN_SIGMA: f64 = 0.067;

static COCO17: LazyLock<Skeleton> =
    LazyLock::new(|| builtin(include_str!("../../assets/skeletons/coco17.json")));
static MPII16: LazyLock<Skeleton> =
    LazyLock::new(|| builtin(include_str!("../../assets/skeletons/mpii16.json")));

fn builtin(text: &str) -> Skeleton {
    // The text is part of the program, and a unit test parses it.
    serde_json::from_str(text).expect("a built-in skeleton parses")
}

impl Skeleton {
    /// COCO-17 (docs/METHOD.md, "Skeletons").
    pub fn coco17() -> &'static Skeleton {
        &COCO17
    }

    /// MPII-16 (docs/METHOD.md, "Skeletons"). MPII defines no OKS; the sigmas are those of the nearest COCO
    /// joints.
    pub fn mpii16() -> &'static Skeleton {
        &MPII16
    }

    /// `coco17`, `mpii16` or the skeleton of a file.
    ///
    /// # Errors
    /// See [`Skeleton::load`].
    pub fn named(name: &str) -> Result<Skeleton, SkeletonError> {
        match BuiltinSkeleton::named(name) {
            Some(builtin) => Ok(builtin.skeleton().clone()),
            None => Skeleton::load(Path::new(name)),
        }
    }

    /// Which skeleton of the program it is, by its name.
    pub fn builtin(&self) -> Option<BuiltinSkeleton> {
        BuiltinSkeleton::named(&self.name)
    }

    /// Reads and checks a skeleton file: TOML if its name ends so, else JSON.
    ///
    /// # Errors
    /// The file cannot be read, is no skeleton, or contradicts itself.
    pub fn load(path: &Path) -> Result<Skeleton, SkeletonError> {
        let shown = || path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|source| SkeletonError::Read { path: shown(), source })?;
        let toml = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("toml"));
        let parsed: Result<Skeleton, String> = if toml {
            toml::from_str(&text).map_err(|e| e.to_string())
        } else {
            serde_json::from_str(&text).map_err(|e| e.to_string())
        };
        let skeleton = parsed.map_err(|reason| SkeletonError::Parse { path: shown(), reason })?;
        match skeleton.fault() {
            None => Ok(skeleton),
            Some(reason) => Err(SkeletonError::Inconsistent { path: shown(), reason }),
        }
    }

    /// The skeleton of joints that a data set only names. What it does not say follows from the
    /// names: joints that differ by left and right are mirror pairs, and a joint has the sigma of its
    /// namesake in COCO or MPII, else the mean of COCO's. A built-in skeleton whose joints these are
    /// is returned as it is. Edges between joints that are not there are left out.
    pub fn of_joints(joints: Vec<String>, edges: &[[usize; 2]]) -> Skeleton {
        let names: Vec<JointName> = joints.iter().map(|j| JointName::parse(j)).collect();
        let known = [Skeleton::coco17(), Skeleton::mpii16()];
        let is = |s: &&&Skeleton| s.joints.iter().map(|j| JointName::parse(j)).eq(names.iter().cloned());
        if let Some(built_in) = known.iter().find(is) {
            return (*built_in).clone();
        }
        let sigma = |name: &JointName| {
            let namesake = known.iter().find_map(|s| {
                let j = s.joints.iter().position(|j| JointName::parse(j) == *name)?;
                Some(s.sigmas[j])
            });
            namesake.unwrap_or(MEAN_SIGMA)
        };
        let pairs = (0..names.len()).filter_map(|a| {
            let other = names.iter().position(|n| *n == names[a].mirrored())?;
            // A middle joint is its own mirror image; each pair is met twice.
            (a < other && names[..a].iter().all(|n| *n != names[a])).then_some([a, other])
        });
        Skeleton {
            name: format!("joints{}", joints.len()),
            title: format!("{} joints", joints.len()),
            flip_pairs: pairs.collect(),
            sigmas: names.iter().map(sigma).collect(),
            edges: edges.iter().filter(|e| e.iter().all(|&j| j < joints.len())).copied().collect(),
            joints,
            crop: CropShape::default(),
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
        for builtin in BuiltinSkeleton::ALL {
            assert_eq!(builtin.skeleton().builtin(), Some(builtin));
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
    fn a_skeleton_file_may_be_toml() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("skeleton.toml");
        std::fs::write(&path, toml::to_string(Skeleton::mpii16()).unwrap()).unwrap();
        assert_eq!(Skeleton::load(&path).unwrap(), *Skeleton::mpii16());
        std::fs::write(&path, "joints = 3").unwrap();
        assert!(Skeleton::load(&path).unwrap_err().to_string().contains("skeleton.toml"));
    }

    #[test]
    fn named_joints_are_a_skeleton() {
        let words = |names: &[&str]| names.iter().map(|n| n.to_string()).collect::<Vec<_>>();
        let s = Skeleton::of_joints(words(&["tail", "r_hip", "l_hip", "tail"]), &[[0, 1], [1, 9]]);
        assert_eq!(s.fault(), None);
        assert_eq!((s.edges.as_slice(), s.flip_pairs.as_slice()), (&[[0, 1]][..], &[[1, 2]][..]));
        assert_eq!(s.sigmas, [MEAN_SIGMA, 0.107, 0.107, MEAN_SIGMA]);
        let spelled = Skeleton::coco17().joints.iter().map(|j| j.replace("left_", "L_")).collect();
        assert_eq!(Skeleton::of_joints(spelled, &[]), *Skeleton::coco17());
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
