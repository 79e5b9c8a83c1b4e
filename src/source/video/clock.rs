//! Media time of frames from the container's times, which may jump.

use std::time::Duration;

use super::showinfo::TimeBase;

/// Frames a second where the container does not tell.
const USUAL_RATE: f64 = 25.0;

/// A smaller step back leaves seeking as exact as the tolerance of a frame or two.
const LEAST_JUMP: Duration = Duration::from_millis(250);

/// Counts media time from the first frame of the file. It always goes on: where the container's times jump back (two
/// recordings in one file) or stand still, it goes on by one frame step and counts from there.
pub(super) struct Clock {
    /// From one frame to the next.
    step: Duration,
    /// The container's time of the first frame in nanoseconds; `None` before it is known.
    origin: Option<i128>,
    /// What is added to times since the last jump, in nanoseconds.
    shift: i128,
    newest: Option<Duration>,
    jumped: bool,
}

impl Clock {
    /// For a video of `fps` frames a second, where that is known.
    pub fn new(fps: Option<f64>) -> Clock {
        let step = Duration::from_secs_f64(1.0 / fps.unwrap_or(USUAL_RATE).clamp(0.1, 1000.0));
        Clock { step, origin: None, shift: 0, newest: None, jumped: false }
    }

    /// Time of the newest frame.
    pub fn newest(&self) -> Option<Duration> {
        self.newest
    }

    /// The container's time of the first frame in seconds.
    pub fn origin_seconds(&self) -> Option<f64> {
        self.origin.map(|nanoseconds| nanoseconds as f64 / 1e9)
    }

    /// Whether the container's times have jumped back, so that they do not tell where in the file a frame is.
    pub fn jumped(&self) -> bool {
        self.jumped
    }

    /// Decoding begins elsewhere in the file.
    pub fn restart(&mut self) {
        (self.newest, self.shift) = (None, 0);
    }

    /// Media time of the next frame, whose container's time is `time`.
    pub fn media_time(&mut self, time: Option<(i64, TimeBase)>) -> Duration {
        let next = self.newest.map_or(Duration::ZERO, |newest| newest + self.step);
        let media_time = match time.map(|(pts, base)| base.nanoseconds(pts)) {
            None => next,
            Some(at) => {
                let since = at - *self.origin.get_or_insert(at);
                // The first frame after a seek may be one before the file's first.
                let told = Duration::from_nanos((since + self.shift).clamp(0, i128::from(u64::MAX)) as u64);
                if self.newest.is_some_and(|newest| told <= newest) {
                    self.shift = next.as_nanos() as i128 - since;
                    self.jumped |= self.shift.unsigned_abs() > LEAST_JUMP.as_nanos();
                    next
                } else {
                    told
                }
            }
        };
        self.newest = Some(media_time);
        media_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BASE: TimeBase = TimeBase { numerator: 1, denominator: 1000 };

    fn times(milliseconds: &[Option<i64>]) -> Vec<u128> {
        let mut clock = Clock::new(Some(10.0));
        milliseconds.iter().map(|t| clock.media_time(t.map(|t| (t, BASE))).as_millis()).collect()
    }

    #[test]
    fn time_counts_from_the_first_frame_and_goes_on_over_jumps() {
        assert_eq!(times(&[Some(500), Some(600), Some(750)]), [0, 100, 250]);
        assert_eq!(times(&[Some(-400), Some(-300), Some(0)]), [0, 100, 400]);
        let joined = [Some(0), Some(100), Some(200), Some(0), Some(100), Some(150)];
        assert_eq!(times(&joined), [0, 100, 200, 300, 400, 450]);
        assert_eq!(times(&[Some(7), Some(7), Some(7)]), [0, 100, 200]);
        assert_eq!(times(&[None, None, Some(30), None]), [0, 100, 200, 300]);
    }

    proptest! {
        #[test]
        fn no_two_frames_have_one_time(pts in proptest::collection::vec(any::<i64>(), 1..40)) {
            let mut clock = Clock::new(None);
            let times: Vec<Duration> = pts.iter().map(|t| clock.media_time(Some((*t, BASE)))).collect();
            let far = times.iter().position(|t| *t > Duration::from_secs(1 << 33)).unwrap_or(times.len());
            prop_assert!(times[..far].windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
        }
    }
}
