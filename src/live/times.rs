//! What a frame cost and how old it was, and what many such values have in common.

use crate::infer::StageTimes;
use std::time::Duration;

/// Durations of one frame, from its pixels to its people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameTimes {
    /// The person detector, with the frame's upload if it runs on a GPU; `None` where it did not run.
    pub detect: Option<Duration>,
    /// The pose network's stages, over all people of the frame.
    pub network: StageTimes,
    /// Who is who, boxes and smoothing.
    pub track: Duration,
    /// From taking the frame to its people.
    pub whole: Duration,
    /// From the frame's capture to its people; `None` where a frame was processed again, and outside of the pipeline.
    pub age: Option<Duration>,
    /// Frames of the source between this result and the one before it, which were not processed; 0 outside of the
    /// pipeline.
    pub skipped: u64,
}

impl FrameTimes {
    /// How many stages there are.
    pub const STAGES: usize = 8;

    /// The stages in the order in which data goes through them, with the names shown to people. A stage
    /// that did not run in this frame has no time.
    pub fn stages(&self) -> [(&'static str, Option<Duration>); Self::STAGES] {
        let [crop, backbone, mask, transformer, head, decode] =
            self.network.stages().map(|(name, time)| (name, Some(time)));
        let (detect, track) = (("detect", self.detect), ("track", Some(self.track)));
        [detect, crop, backbone, mask, transformer, head, decode, track]
    }
}

/// Where the values of a series lie: half of them, 95 % and 99 % are not above these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// The median.
    pub p50: Duration,
    /// 95 % of the values are not above it.
    pub p95: Duration,
    /// 99 % of the values are not above it.
    pub p99: Duration,
}

impl Percentiles {
    /// By nearest rank, so that each is a value that was measured. None of no values.
    pub fn of(values: impl IntoIterator<Item = Duration>) -> Option<Percentiles> {
        let mut sorted: Vec<Duration> = values.into_iter().collect();
        sorted.sort_unstable();
        let rank =
            |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Some(Percentiles { p50: rank(50)?, p95: rank(95)?, p99: rank(99)? })
    }
}

/// The share of the source's frames that nobody looked at, 0 to 1.
pub fn skipped_share<'a>(times: impl IntoIterator<Item = &'a FrameTimes>) -> f64 {
    let (seen, skipped) =
        times.into_iter().fold((0u64, 0u64), |(n, skipped), t| (n + 1, skipped + t.skipped));
    skipped as f64 / (seen + skipped).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn percentiles_are_measured_values_and_one_slow_frame_does_not_move_the_middle() {
        assert_eq!(Percentiles::of([]), None);
        assert_eq!(Percentiles::of([ms(7)]), Some(Percentiles { p50: ms(7), p95: ms(7), p99: ms(7) }));
        let mut hundred: Vec<Duration> = (1..=100).map(ms).collect();
        hundred[0] = ms(5000);
        assert_eq!(Percentiles::of(hundred), Some(Percentiles { p50: ms(51), p95: ms(96), p99: ms(100) }));
    }

    #[test]
    fn what_was_skipped_is_a_share_of_what_the_source_sent() {
        let frames = [0, 3, 0].map(|skipped| FrameTimes { skipped, ..FrameTimes::default() });
        assert_eq!(skipped_share(&frames), 0.5);
        assert_eq!(skipped_share([]), 0.0);
    }
}
