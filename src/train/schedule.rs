//! The learning rate over a training.

use super::config::{Decay, ScheduleSection};

/// Learning rate of step `step` of `steps`, counted from 0.
pub fn learning_rate(s: &ScheduleSection, step: u64, steps: u64) -> f64 {
    let warm = s.warm_up.min(steps / 2);
    if step < warm {
        return s.learning_rate * (step + 1) as f64 / warm as f64;
    }
    let factor = match &s.decay {
        Decay::Constant => 1.0,
        Decay::Steps(parts) => {
            let at = step as f64 / steps.max(1) as f64;
            0.1f64.powi(parts.iter().filter(|p| at >= **p).count() as i32)
        }
        Decay::Cosine => {
            let at = (step - warm) as f64 / (steps - warm).max(1) as f64;
            0.5 * (1.0 + (std::f64::consts::PI * at.min(1.0)).cos())
        }
    };
    s.learning_rate * factor
}

/// Number of steps of a training with `samples` samples an epoch.
pub fn total_steps(s: &ScheduleSection, samples: usize) -> u64 {
    if s.steps > 0 { s.steps } else { (s.epochs * samples as f64 / samples_per_step(s) as f64).ceil() as u64 }
}

/// Samples that a step of the optimizer learns from.
pub fn samples_per_step(s: &ScheduleSection) -> u64 {
    (s.batch * s.accumulate) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_then_falls_to_nothing() {
        let s = ScheduleSection { learning_rate: 1.0, warm_up: 10, ..ScheduleSection::default() };
        assert!((learning_rate(&s, 0, 110) - 0.1).abs() < 1e-12);
        assert!((learning_rate(&s, 10, 110) - 1.0).abs() < 1e-12);
        assert!((learning_rate(&s, 60, 110) - 0.5).abs() < 1e-12);
        assert!(learning_rate(&s, 109, 110) < 1e-3);
    }

    #[test]
    fn methods_steps_divide_by_ten() {
        let decay = Decay::Steps(vec![200.0 / 300.0, 260.0 / 300.0]);
        let s = ScheduleSection { learning_rate: 1.0, warm_up: 0, decay, ..ScheduleSection::default() };
        let at = |step| learning_rate(&s, step, 300);
        assert_eq!((at(0), at(199)), (1.0, 1.0));
        assert!((at(200) - 0.1).abs() < 1e-12 && (at(260) - 0.01).abs() < 1e-12);
    }

    #[test]
    fn epochs_become_steps() {
        let s = ScheduleSection { epochs: 2.0, batch: 32, ..ScheduleSection::default() };
        assert_eq!(total_steps(&s, 100), 7);
        assert_eq!(total_steps(&ScheduleSection { accumulate: 4, ..s.clone() }, 100), 2);
        assert_eq!(total_steps(&ScheduleSection { steps: 5, ..s }, 100), 5);
    }
}
