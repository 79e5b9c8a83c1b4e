//! The loss over the steps of a training, with a bounded number of points.

use crate::train::PoseStep;

/// Points of the curve at most. A wide screen has about as many pixels.
const MAX_POINTS: usize = 1200;

/// Means over a few steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CurvePoint {
    /// Steps made.
    pub step: f64,
    /// The whole loss.
    pub loss: f64,
    /// Its squared error.
    pub mse: f64,
    /// Its cross-entropy.
    pub cross_entropy: f64,
    /// The optimizer's learning rate.
    pub learning_rate: f64,
}

impl From<&PoseStep> for CurvePoint {
    fn from(e: &PoseStep) -> CurvePoint {
        CurvePoint {
            step: e.position.step as f64,
            loss: e.loss,
            mse: e.mse,
            cross_entropy: e.cross_entropy,
            learning_rate: e.pace.learning_rate,
        }
    }
}

impl CurvePoint {
    fn mean(points: &[CurvePoint]) -> CurvePoint {
        let of =
            |part: fn(&CurvePoint) -> f64| points.iter().map(part).sum::<f64>() / points.len().max(1) as f64;
        CurvePoint {
            step: of(|p| p.step),
            loss: of(|p| p.loss),
            mse: of(|p| p.mse),
            cross_entropy: of(|p| p.cross_entropy),
            learning_rate: of(|p| p.learning_rate),
        }
    }
}

/// Points in the order of their steps. When they are too many, neighbours are averaged, so that every
/// step still counts and the memory does not grow.
#[derive(Clone, Debug)]
pub struct LossCurve {
    points: Vec<CurvePoint>,
    /// Steps that are averaged into one of `points`.
    width: usize,
    /// The steps of the next point.
    waiting: Vec<CurvePoint>,
}

impl Default for LossCurve {
    fn default() -> Self {
        LossCurve { points: Vec::new(), width: 1, waiting: Vec::new() }
    }
}

impl LossCurve {
    /// Adds a step.
    pub fn push(&mut self, point: CurvePoint) {
        self.waiting.push(point);
        if self.waiting.len() < self.width {
            return;
        }
        self.points.push(CurvePoint::mean(&self.waiting));
        self.waiting.clear();
        if self.points.len() >= MAX_POINTS {
            self.points = self.points.chunks(2).map(CurvePoint::mean).collect();
            self.width *= 2;
        }
    }

    /// Forgets the steps after `step`: a resumed training makes those steps again.
    pub fn cut(&mut self, step: u64) {
        self.points.retain(|p| p.step <= step as f64);
        self.waiting.retain(|p| p.step <= step as f64);
    }

    /// Oldest first; the newest may be the mean of fewer steps than the others.
    pub fn points(&self) -> impl Iterator<Item = CurvePoint> {
        let newest = (!self.waiting.is_empty()).then(|| CurvePoint::mean(&self.waiting));
        self.points.iter().copied().chain(newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(step: u64) -> CurvePoint {
        CurvePoint { step: step as f64, loss: 1000.0 - step as f64, ..CurvePoint::default() }
    }

    #[test]
    fn a_long_training_keeps_its_shape_in_bounded_memory() {
        let mut curve = LossCurve::default();
        for step in 1..=100_000 {
            curve.push(point(step));
        }
        let points: Vec<CurvePoint> = curve.points().collect();
        assert!((MAX_POINTS / 2..=MAX_POINTS).contains(&points.len()), "{}", points.len());
        assert!(points.is_sorted_by(|a, b| a.step < b.step));
        // Averages of points on a straight line are on that line.
        assert!(points.iter().all(|p| (p.loss - (1000.0 - p.step)).abs() < 1e-6));
        assert!(points.last().unwrap().step > 99_800.0);
    }

    #[test]
    fn steps_that_are_made_again_are_not_shown_twice() {
        let mut curve = LossCurve::default();
        (1..=10).for_each(|step| curve.push(point(step)));
        curve.cut(6);
        (7..=8).for_each(|step| curve.push(point(step)));
        let steps: Vec<f64> = curve.points().map(|p| p.step).collect();
        assert_eq!(steps, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    }
}
