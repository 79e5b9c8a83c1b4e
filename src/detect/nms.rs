//! Removing boxes that show a person found already.

use crate::vision::Detection;

/// Greedy suppression: the detections kept, best first, at most `most`. A detection falls when its IoU with a better
/// one that was kept is above `iou`. The order of the input does not matter.
pub fn suppress(mut found: Vec<Detection>, iou: f32, most: usize) -> Vec<Detection> {
    found.sort_by(|a, b| {
        let place = |d: &Detection| [d.bbox.x, d.bbox.y, d.bbox.w, d.bbox.h];
        let places = place(a).into_iter().zip(place(b));
        let of_equals = || places.map(|(a, b)| a.total_cmp(&b)).find(|order| order.is_ne());
        b.score.total_cmp(&a.score).then_with(|| of_equals().unwrap_or(std::cmp::Ordering::Equal))
    });
    let mut kept: Vec<Detection> = Vec::new();
    for candidate in found {
        if kept.len() == most {
            break;
        }
        if kept.iter().all(|better| better.bbox.iou(&candidate.bbox) <= iou) {
            kept.push(candidate);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::BBox;
    use proptest::prelude::*;

    fn found(x: f32, y: f32, w: f32, h: f32, score: f32) -> Detection {
        Detection { bbox: BBox { x, y, w, h }, score }
    }

    #[test]
    fn the_better_of_two_that_overlap_stays() {
        let near = found(1.0, 0.0, 10.0, 20.0, 0.9);
        let far = found(50.0, 0.0, 10.0, 20.0, 0.3);
        let doubled = found(0.0, 0.0, 10.0, 20.0, 0.8);
        assert_eq!(suppress(vec![doubled, far, near], 0.6, 10), [near, far]);
        assert_eq!(suppress(vec![doubled, far, near], 0.6, 1), [near]);
        assert!(suppress(Vec::new(), 0.6, 10).is_empty());
        assert!(suppress(vec![near], 0.6, 0).is_empty());
    }

    fn detections() -> impl Strategy<Value = Vec<Detection>> {
        let one = (0f32..60.0, 0f32..60.0, 1f32..40.0, 1f32..40.0, 0u8..20);
        let one = one.prop_map(|(x, y, w, h, score)| found(x, y, w, h, f32::from(score) / 20.0));
        proptest::collection::vec(one, 0..40)
    }

    proptest! {
        #[test]
        fn no_two_that_are_kept_overlap_too_much_and_each_that_fell_has_a_reason(
            all in detections(), iou in 0.1f32..0.9,
        ) {
            let kept = suppress(all.clone(), iou, usize::MAX);
            for (i, a) in kept.iter().enumerate() {
                prop_assert!(kept[..i].iter().all(|b| b.score >= a.score && b.bbox.iou(&a.bbox) <= iou));
            }
            for one in all.iter().filter(|one| !kept.contains(one)) {
                prop_assert!(kept.iter().any(|k| k.score >= one.score && k.bbox.iou(&one.bbox) > iou));
            }
        }

        #[test]
        fn the_order_of_the_input_does_not_matter(all in detections(), turn in 0usize..40) {
            let mut other = all.clone();
            other.reverse();
            other.rotate_left(turn.min(all.len()));
            prop_assert_eq!(suppress(all, 0.5, 10), suppress(other, 0.5, 10));
        }
    }
}
