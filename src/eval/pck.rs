//! Percentage of correct keypoints, by a given length and by the head's size (docs/METHOD.md, "PCK and
//! PCKh").

/// One person to compare: prediction and truth in the same pixel coordinates.
#[derive(Clone, Debug, PartialEq)]
pub struct PckSample {
    /// x, y of each joint.
    pub predicted: Vec<[f64; 2]>,
    /// x, y of each joint.
    pub truth: Vec<[f64; 2]>,
    /// Whether each joint is annotated; the others are left out.
    pub visible: Vec<bool>,
    /// The length that errors are measured in, in pixels: the longer side of the person's box for
    /// PCK, [`head_size`] for PCKh.
    pub length: f64,
}

impl PckSample {
    /// Errors of the annotated joints as parts of the length, with the joint's index. A length that
    /// is not positive makes every error infinite.
    fn errors(&self) -> impl Iterator<Item = (usize, f64)> {
        let joints = self.predicted.iter().zip(&self.truth).zip(&self.visible).enumerate();
        joints.filter(|(_, (_, visible))| **visible).map(|(j, ((p, t), _))| {
            let error = (p[0] - t[0]).hypot(p[1] - t[1]);
            (j, if self.length > 0.0 { error / self.length } else { f64::INFINITY })
        })
    }
}

/// Percentages of correct keypoints.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Pck {
    /// 0 to 100 for each joint; none where the joint is never annotated.
    pub joints: Vec<Option<f64>>,
    /// Number of annotated places of each joint.
    pub counts: Vec<usize>,
    /// 0 to 100 over all annotated places; none without one.
    pub mean: Option<f64>,
}

/// PCK: a joint is correct when its error is at most `part` of the person's length. `joints` is the
/// skeleton's size.
pub fn pck(persons: &[PckSample], joints: usize, part: f64) -> Pck {
    let mut counts = vec![0usize; joints];
    let mut correct = vec![0usize; joints];
    for (j, error) in persons.iter().flat_map(PckSample::errors).filter(|(j, _)| *j < joints) {
        counts[j] += 1;
        correct[j] += usize::from(error <= part);
    }
    let percent = |correct: usize, of: usize| (of > 0).then(|| 100.0 * correct as f64 / of as f64);
    Pck {
        joints: correct.iter().zip(&counts).map(|(c, n)| percent(*c, *n)).collect(),
        mean: percent(correct.iter().sum(), counts.iter().sum()),
        counts,
    }
}

/// The length of PCKh: 0.6 of the diagonal of the head's box, given by two corners.
pub fn head_size(corners: [[f64; 2]; 2]) -> f64 {
    0.6 * (corners[1][0] - corners[0][0]).hypot(corners[1][1] - corners[0][1])
}

/// The columns of an MPII table and the joints of MPII-16 that each averages.
pub const PCKH_COLUMNS: [(&str, &[usize]); 7] = [
    ("Head", &[9]),
    ("Shoulder", &[12, 13]),
    ("Elbow", &[11, 14]),
    ("Wrist", &[10, 15]),
    ("Hip", &[2, 3]),
    ("Knee", &[1, 4]),
    ("Ankle", &[0, 5]),
];
const MPII_JOINTS: usize = 16;
/// MPII's mean leaves out pelvis and thorax.
const NOT_IN_MEAN: [usize; 2] = [6, 7];

/// One row of an MPII table, percentages 0 to 100; none where no joint is annotated.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Pckh {
    /// PCKh@0.5 in the order of [`PCKH_COLUMNS`].
    pub columns: [Option<f64>; 7],
    /// PCKh@0.5 over 14 joints, weighted by how often each is annotated.
    pub mean: Option<f64>,
    /// What published tables call "Mean@0.1": it is taken at 0.11 (docs/METHOD.md, "PCK and PCKh").
    pub mean_at_011: Option<f64>,
    /// The mean at a true 0.10.
    pub mean_at_010: Option<f64>,
}

/// MPII's PCKh of persons with 16 joints whose length is [`head_size`].
pub fn pckh(persons: &[PckSample]) -> Pckh {
    let at_half = pck(persons, MPII_JOINTS, 0.5);
    let column = |(_, joints): (&str, &[usize])| {
        let known: Vec<f64> = joints.iter().filter_map(|&j| at_half.joints[j]).collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    };
    Pckh {
        columns: PCKH_COLUMNS.map(column),
        mean: mpii_mean(&at_half),
        // As the reference reaches it: index 11 of steps of 0.01.
        mean_at_011: mpii_mean(&pck(persons, MPII_JOINTS, 11.0 * 0.01)),
        mean_at_010: mpii_mean(&pck(persons, MPII_JOINTS, 0.1)),
    }
}

fn mpii_mean(pck: &Pck) -> Option<f64> {
    let counted = (0..MPII_JOINTS).filter(|j| !NOT_IN_MEAN.contains(j));
    let known: Vec<(f64, f64)> =
        counted.filter_map(|j| Some((pck.joints[j]?, pck.counts[j] as f64))).collect();
    let total: f64 = known.iter().map(|k| k.1).sum();
    (total > 0.0).then(|| known.iter().map(|k| k.0 * k.1 / total).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn person(error: f64) -> PckSample {
        PckSample {
            predicted: vec![[error, 0.0]; 16],
            truth: vec![[0.0, 0.0]; 16],
            visible: (0..16).map(|j| j != 3).collect(),
            length: 10.0,
        }
    }

    #[test]
    fn the_limit_itself_is_correct_and_hidden_joints_are_left_out() {
        let result = pck(&[person(2.0), person(2.1)], 16, 0.2);
        assert_eq!(result.joints[0], Some(50.0));
        assert_eq!(result.joints[3], None);
        assert_eq!((result.counts[0], result.counts[3]), (2, 0));
        assert_eq!(result.mean, Some(50.0));
        assert_eq!(pck(&[], 16, 0.2).mean, None);
        assert_eq!(pck(&[PckSample { length: 0.0, ..person(0.0) }], 16, 0.2).mean, Some(0.0));
    }

    #[test]
    fn the_published_mean_at_a_tenth_is_taken_a_little_higher() {
        let result = pckh(&[person(1.05)]);
        assert_eq!((result.mean_at_011, result.mean_at_010), (Some(100.0), Some(0.0)));
        assert_eq!(result.columns[4], Some(100.0));
    }

    proptest! {
        #[test]
        fn a_larger_limit_never_lowers_pck(errors in proptest::collection::vec(0f64..20.0, 1..9), part in 0f64..1.0) {
            let persons: Vec<PckSample> = errors.iter().map(|e| person(*e)).collect();
            prop_assert!(pck(&persons, 16, part).mean <= pck(&persons, 16, part * 1.5).mean);
            prop_assert_eq!(pck(&[person(0.0)], 16, part).mean, Some(100.0));
        }
    }
}
