//! What pycocotools' COCOeval does with estimates and annotated persons whatever their similarity is: greedy
//! matching, interpolated precision, recall (docs/METHOD.md, "Average precision"). The similarity is OKS
//! for keypoints, the overlap (IoU) for boxes.

use super::order::descending;

/// Similarity thresholds 0.50, 0.55 .. 0.95.
pub const THRESHOLDS: usize = 10;
/// Recalls 0, 0.01 .. 1 at which the precision is read.
const RECALLS: usize = 101;
/// Any area: smallest and largest in square pixels, as in the next three.
pub const ANY_AREA: [f64; 2] = [0.0, 1e10];
/// COCO's "small": up to 32 x 32 pixels.
pub const SMALL_AREA: [f64; 2] = [0.0, 1024.0];
/// COCO's "medium": up to 96 x 96 pixels.
pub const MEDIUM_AREA: [f64; 2] = [1024.0, 9216.0];
/// COCO's "large": all that is larger.
pub const LARGE_AREA: [f64; 2] = [9216.0, 1e10];

/// An annotated person as the matching sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MatchTruth {
    /// In square pixels, as annotated.
    pub area: f64,
    /// May match several estimates.
    pub crowd: bool,
    /// Neither missed nor wrongly found; crowds are too.
    pub ignored: bool,
}

/// An estimated person as the matching sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MatchEstimate {
    /// Confidence, 0 to 1.
    pub score: f64,
    /// In square pixels: of the pose's extent or of the box.
    pub area: f64,
}

/// The persons of one picture, annotated and estimated.
#[derive(Clone, Debug, Default)]
pub struct ImageInstances {
    /// The annotated persons.
    pub truth: Vec<MatchTruth>,
    /// Best first.
    pub estimates: Vec<MatchEstimate>,
    /// Similarity of estimate `d` with person `g` at `d * truth.len() + g`.
    pub similarity: Vec<f64>,
}

/// Average precision and recall at each threshold, 0 to 1; -1 where nobody is to be found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrecisionRecall {
    /// Mean of the precision at the recalls 0, 0.01 .. 1.
    pub ap: [f64; THRESHOLDS],
    /// Share of the persons that are found at all.
    pub recall: [f64; THRESHOLDS],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum MatchOutcome {
    Hit,
    Miss,
    Ignored,
}

/// The estimates of all pictures at one area range.
struct MatchedEstimates {
    verdicts: Vec<(f64, [MatchOutcome; THRESHOLDS])>,
    /// Persons that should be found.
    persons: usize,
}

/// Judges the best `most` estimates of each picture by the persons whose area lies in `range`. Pictures come in the
/// order of their ids, which decides between equal scores.
pub fn accumulate(images: &[ImageInstances], range: [f64; 2], most: usize) -> PrecisionRecall {
    let mut judged = MatchedEstimates { verdicts: Vec::new(), persons: 0 };
    for image in images {
        judge(image, range, most, &mut judged);
    }
    if judged.persons == 0 {
        return PrecisionRecall { ap: [-1.0; THRESHOLDS], recall: [-1.0; THRESHOLDS] };
    }
    judged.verdicts.sort_by(|a, b| descending(a.0, b.0));
    let mut curves = PrecisionRecall { ap: [0.0; THRESHOLDS], recall: [0.0; THRESHOLDS] };
    for t in 0..THRESHOLDS {
        (curves.ap[t], curves.recall[t]) =
            precision_and_recall(judged.verdicts.iter().map(|v| v.1[t]), judged.persons);
    }
    curves
}

/// Mean over the thresholds; -1 when there is nothing to average (then all are -1).
pub fn mean(values: &[f64; THRESHOLDS]) -> f64 {
    if values[0] < 0.0 { -1.0 } else { values.iter().sum::<f64>() / THRESHOLDS as f64 }
}

fn threshold(t: usize) -> f64 {
    // The last one is set, not summed, as in numpy's linspace.
    if t + 1 == THRESHOLDS { 0.95 } else { 0.5 + t as f64 * ((0.95 - 0.5) / (THRESHOLDS - 1) as f64) }
}

/// Judges the best `most` estimates of a picture.
fn judge(image: &ImageInstances, range: [f64; 2], most: usize, out: &mut MatchedEstimates) {
    let outside = |area: f64| area < range[0] || area > range[1];
    let ignored: Vec<bool> = image.truth.iter().map(|g| g.ignored || outside(g.area)).collect();
    out.persons += ignored.iter().filter(|i| !**i).count();
    let estimates = &image.estimates[..most.min(image.estimates.len())];
    let mut verdicts: Vec<_> =
        estimates.iter().map(|d| (d.score, [MatchOutcome::Miss; THRESHOLDS])).collect();
    for t in 0..THRESHOLDS {
        let found = matches(image, &ignored, threshold(t));
        for ((verdict, found), estimate) in verdicts.iter_mut().zip(found).zip(estimates) {
            verdict.1[t] = match found {
                Some(g) if ignored[g] => MatchOutcome::Ignored,
                Some(_) => MatchOutcome::Hit,
                None if outside(estimate.area) => MatchOutcome::Ignored,
                None => MatchOutcome::Miss,
            };
        }
    }
    out.verdicts.append(&mut verdicts);
}

/// The person that each estimate of a picture finds, greedily from the best estimate on: of those that are at least
/// `threshold` similar, the most similar one that no better estimate found. One that is not `ignored` comes first.
pub fn matches(image: &ImageInstances, ignored: &[bool], threshold: f64) -> Vec<Option<usize>> {
    // Within both groups the order stays.
    let mut order: Vec<usize> = (0..image.truth.len()).collect();
    order.sort_by_key(|&g| ignored[g]);
    let mut taken = vec![false; image.truth.len()];
    let mut find = |d: usize| {
        let mut needed = threshold.min(1.0 - 1e-10);
        let mut found: Option<usize> = None;
        for &g in &order {
            if taken[g] && !image.truth[g].crowd {
                continue;
            }
            if found.is_some_and(|f| !ignored[f] && ignored[g]) {
                break;
            }
            let similarity = image.similarity[d * image.truth.len() + g];
            if similarity < needed {
                continue;
            }
            needed = similarity;
            found = Some(g);
        }
        if let Some(g) = found {
            taken[g] = true;
        }
        found
    };
    (0..image.estimates.len()).map(&mut find).collect()
}

/// The 101-point interpolated precision and the last recall of verdicts sorted by score.
fn precision_and_recall(verdicts: impl Iterator<Item = MatchOutcome>, persons: usize) -> (f64, f64) {
    let (mut hits, mut misses) = (0.0, 0.0);
    let mut curve: Vec<(f64, f64)> = Vec::new();
    for verdict in verdicts {
        match verdict {
            MatchOutcome::Hit => hits += 1.0,
            MatchOutcome::Miss => misses += 1.0,
            MatchOutcome::Ignored => {}
        }
        curve.push((hits / persons as f64, hits / (misses + hits + f64::EPSILON)));
    }
    for i in (1..curve.len()).rev() {
        curve[i - 1].1 = curve[i - 1].1.max(curve[i].1);
    }
    let mut sum = 0.0;
    for r in 0..RECALLS {
        let recall = if r + 1 == RECALLS { 1.0 } else { r as f64 * 0.01 };
        let at = curve.partition_point(|point| point.0 < recall);
        sum += curve.get(at).map_or(0.0, |point| point.1);
    }
    (sum / RECALLS as f64, curve.last().map_or(0.0, |point| point.0))
}
