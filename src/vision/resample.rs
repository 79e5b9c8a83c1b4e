//! Resampling weights: how a line of pixels becomes a longer or a shorter one.

/// Which neighbouring values one value of a resized line is made of; the weights add up to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct ResampleWeights {
    /// Index of the first of them in the line as it was.
    pub first: usize,
    /// One for each of them, never empty.
    pub weights: Vec<f32>,
}

/// How a line of `from` values becomes one of `to`: each value is the mean of what it covers where the line shrinks,
/// so that nothing is skipped, and interpolated where it grows. Of no values nothing can be made.
pub fn resample_weights(from: usize, to: usize) -> Vec<ResampleWeights> {
    if from == 0 {
        return Vec::new();
    }
    let step = from as f64 / to as f64;
    let of = |i: usize| {
        if from > to {
            // What the value covers of each one under it.
            let (start, end) = (i as f64 * step, (i + 1) as f64 * step);
            let first = (start as usize).min(from - 1);
            let last = (end.ceil() as usize).clamp(first + 1, from);
            let covered = |j: usize| (end.min((j + 1) as f64) - start.max(j as f64)).max(0.0);
            let total: f64 = (first..last).map(covered).sum();
            ResampleWeights { first, weights: (first..last).map(|j| (covered(j) / total) as f32).collect() }
        } else {
            let at = ((i as f64 + 0.5) * step - 0.5).clamp(0.0, (from - 1) as f64);
            let first = (at as usize).min(from.saturating_sub(2));
            let part = (at - first as f64) as f32;
            let weights = if from == 1 { vec![1.0] } else { vec![1.0 - part, part] };
            ResampleWeights { first, weights }
        }
    };
    (0..to).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_of_a_shrunken_picture_counts_alike() {
        for (from, to) in [(7, 3), (1000, 320), (321, 320), (10_000, 1)] {
            let mut counted = vec![0f64; from];
            for taps in resample_weights(from, to) {
                taps.weights.iter().enumerate().for_each(|(i, w)| counted[taps.first + i] += f64::from(*w));
            }
            let even = to as f64 / from as f64;
            assert!(counted.iter().all(|c| (c - even).abs() < 1e-4), "{from} to {to}");
        }
    }

    #[test]
    fn weights_stay_inside_the_line_and_add_up_to_one() {
        for (from, to) in [(1, 1), (1, 9), (2, 7), (5, 5), (9, 2), (4001, 3), (319, 320)] {
            let all = resample_weights(from, to);
            assert_eq!(all.len(), to);
            for taps in all {
                assert!(
                    !taps.weights.is_empty() && taps.first + taps.weights.len() <= from,
                    "{from} to {to}"
                );
                let sum: f64 = taps.weights.iter().map(|w| f64::from(*w)).sum();
                assert!((sum - 1.0).abs() < 1e-5, "{from} to {to}");
            }
        }
        assert!(resample_weights(0, 4).is_empty() && resample_weights(4, 0).is_empty());
    }
}
