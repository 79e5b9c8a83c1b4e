//! How good a detector's boxes are: COCO's box AP and AR exactly as pycocotools, and what a viewer of poses notices:
//! how many of the people who stand large in the picture are found, and how many boxes show nobody.

use super::matching::{
    ANY_AREA, ImageInstances, LARGE_AREA, MEDIUM_AREA, MatchEstimate, MatchTruth, SMALL_AREA, accumulate,
    matches, mean,
};
use super::order::descending;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// At most this many boxes of a picture count, the best ones.
pub const MOST_BOXES: usize = 100;
/// People higher than this part of their picture are large.
pub const TALL: f64 = 0.25;
/// Overlap of a box that found somebody.
const FOUND: f64 = 0.5;
/// Score thresholds of the table of [`TallRecall`].
const SCORES: [f64; 9] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
/// Boxes a picture that show nobody, for which a threshold is looked for.
const FALSE_BOXES: [f64; 4] = [0.1, 0.25, 0.5, 1.0];

/// An annotated person or crowd region.
#[derive(Clone, Debug, PartialEq)]
pub struct GroundTruthBox {
    /// The image that it is in.
    pub image_id: u64,
    /// x, y, width and height in picture pixels.
    pub bbox: [f64; 4],
    /// In square pixels, as annotated.
    pub area: f64,
    /// May hold any number of boxes, which count neither as right nor as wrong.
    pub crowd: bool,
    /// Height over the picture's.
    pub height: f64,
}

/// A detected person; one entry of COCO's results format.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BoxResult {
    /// The image that it is in.
    pub image_id: u64,
    /// Always 1, "person".
    pub category_id: u64,
    /// x, y, width and height in picture pixels.
    pub bbox: [f64; 4],
    /// Confidence, 0 to 1.
    pub score: f64,
}

/// COCO's twelve numbers, 0 to 1; -1 where no person of that size is annotated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoxStats {
    /// Average precision, the mean over the overlaps (IoU) 0.50, 0.55 .. 0.95.
    pub ap: f64,
    /// AP at IoU 0.50.
    pub ap50: f64,
    /// AP at IoU 0.75.
    pub ap75: f64,
    /// AP of persons of up to 32x32 pixels.
    pub ap_small: f64,
    /// AP of persons of up to 96x96 pixels.
    pub ap_medium: f64,
    /// AP of larger persons.
    pub ap_large: f64,
    /// Average recall with one box a picture.
    pub ar1: f64,
    /// With 10 boxes a picture.
    pub ar10: f64,
    /// With 100 boxes a picture.
    pub ar100: f64,
    /// AR100 of small persons.
    pub ar_small: f64,
    /// AR100 of medium persons.
    pub ar_medium: f64,
    /// AR100 of large persons.
    pub ar_large: f64,
}

impl BoxStats {
    /// Names and values in COCO's order, for tables.
    pub fn named(&self) -> [(&'static str, f64); 12] {
        [
            ("AP", self.ap),
            ("AP50", self.ap50),
            ("AP75", self.ap75),
            ("APS", self.ap_small),
            ("APM", self.ap_medium),
            ("APL", self.ap_large),
            ("AR1", self.ar1),
            ("AR10", self.ar10),
            ("AR100", self.ar100),
            ("ARS", self.ar_small),
            ("ARM", self.ar_medium),
            ("ARL", self.ar_large),
        ]
    }
}

/// How the boxes above a score fare.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperatingPoint {
    /// The lowest score that counts.
    pub score: f64,
    /// Part of the large people that are found.
    pub recall: f64,
    /// Boxes a picture that show nobody.
    pub false_boxes: f64,
}

/// How many large people are found, and at what price.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TallRecall {
    /// People higher than [`TALL`] of their picture.
    pub people: usize,
    /// By score.
    pub by_score: Vec<OperatingPoint>,
    /// The lowest scores that let at most 0.1, 0.25, 0.5 and 1 false boxes a picture through.
    pub by_false_boxes: Vec<(f64, OperatingPoint)>,
}

impl TallRecall {
    /// The recall at half a false box a picture.
    pub fn at_half(&self) -> Option<OperatingPoint> {
        self.by_false_boxes.iter().find(|(most, _)| *most == 0.5).map(|(_, at)| *at)
    }
}

/// COCO's box AP and AR.
pub fn box_ap(gt: &[GroundTruthBox], dt: &[BoxResult]) -> BoxStats {
    let images: Vec<ImageInstances> = group_by_image(gt, dt).into_values().map(|group| group.image).collect();
    let judged = |range| accumulate(&images, range, MOST_BOXES);
    let [all, small, medium, large] = [ANY_AREA, SMALL_AREA, MEDIUM_AREA, LARGE_AREA].map(judged);
    let recall = |most| mean(&accumulate(&images, ANY_AREA, most).recall);
    BoxStats {
        ap: mean(&all.ap),
        ap50: all.ap[0],
        ap75: all.ap[5],
        ap_small: mean(&small.ap),
        ap_medium: mean(&medium.ap),
        ap_large: mean(&large.ap),
        ar1: recall(1),
        ar10: recall(10),
        ar100: mean(&all.recall),
        ar_small: mean(&small.recall),
        ar_medium: mean(&medium.recall),
        ar_large: mean(&large.recall),
    }
}

/// The large people found among `pictures` pictures, and the boxes without anybody. A box finds the person that it
/// overlaps most, by at least half, and that no better box found; one on a crowd is neither right nor wrong.
pub fn tall_recall(gt: &[GroundTruthBox], dt: &[BoxResult], pictures: usize) -> TallRecall {
    let mut judged = Vec::new();
    for group in group_by_image(gt, dt).into_values() {
        let ignored: Vec<bool> = group.gt.iter().map(|g| g.crowd).collect();
        let found = matches(&group.image, &ignored, FOUND);
        judged.extend(group.image.estimates.iter().zip(found).map(|(estimate, found)| {
            let tall = found.is_some_and(|g| group.gt[g].height > TALL && !ignored[g]);
            (estimate.score, tall, found.is_none())
        }));
    }
    judged.sort_by(|a, b| descending(a.0, b.0));
    let people = gt.iter().filter(|g| !g.crowd && g.height > TALL).count();
    let operating = |score: f64, count: usize| {
        let kept = &judged[..count];
        let of = |wanted: fn(&(f64, bool, bool)) -> bool| kept.iter().filter(|b| wanted(b)).count() as f64;
        OperatingPoint {
            score,
            recall: of(|b| b.1) / people.max(1) as f64,
            false_boxes: of(|b| b.2) / pictures.max(1) as f64,
        }
    };
    let at_least = |score: f64| operating(score, judged.partition_point(|b| b.0 >= score));
    let at_most = |most: f64| {
        let allowed = most * pictures as f64;
        let mut wrong = 0.0;
        let mut count = judged.iter().take_while(|b| {
            wrong += f64::from(u8::from(b.2));
            wrong <= allowed
        });
        let count = count.by_ref().count();
        // Boxes of one score come and go together.
        let tied = |a: usize| a > 0 && a < judged.len() && judged[a].0 == judged[a - 1].0;
        let count = (0..=count).rev().find(|&n| !tied(n)).unwrap_or(0);
        let score = count.checked_sub(1).map_or(1.0, |last| judged[last].0);
        (most, operating(score, count))
    };
    TallRecall {
        people,
        by_score: SCORES.map(at_least).to_vec(),
        by_false_boxes: FALSE_BOXES.map(at_most).to_vec(),
    }
}

/// The persons and boxes of one picture.
#[derive(Default)]
struct ImageGroup<'a> {
    gt: Vec<&'a GroundTruthBox>,
    image: ImageInstances,
}

fn group_by_image<'a>(gt: &'a [GroundTruthBox], dt: &[BoxResult]) -> BTreeMap<u64, ImageGroup<'a>> {
    let mut groups: BTreeMap<u64, (ImageGroup, Vec<&BoxResult>)> = BTreeMap::new();
    for truth in gt {
        groups.entry(truth.image_id).or_default().0.gt.push(truth);
    }
    for found in dt {
        groups.entry(found.image_id).or_default().1.push(found);
    }
    let whole = |(id, (mut group, mut dt)): (u64, (ImageGroup<'a>, Vec<&BoxResult>))| {
        dt.sort_by(|a, b| descending(a.score, b.score));
        dt.truncate(MOST_BOXES);
        let pairs = dt.iter().flat_map(|d| group.gt.iter().map(move |g| (d, g)));
        let similarity = pairs.map(|(d, g)| overlap(&d.bbox, &g.bbox, g.crowd)).collect();
        let truth = |g: &&GroundTruthBox| MatchTruth { area: g.area, crowd: g.crowd, ignored: g.crowd };
        let estimate = |d: &&BoxResult| MatchEstimate { score: d.score, area: d.bbox[2] * d.bbox[3] };
        let truth = group.gt.iter().map(truth).collect();
        group.image = ImageInstances { truth, estimates: dt.iter().map(estimate).collect(), similarity };
        (id, group)
    };
    groups.into_iter().map(whole).collect()
}

/// Intersection over union of a found box with a true one; over the found box's own area where the true one is a
/// crowd, as pycocotools' `maskUtils.iou` has it.
fn overlap(found: &[f64; 4], truth: &[f64; 4], crowd: bool) -> f64 {
    let side = |at: usize| {
        let far = (found[at] + found[at + 2]).min(truth[at] + truth[at + 2]);
        far - found[at].max(truth[at])
    };
    let (w, h) = (side(0), side(1));
    if w <= 0.0 || h <= 0.0 {
        return 0.0;
    }
    let own = found[2] * found[3];
    let common = w * h;
    common / if crowd { own } else { own + truth[2] * truth[3] - common }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn truth(image_id: u64, x: f64, size: f64) -> GroundTruthBox {
        GroundTruthBox {
            image_id,
            bbox: [x, 0.0, size, size],
            area: size * size,
            crowd: false,
            height: size / 300.0,
        }
    }

    fn found(gt: &GroundTruthBox, score: f64) -> BoxResult {
        BoxResult { image_id: gt.image_id, category_id: 1, bbox: gt.bbox, score }
    }

    #[test]
    fn the_twelve_numbers_are_pycocotools() {
        #[derive(Deserialize)]
        struct Fixture {
            gt: Vec<(u64, [f64; 4], f64, bool)>,
            dt: Vec<(u64, [f64; 4], f64)>,
            stats: [f64; 12],
        }
        let text = include_str!("../../tests/fixtures/boxes.json");
        let f: Fixture = serde_json::from_str(text).unwrap();
        let gt = f.gt.iter().map(|&(image_id, bbox, area, crowd)| GroundTruthBox {
            image_id,
            bbox,
            area,
            crowd,
            height: 0.0,
        });
        let dt =
            f.dt.iter().map(|&(image_id, bbox, score)| BoxResult { image_id, category_id: 1, bbox, score });
        let stats = box_ap(&gt.collect::<Vec<_>>(), &dt.collect::<Vec<_>>());
        for ((name, ours), theirs) in stats.named().into_iter().zip(f.stats) {
            assert!((ours - theirs).abs() < 1e-12, "{name}: {ours} is not {theirs}");
        }
    }

    #[test]
    fn large_people_are_counted_and_boxes_on_nobody_too() {
        let (tall, other, small) = (truth(1, 0.0, 100.0), truth(2, 0.0, 90.0), truth(2, 200.0, 30.0));
        let crowd = GroundTruthBox { crowd: true, ..truth(2, 400.0, 200.0) };
        let nobody = BoxResult { bbox: [700.0, 0.0, 50.0, 50.0], ..found(&tall, 0.65) };
        let again = found(&tall, 0.35);
        let in_crowd = BoxResult { bbox: [420.0, 10.0, 30.0, 60.0], ..found(&other, 0.95) };
        let dt = [found(&tall, 0.9), nobody, found(&small, 0.55), found(&other, 0.45), again, in_crowd];
        let gt = [tall, other, small, crowd];
        let recall = tall_recall(&gt, &dt, 4);
        assert_eq!(recall.people, 2);
        let at = |score: f64| recall.by_score.iter().find(|o| o.score == score).unwrap();
        assert_eq!((at(0.9).recall, at(0.9).false_boxes), (0.5, 0.0));
        assert_eq!((at(0.6).recall, at(0.6).false_boxes), (0.5, 0.25));
        assert_eq!((at(0.4).recall, at(0.4).false_boxes), (1.0, 0.25));
        assert_eq!((at(0.1).recall, at(0.1).false_boxes), (1.0, 0.5));
        // A quarter of a box a picture: down to before the second box on the first person.
        let quarter = recall.by_false_boxes[1].1;
        assert_eq!((quarter.score, quarter.recall, quarter.false_boxes), (0.45, 1.0, 0.25));
        let none = recall.by_false_boxes[0].1;
        assert_eq!((none.score, none.recall), (0.9, 0.5));
        assert_eq!(recall.at_half().unwrap().score, 0.35);
    }

    #[test]
    fn nothing_found_and_nobody_there_are_numbers_too() {
        assert!(box_ap(&[], &[]).named().iter().all(|(_, v)| *v == -1.0));
        let gt = [truth(1, 0.0, 100.0)];
        assert_eq!(box_ap(&gt, &[]).ap, 0.0);
        let none = tall_recall(&gt, &[], 1).at_half().unwrap();
        assert_eq!((none.recall, none.score), (0.0, 1.0));
    }

    proptest! {
        #[test]
        fn perfect_boxes_have_ap_one(
            sizes in proptest::collection::vec(8f64..300.0, 1..9),
            scores in proptest::collection::vec(0f64..1.0, 9),
        ) {
            let gt: Vec<GroundTruthBox> =
                sizes.iter().enumerate().map(|(i, s)| truth(i as u64 / 2, 1000.0 * i as f64, *s)).collect();
            let dt: Vec<BoxResult> = gt.iter().zip(&scores).map(|(g, s)| found(g, *s)).collect();
            let stats = box_ap(&gt, &dt);
            prop_assert!((stats.ap - 1.0).abs() < 1e-9 && (stats.ar100 - 1.0).abs() < 1e-9);
            prop_assert!(stats.ar1 <= stats.ar10);
        }
    }
}
