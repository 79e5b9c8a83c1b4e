//! Average precision and recall of keypoints, exactly as pycocotools (METHOD 6.1).

use super::oks::{DtPerson, GtPerson, oks};
use super::order::descending;
use std::collections::BTreeMap;

/// OKS thresholds 0.50, 0.55 .. 0.95.
pub const THRESHOLDS: usize = 10;
/// Recalls 0, 0.01 .. 1 at which the precision is read.
const RECALLS: usize = 101;
/// At most this many estimates of a picture count, the best ones.
const MAX_ESTIMATES: usize = 20;
/// Area limits in pixels of "all", "medium" and "large" persons.
const AREAS: [[f64; 2]; 3] = [[0.0, 1e10], [1024.0, 9216.0], [9216.0, 1e10]];

/// COCO's ten numbers, 0 to 1; -1 where no person of that size is annotated.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CocoStats {
    pub ap: f64,
    pub ap50: f64,
    pub ap75: f64,
    pub ap_medium: f64,
    pub ap_large: f64,
    pub ar: f64,
    pub ar50: f64,
    pub ar75: f64,
    pub ar_medium: f64,
    pub ar_large: f64,
    /// AP of all sizes at each OKS threshold 0.50, 0.55 .. 0.95.
    pub ap_by_threshold: [f64; THRESHOLDS],
}

impl CocoStats {
    /// Names and values in COCO's order, for tables.
    pub fn named(&self) -> [(&'static str, f64); 10] {
        [
            ("AP", self.ap),
            ("AP50", self.ap50),
            ("AP75", self.ap75),
            ("APM", self.ap_medium),
            ("APL", self.ap_large),
            ("AR", self.ar),
            ("AR50", self.ar50),
            ("AR75", self.ar75),
            ("ARM", self.ar_medium),
            ("ARL", self.ar_large),
        ]
    }
}

/// COCO keypoint AP and AR of estimates against annotated persons. `sigmas` are the skeleton's.
pub fn keypoint_ap(gt: &[GtPerson], dt: &[DtPerson], sigmas: &[f64]) -> CocoStats {
    let images = group_by_image(gt, dt, sigmas);
    let [all, medium, large] = AREAS.map(|range| accumulate(&images, range));
    CocoStats {
        ap: mean(&all.ap),
        ap50: all.ap[0],
        ap75: all.ap[5],
        ap_medium: mean(&medium.ap),
        ap_large: mean(&large.ap),
        ar: mean(&all.recall),
        ar50: all.recall[0],
        ar75: all.recall[5],
        ar_medium: mean(&medium.recall),
        ar_large: mean(&large.recall),
        ap_by_threshold: all.ap,
    }
}

/// What one picture brings: its persons, its best estimates and their OKS.
struct Image<'a> {
    gt: Vec<&'a GtPerson>,
    dt: Vec<&'a DtPerson>,
    /// OKS of estimate `d` with person `g` at `d * gt.len() + g`.
    oks: Vec<f64>,
}

fn group_by_image<'a>(gt: &'a [GtPerson], dt: &'a [DtPerson], sigmas: &[f64]) -> Vec<Image<'a>> {
    let mut images: BTreeMap<u64, Image> = BTreeMap::new();
    let empty = || Image { gt: Vec::new(), dt: Vec::new(), oks: Vec::new() };
    for person in gt {
        images.entry(person.image_id).or_insert_with(empty).gt.push(person);
    }
    for person in dt {
        images.entry(person.image_id).or_insert_with(empty).dt.push(person);
    }
    let mut images: Vec<Image> = images.into_values().collect();
    for image in &mut images {
        image.dt.sort_by(|a, b| descending(a.score, b.score));
        image.dt.truncate(MAX_ESTIMATES);
        let pairs = image.dt.iter().flat_map(|d| image.gt.iter().map(move |g| (d, g)));
        image.oks = pairs.map(|(d, g)| oks(g, &d.keypoints, sigmas)).collect();
    }
    images
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Hit,
    Miss,
    Ignored,
}

/// The estimates of all pictures at one threshold and area range.
struct Judged {
    verdicts: Vec<(f64, [Verdict; THRESHOLDS])>,
    /// Persons that should be found.
    persons: usize,
}

struct Curves {
    ap: [f64; THRESHOLDS],
    recall: [f64; THRESHOLDS],
}

fn threshold(t: usize) -> f64 {
    // The last one is set, not summed, as in numpy's linspace.
    if t + 1 == THRESHOLDS { 0.95 } else { 0.5 + t as f64 * ((0.95 - 0.5) / (THRESHOLDS - 1) as f64) }
}

fn accumulate(images: &[Image], range: [f64; 2]) -> Curves {
    let mut judged = Judged { verdicts: Vec::new(), persons: 0 };
    for image in images {
        judge(image, range, &mut judged);
    }
    if judged.persons == 0 {
        return Curves { ap: [-1.0; THRESHOLDS], recall: [-1.0; THRESHOLDS] };
    }
    judged.verdicts.sort_by(|a, b| descending(a.0, b.0));
    let mut curves = Curves { ap: [0.0; THRESHOLDS], recall: [0.0; THRESHOLDS] };
    for t in 0..THRESHOLDS {
        (curves.ap[t], curves.recall[t]) =
            precision_and_recall(judged.verdicts.iter().map(|v| v.1[t]), judged.persons);
    }
    curves
}

/// Matches the estimates of a picture to its persons, greedily from the best estimate on.
fn judge(image: &Image, range: [f64; 2], out: &mut Judged) {
    let outside = |area: f64| area < range[0] || area > range[1];
    let ignored: Vec<bool> = image.gt.iter().map(|g| g.ignored() || outside(g.area)).collect();
    // Persons that count come first; within both groups the order stays.
    let mut order: Vec<usize> = (0..image.gt.len()).collect();
    order.sort_by_key(|&g| ignored[g]);
    out.persons += ignored.iter().filter(|i| !**i).count();

    let mut verdicts: Vec<_> = image.dt.iter().map(|d| (d.score, [Verdict::Miss; THRESHOLDS])).collect();
    for t in 0..THRESHOLDS {
        let mut taken = vec![false; image.gt.len()];
        for (d, verdict) in verdicts.iter_mut().enumerate() {
            let mut needed = threshold(t).min(1.0 - 1e-10);
            let mut found: Option<usize> = None;
            for &g in &order {
                if taken[g] && !image.gt[g].crowd {
                    continue;
                }
                // A person that counts is preferred to any that is ignored.
                if found.is_some_and(|f| !ignored[f] && ignored[g]) {
                    break;
                }
                let oks = image.oks[d * image.gt.len() + g];
                if oks < needed {
                    continue;
                }
                needed = oks;
                found = Some(g);
            }
            verdict.1[t] = match found {
                Some(g) => {
                    taken[g] = true;
                    if ignored[g] { Verdict::Ignored } else { Verdict::Hit }
                }
                None if outside(extent(image.dt[d])) => Verdict::Ignored,
                None => Verdict::Miss,
            };
        }
    }
    out.verdicts.append(&mut verdicts);
}

/// Area of the tight box of an estimate's joints.
fn extent(dt: &DtPerson) -> f64 {
    let side = |of: fn(&crate::pose::Keypoint) -> f32| {
        let along = dt.keypoints.iter().map(|k| f64::from(of(k)));
        along.clone().fold(f64::NEG_INFINITY, f64::max) - along.fold(f64::INFINITY, f64::min)
    };
    side(|k| k.x) * side(|k| k.y)
}

/// The 101-point interpolated precision and the last recall of verdicts sorted by score.
fn precision_and_recall(verdicts: impl Iterator<Item = Verdict>, persons: usize) -> (f64, f64) {
    let (mut hits, mut misses) = (0.0, 0.0);
    let mut curve: Vec<(f64, f64)> = Vec::new();
    for verdict in verdicts {
        match verdict {
            Verdict::Hit => hits += 1.0,
            Verdict::Miss => misses += 1.0,
            Verdict::Ignored => {}
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

/// Mean over the thresholds; -1 when there is nothing to average (then all are -1).
fn mean(values: &[f64; THRESHOLDS]) -> f64 {
    if values[0] < 0.0 { -1.0 } else { values.iter().sum::<f64>() / THRESHOLDS as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pose::{Keypoint, Skeleton};
    use proptest::prelude::*;

    fn person(image_id: u64, x: f64, size: f64) -> GtPerson {
        let keypoints = (0..17).map(|j| [x + size * (j % 4) as f64 / 4.0, size * j as f64 / 17.0, 2.0]);
        GtPerson {
            image_id,
            keypoints: keypoints.collect(),
            bbox: [x, 0.0, size, size],
            area: size * size * 0.5,
            crowd: false,
        }
    }

    fn found(gt: &GtPerson, score: f64) -> DtPerson {
        let point = |k: &[f64; 3]| Keypoint { x: k[0] as f32, y: k[1] as f32, score: 1.0 };
        DtPerson { image_id: gt.image_id, keypoints: gt.keypoints.iter().map(point).collect(), score }
    }

    #[test]
    fn without_persons_there_is_no_number() {
        let stats = keypoint_ap(&[], &[], &Skeleton::coco17().sigmas);
        assert!(stats.named().iter().all(|(_, v)| *v == -1.0));
    }

    #[test]
    fn a_person_not_found_halves_the_recall_and_a_wrong_one_the_precision() {
        let (a, b) = (person(1, 0.0, 100.0), person(1, 2000.0, 100.0));
        let sigmas = &Skeleton::coco17().sigmas;
        let stats = keypoint_ap(&[a.clone(), b.clone()], &[found(&a, 0.9)], sigmas);
        assert!((stats.ar - 0.5).abs() < 1e-9 && (stats.ap - 51.0 / 101.0).abs() < 1e-9);
        // The wrong one is the surer one.
        let stats = keypoint_ap(std::slice::from_ref(&a), &[found(&b, 0.9), found(&a, 0.8)], sigmas);
        assert!((stats.ar - 1.0).abs() < 1e-9 && (stats.ap - 0.5).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn perfect_estimates_have_ap_one(sizes in proptest::collection::vec(40f64..400.0, 1..9), scores in proptest::collection::vec(0f64..1.0, 9)) {
            let gt: Vec<GtPerson> =
                sizes.iter().enumerate().map(|(i, s)| person(i as u64 / 2, 1000.0 * i as f64, *s)).collect();
            let dt: Vec<DtPerson> = gt.iter().zip(&scores).map(|(g, s)| found(g, *s)).collect();
            let stats = keypoint_ap(&gt, &dt, &Skeleton::coco17().sigmas);
            for (name, value) in stats.named() {
                prop_assert!(value == -1.0 || (value - 1.0).abs() < 1e-9, "{name} {value}");
            }
            prop_assert!((stats.ap - 1.0).abs() < 1e-9);
        }
    }
}
