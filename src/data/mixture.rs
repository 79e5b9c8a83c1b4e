//! Several sets as one list of samples, each set as often as wanted.

use super::error::DataError;
use super::set::PoseSet;
use super::teacher::{TeacherLabels, TeacherReport, TeacherRules};
use crate::pose::Skeleton;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::str::FromStr;

/// One set of a mixture: `FOLDER`, `FOLDER/train` or an annotation file, and `:N` to pass it N times
/// an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SetSpec {
    pub path: PathBuf,
    pub repeat: usize,
}

/// Why a set's description cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a set; write FOLDER or FOLDER:N, N from 1 to 1000 passes an epoch")]
pub struct SetSpecError(String);

impl FromStr for SetSpec {
    type Err = SetSpecError;

    fn from_str(text: &str) -> Result<SetSpec, SetSpecError> {
        let wrong = || SetSpecError(text.into());
        // Only digits after the last colon are a count: `C:\people` is a path.
        let (path, repeat) = match text.rsplit_once(':') {
            Some((path, n)) if !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()) => {
                (path, n.parse().map_err(|_| wrong())?)
            }
            _ => (text, 1),
        };
        if path.is_empty() || !(1..=1000).contains(&repeat) {
            return Err(wrong());
        }
        Ok(SetSpec { path: path.into(), repeat })
    }
}

impl std::fmt::Display for SetSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.repeat {
            1 => write!(f, "{}", self.path.display()),
            n => write!(f, "{}:{n}", self.path.display()),
        }
    }
}

impl TryFrom<String> for SetSpec {
    type Error = SetSpecError;

    fn try_from(text: String) -> Result<SetSpec, SetSpecError> {
        text.parse()
    }
}

impl From<SetSpec> for String {
    fn from(spec: SetSpec) -> String {
        spec.to_string()
    }
}

/// One pass over one person: which set, which of its persons, and the how-manieth repetition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleRef {
    pub set: usize,
    pub person: usize,
    pub round: usize,
}

/// The sets of a training and the list of all samples of an epoch.
pub struct Mixture {
    pub sets: Vec<PoseSet>,
    /// What teacher labels changed in each set; `None` for a set without such labels.
    pub teacher: Vec<Option<TeacherReport>>,
    pub samples: Vec<SampleRef>,
}

impl Mixture {
    /// Opens the sets. With `rules`, teacher labels that lie beside a set are used.
    pub fn open(
        specs: &[SetSpec],
        split: &str,
        skeleton: &Skeleton,
        rules: Option<&TeacherRules>,
    ) -> Result<Mixture, DataError> {
        let mut mixture = Mixture { sets: Vec::new(), teacher: Vec::new(), samples: Vec::new() };
        for spec in specs {
            let mut set = PoseSet::open(&spec.path, split, skeleton)?;
            let mut report = None;
            if let Some(rules) = rules
                && let Some(path) = TeacherLabels::beside(&set)
            {
                report = Some(TeacherLabels::load(&path)?.apply(&mut set, rules));
            }
            mixture.teacher.push(report);
            mixture.push(set, spec.repeat);
        }
        Ok(mixture)
    }

    /// A single set, every person once.
    pub fn single(set: PoseSet) -> Mixture {
        let mut mixture = Mixture { sets: Vec::new(), teacher: vec![None], samples: Vec::new() };
        mixture.push(set, 1);
        mixture
    }

    fn push(&mut self, set: PoseSet, repeat: usize) {
        let index = self.sets.len();
        for round in 0..repeat {
            let persons = 0..set.persons.len();
            self.samples.extend(persons.map(|person| SampleRef { set: index, person, round }));
        }
        self.sets.push(set);
    }

    /// Keeps about `limit` samples, evenly spread over all sets; for trials and quick validations.
    pub fn thin_to(&mut self, limit: usize) {
        if limit == 0 || self.samples.len() <= limit {
            return;
        }
        let all = self.samples.len();
        self.samples = (0..limit).map(|i| self.samples[i * all / limit]).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_a_path_and_perhaps_a_count() {
        let parsed = |t: &str| t.parse::<SetSpec>().unwrap();
        assert_eq!(parsed("data/people"), SetSpec { path: "data/people".into(), repeat: 1 });
        assert_eq!(parsed("data/people:2").repeat, 2);
        assert_eq!(parsed(r"C:\people").path, PathBuf::from(r"C:\people"));
        assert_eq!(parsed("data/people:2").to_string(), "data/people:2");
        assert!("data:0".parse::<SetSpec>().is_err());
        assert!(":3".parse::<SetSpec>().is_err());
    }
}
