//! Which anchor learns which person: RTMDet's dynamic soft label assignment (arXiv 2212.07784, section 3.3), whose
//! choice of the number of anchors is SimOTA's (YOLOX, arXiv 2107.08430).

/// Weight of the overlap in the cost.
const OVERLAP_COST: f32 = 3.0;
/// Distance from a person's middle, in cells, at which the soft centre prior costs 1; tenfold for each cell more.
const CENTRE: f32 = 3.0;
/// A person gets as many anchors as the overlaps of its best ones sum to; this many are summed.
const BEST: usize = 13;
/// Guard against the logarithm of nothing.
const EPSILON: f32 = 1e-7;

/// A cell of a map: the pixel of the input that it stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anchor {
    pub at: [f32; 2],
    pub stride: f32,
}

/// What an anchor has to learn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AnchorLabel {
    /// The person that it should find: an index; none for nobody.
    pub person: Option<usize>,
    /// Overlap of its box with that person's: what its score should be, 0 without a person.
    pub quality: f32,
    /// Its score learns nothing: nobody knows whether it lies on a person.
    pub silent: bool,
}

/// The anchors of maps for a square input of `side` pixels, in the order in which they are read: map by map, row by
/// row.
pub fn anchors(side: usize, strides: &[usize]) -> Vec<Anchor> {
    let map = |&stride: &usize| {
        let cells = side / stride;
        let cell = move |n: usize| Anchor {
            at: [(n % cells * stride) as f32, (n / cells * stride) as f32],
            stride: stride as f32,
        };
        (0..cells * cells).map(cell)
    };
    strides.iter().flat_map(map).collect()
}

/// Decides for every anchor of one picture. `logits` and `distances` (left, top, right, bottom) are what the network
/// says of it; `people` and `ignored` are boxes (left, top, right, bottom) in pixels of the input.
pub fn assign(
    anchors: &[Anchor],
    logits: &[f32],
    distances: &[[f32; 4]],
    people: &[[f32; 4]],
    ignored: &[[f32; 4]],
) -> Vec<AnchorLabel> {
    let mut labels = vec![AnchorLabel::default(); anchors.len()];
    for (label, anchor) in labels.iter_mut().zip(anchors) {
        label.silent = ignored.iter().any(|b| inside(anchor, b));
    }
    // Only anchors on somebody can find somebody.
    let on_people = (0..anchors.len()).filter(|&a| people.iter().any(|b| inside(&anchors[a], b)));
    let candidates: Vec<usize> = on_people.collect();
    if candidates.is_empty() {
        return labels;
    }
    let of_person = |person: &[f32; 4]| -> (Vec<f32>, Vec<f32>) {
        let both = |&a: &usize| {
            let overlap = iou(&reach(&anchors[a], &distances[a]), person);
            (overlap, cost(&anchors[a], logits[a], overlap, person))
        };
        candidates.iter().map(both).unzip()
    };
    let all: Vec<(Vec<f32>, Vec<f32>)> = people.iter().map(of_person).collect();
    // For each candidate the person that wants it, and how many do.
    let mut wanted: Vec<(usize, usize)> = vec![(0, 0); candidates.len()];
    for (person, (overlaps, costs)) in all.iter().enumerate() {
        let mut best = overlaps.clone();
        best.sort_unstable_by(|a, b| b.total_cmp(a));
        // The cast cuts the fraction off, as the reference does.
        let count = (best.iter().take(BEST).sum::<f32>() as usize).clamp(1, candidates.len());
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        order.sort_by(|&a, &b| costs[a].total_cmp(&costs[b]));
        for &i in &order[..count] {
            wanted[i] = (person, wanted[i].1 + 1);
        }
    }
    let cheapest = |i: usize| (0..people.len()).min_by(|&a, &b| all[a].1[i].total_cmp(&all[b].1[i]));
    for (i, &(person, count)) in wanted.iter().enumerate() {
        let person = match count {
            0 => continue,
            1 => person,
            // Several want it: it goes to whom it costs least.
            _ => cheapest(i).unwrap_or(person),
        };
        labels[candidates[i]] =
            AnchorLabel { person: Some(person), quality: all[person].0[i], silent: false };
    }
    labels
}

/// What it costs that an anchor with `logit` and an overlap of `overlap` finds `person`: how wrong its score is, how
/// wrong its box is, and how far it lies from the person's middle.
fn cost(anchor: &Anchor, logit: f32, overlap: f32, person: &[f32; 4]) -> f32 {
    let score = 1.0 / (1.0 + (-logit).exp());
    let cross_entropy = logit.max(0.0) - logit * overlap + (-logit.abs()).exp().ln_1p();
    let middle = [(person[0] + person[2]) / 2.0, (person[1] + person[3]) / 2.0];
    let away = (anchor.at[0] - middle[0]).hypot(anchor.at[1] - middle[1]) / anchor.stride;
    cross_entropy * (overlap - score).powi(2) - OVERLAP_COST * (overlap + EPSILON).ln()
        + 10f32.powf(away - CENTRE)
}

/// The box (left, top, right, bottom) that an anchor's distances span.
pub fn reach(anchor: &Anchor, [left, top, right, bottom]: &[f32; 4]) -> [f32; 4] {
    let [x, y] = anchor.at;
    [x - left, y - top, x + right, y + bottom]
}

fn inside(anchor: &Anchor, [left, top, right, bottom]: &[f32; 4]) -> bool {
    let [x, y] = anchor.at;
    x > *left && x < *right && y > *top && y < *bottom
}

fn iou(a: &[f32; 4], b: &[f32; 4]) -> f32 {
    let w = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let h = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let area = |b: &[f32; 4]| (b[2] - b[0]) * (b[3] - b[1]);
    let union = area(a) + area(b) - w * h;
    if union > 0.0 { w * h / union } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIDE: usize = 64;

    /// Distances of a network that always says the same box.
    fn says(anchors: &[Anchor], b: [f32; 4]) -> Vec<[f32; 4]> {
        let of =
            |a: &Anchor| [a.at[0] - b[0], a.at[1] - b[1], b[2] - a.at[0], b[3] - a.at[1]].map(|d| d.max(0.0));
        anchors.iter().map(of).collect()
    }

    #[test]
    fn anchors_are_the_cells_left_top_pixels_map_by_map() {
        let all = anchors(SIDE, &[8, 16, 32]);
        assert_eq!(all.len(), 64 + 16 + 4);
        assert_eq!(all[9], Anchor { at: [8.0, 8.0], stride: 8.0 });
        assert_eq!(all[64 + 6], Anchor { at: [32.0, 16.0], stride: 16.0 });
    }

    #[test]
    fn the_nearest_anchors_of_a_perfect_network_find_the_person() {
        let all = anchors(SIDE, &[8, 16, 32]);
        let person = [10.0, 6.0, 40.0, 60.0];
        let labels = assign(&all, &vec![0.0; all.len()], &says(&all, person), &[person], &[]);
        let found: Vec<usize> = (0..all.len()).filter(|&a| labels[a].person.is_some()).collect();
        assert_eq!(found.len(), BEST, "every box fits, so the sum of the best is their number");
        for &a in &found {
            assert!(inside(&all[a], &person) && (labels[a].quality - 1.0).abs() < 1e-6);
        }
        let middle = all.iter().position(|a| a.at == [24.0, 32.0]).unwrap();
        assert!(found.contains(&middle));
    }

    #[test]
    fn an_anchor_between_two_people_goes_to_whom_it_costs_less() {
        let all = anchors(SIDE, &[8]);
        let (a, b) = ([0.0, 0.0, 34.0, 60.0], [20.0, 0.0, 60.0, 60.0]);
        let labels = assign(&all, &vec![0.0; all.len()], &says(&all, a), &[a, b], &[]);
        let of_a = all.iter().zip(&labels).filter(|(_, l)| l.person == Some(0));
        assert!(of_a.clone().count() > 0 && of_a.clone().all(|(anchor, _)| inside(anchor, &a)));
        assert!(labels.iter().any(|l| l.person == Some(1)), "everybody is learnt by somebody");
    }

    #[test]
    fn crowds_silence_whoever_finds_nobody_in_them() {
        let all = anchors(SIDE, &[8]);
        let person = [5.0, 5.0, 30.0, 30.0];
        let crowd = [0.0, 0.0, 64.0, 20.0];
        let labels = assign(&all, &vec![0.0; all.len()], &says(&all, person), &[person], &[crowd]);
        for (anchor, label) in all.iter().zip(&labels) {
            assert_eq!(label.silent, label.person.is_none() && inside(anchor, &crowd), "{anchor:?}");
        }
        assert!(labels.iter().any(|l| l.silent) && labels.iter().any(|l| l.person.is_some()));
    }

    #[test]
    fn nobody_to_find_is_nothing_but_background() {
        let all = anchors(SIDE, &[8, 16]);
        let labels = assign(&all, &vec![3.0; all.len()], &says(&all, [0.0; 4]), &[], &[]);
        assert!(labels.iter().all(|l| *l == AnchorLabel::default()));
    }

    /// Anchors, quality and person as mmdet's `DynamicSoftLabelAssigner` chooses them, written down in PyTorch
    /// (tests/fixtures/detector_loss.py).
    #[test]
    fn the_choice_is_the_references() {
        let f = super::super::loss::tests::fixture();
        for picture in &f.pictures {
            let all = anchors(f.side, &[8, 16, 32]);
            let labels = assign(&all, &picture.logits, &picture.distances, &picture.people, &picture.ignored);
            let chosen: Vec<(usize, usize)> =
                labels.iter().enumerate().filter_map(|(a, l)| Some((a, l.person?))).collect();
            assert_eq!(chosen, picture.chosen);
            for ((a, _), quality) in chosen.iter().zip(&picture.quality) {
                assert!((labels[*a].quality - quality).abs() < 1e-5);
            }
            let silent: Vec<usize> = (0..all.len()).filter(|&a| labels[a].silent).collect();
            assert_eq!(silent, picture.silent);
        }
    }

    prop_compose! {
        fn boxes()(all in proptest::collection::vec((0f32..50.0, 0f32..50.0, 9f32..40.0, 9f32..40.0), 1..6)) -> Vec<[f32; 4]> {
            all.into_iter().map(|(x, y, w, h)| [x, y, x + w, y + h]).collect()
        }
    }

    proptest! {
        #[test]
        fn whatever_a_network_says_each_person_has_an_anchor_unless_others_want_it_more(
            people in boxes(), seed in 0u64..1000,
        ) {
            use rand::RngExt;
            let mut rng = crate::data::generator(seed, 9, 0, 0);
            let all = anchors(SIDE, &[8, 16, 32]);
            let logits: Vec<f32> = all.iter().map(|_| rng.random::<f32>() * 8.0 - 6.0).collect();
            let distances: Vec<[f32; 4]> =
                all.iter().map(|_| std::array::from_fn(|_| rng.random::<f32>() * 30.0)).collect();
            let labels = assign(&all, &logits, &distances, &people, &[]);
            let found = labels.iter().filter(|l| l.person.is_some()).count();
            prop_assert!(found >= 1 && found <= BEST * people.len());
            for (a, label) in labels.iter().enumerate() {
                prop_assert!((0.0..=1.0001).contains(&label.quality));
                if let Some(person) = label.person {
                    let own = iou(&reach(&all[a], &distances[a]), &people[person]);
                    prop_assert!((own - label.quality).abs() < 1e-6);
                    prop_assert!(people.iter().any(|b| inside(&all[a], b)));
                }
            }
            // The order of the people does not matter.
            let reversed: Vec<[f32; 4]> = people.iter().rev().copied().collect();
            let again = assign(&all, &logits, &distances, &reversed, &[]);
            for (a, b) in labels.iter().zip(&again) {
                prop_assert_eq!(a.person, b.person.map(|p| people.len() - 1 - p));
            }
        }
    }
}
