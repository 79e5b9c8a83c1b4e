//! The One-Euro filter of one number (Casiez, Roussel and Vogel, "1 Euro Filter: A Simple Speed-based Low-pass
//! Filter for Noisy Input in Interactive Systems", CHI 2012): a low-pass whose cutoff rises with the speed, so
//! that what rests is steady and what moves does not lag.

use super::SmoothingSettings;
use std::f64::consts::TAU;

/// A number on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct OneEuro {
    value: f64,
    /// Filtered speed, in units a second.
    speed: f64,
}

/// What a step of the filter depends on beside the number.
#[derive(Clone, Copy, Debug)]
pub(super) struct FilterStep {
    /// Seconds since the last number, above 0.
    pub seconds: f64,
    /// Units that count as 1 in the speed: the person's size in pixels, above 0.
    pub size: f64,
    /// 1 for a number to rely on; less lowers the cutoff by that factor.
    pub trust: f64,
}

impl OneEuro {
    /// At rest at a number.
    pub fn new(value: f64) -> OneEuro {
        OneEuro { value, speed: 0.0 }
    }

    /// Where it is.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Takes the next number and returns the filtered one.
    pub fn update(&mut self, value: f64, step: FilterStep, settings: &SmoothingSettings) -> f64 {
        let speed = (value - self.value) / step.seconds;
        self.speed += share(settings.derivative_cutoff, step.seconds) * (speed - self.speed);
        let cutoff = settings.min_cutoff + settings.beta * self.speed.abs() / step.size;
        self.value += share(cutoff * step.trust, step.seconds) * (value - self.value);
        self.value
    }
}

/// How far a low-pass of this cutoff (Hz) goes towards its input in `seconds`. The exact solution of the
/// low-pass, where the paper takes a first step of it: with frames at irregular times, two short steps must do
/// what one long step does.
fn share(cutoff: f64, seconds: f64) -> f64 {
    1.0 - (-TAU * cutoff.max(0.0) * seconds).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: f64 = 200.0;

    fn settings() -> SmoothingSettings {
        SmoothingSettings::default()
    }

    fn step(seconds: f64) -> FilterStep {
        FilterStep { seconds, size: SIZE, trust: 1.0 }
    }

    fn run(values: &[f64], seconds: f64) -> Vec<f64> {
        let mut filter = OneEuro::new(values[0]);
        values.iter().map(|v| filter.update(*v, step(seconds), &settings())).collect()
    }

    /// Mean square of the second difference: what an eye sees as trembling.
    fn jitter(values: &[f64]) -> f64 {
        let shakes = values.windows(3).map(|w| (w[0] - 2.0 * w[1] + w[2]).powi(2));
        shakes.sum::<f64>() / (values.len() - 2) as f64
    }

    #[test]
    fn a_ramp_is_followed_with_a_bounded_lag() {
        for speed in [0.1, 0.5, 2.0] {
            let seconds = 1.0 / 30.0;
            let ramp: Vec<f64> = (0..120).map(|i| f64::from(i) * seconds * speed * SIZE).collect();
            let out = run(&ramp, seconds);
            let lag = (ramp[119] - out[119]) / (speed * SIZE);
            assert!((0.0..0.1).contains(&lag), "{lag} s behind at {speed} sizes a second");
        }
    }

    #[test]
    fn less_trust_moves_less() {
        let [mut trusted, mut doubted] = [OneEuro::new(0.0); 2];
        let moved = trusted.update(10.0, step(0.03), &settings());
        assert!(doubted.update(10.0, FilterStep { trust: 0.4, ..step(0.03) }, &settings()) < moved);
    }

    #[test]
    fn twice_the_frame_rate_ends_at_nearly_the_same_place() {
        let wave = |t: f64| 40.0 * (3.0 * t).sin();
        let end = |rate: u32| {
            let seconds = 1.0 / f64::from(rate);
            let mut filter = OneEuro::new(wave(0.0));
            let steps = (1..=rate * 2)
                .map(|i| filter.update(wave(f64::from(i) * seconds), step(seconds), &settings()));
            steps.last().unwrap()
        };
        assert!((end(30) - end(60)).abs() < 1.5, "{} and {}", end(30), end(60));
    }

    proptest! {
        #[test]
        fn what_stands_still_stays(value in -1e4f64..1e4, seconds in 1e-3f64..1.0, n in 1usize..50) {
            prop_assert!(run(&vec![value; n], seconds).iter().all(|v| *v == value));
        }

        #[test]
        fn the_output_stays_between_the_inputs(
            values in proptest::collection::vec(-300f64..300.0, 2..40), seconds in 1e-3f64..0.5,
        ) {
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            prop_assert!(run(&values, seconds).iter().all(|v| (low - 1e-9..=high + 1e-9).contains(v)));
        }

        #[test]
        fn noise_trembles_less(noise in proptest::collection::vec(-3f64..3.0, 60)) {
            let values: Vec<f64> = noise.iter().map(|n| 100.0 + n).collect();
            prop_assert!(jitter(&run(&values, 1.0 / 30.0)) < 0.5 * jitter(&values));
        }

        #[test]
        fn shifting_the_input_shifts_the_output(
            values in proptest::collection::vec(-300f64..300.0, 2..30), shift in -1e3f64..1e3,
        ) {
            let shifted: Vec<f64> = values.iter().map(|v| v + shift).collect();
            let (here, there) = (run(&values, 0.04), run(&shifted, 0.04));
            prop_assert!(here.iter().zip(&there).all(|(a, b)| (a + shift - b).abs() < 1e-6));
        }
    }
}
