//! One measurement: the pipeline runs for a while, and its results are counted and timed.

use super::memory;
use super::on_demand::Permits;
use super::report::{FrameCounts, LiveRow, LiveSamples};
use super::{MeasurementPlan, Pace};
use crate::cli::terminal::errln;
use crate::live::{DetectorStatus, LiveResult, ModelStatus, Notifier, Pipeline};
use anyhow::bail;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Results before the first that is counted: meanwhile memory is allocated, kernels are compiled and tuned, and people
/// are found.
const WARM_UP: u64 = 5;
/// The shortest time before the first result that is counted.
const WARM_UP_TIME: Duration = Duration::from_secs(1);
/// Without a result for this long the measurement fails.
const TIMEOUT: Duration = Duration::from_secs(120);
/// The longest wait for news before the clock is read again.
const TICK: Duration = Duration::from_millis(50);
/// Lines that a long measurement writes to stderr.
const PROGRESS_LINES: u32 = 10;

/// The pipeline that is measured.
pub struct LiveBench {
    /// The pipeline without a window.
    pub live: Pipeline,
    /// Notified when the pipeline has something new.
    pub news: Arc<Notifier>,
    /// Raised when the user asks to stop.
    pub stop: Arc<AtomicBool>,
}

impl LiveBench {
    /// Waits until the model and the detector, if there is one, are loaded.
    ///
    /// # Errors
    /// One of them cannot be loaded, or the user stopped the measurement.
    pub fn ready(&self) -> anyhow::Result<()> {
        let mut heard = 0;
        loop {
            match (self.live.model(), self.live.detector()) {
                (ModelStatus::Failed(sentence), _) | (_, DetectorStatus::Failed(sentence)) => bail!(sentence),
                (ModelStatus::Ready(_), DetectorStatus::Ready(_) | DetectorStatus::None) => return Ok(()),
                _ if self.stop.load(Ordering::SeqCst) => bail!("stopped before the model was loaded"),
                _ => heard = self.wait(heard),
            }
        }
    }

    /// Measures the source of number `source`, which was just opened. `permits` are given to a source that waits for
    /// them, one for each result.
    ///
    /// # Errors
    /// The source or a network fails, or no frame comes out.
    pub fn measure(
        &self,
        plan: &MeasurementPlan,
        source: u64,
        permits: Option<&Permits>,
    ) -> anyhow::Result<LiveRow> {
        let first = self.warm_up(source, permits)?;
        memory::forget_peak();
        let begin = frame_counts(&self.live);
        let mut samples = LiveSamples::default();
        let (start, mut last) = (Instant::now(), Instant::now());
        let (mut number, mut heard, mut written) = (first, 0, 0);
        let every = plan.every();
        while start.elapsed() < plan.time && !self.stop.load(Ordering::SeqCst) {
            heard = self.wait(heard);
            if let Some(result) = self.live.take_result().filter(|r| r.frame.source == source) {
                last = Instant::now();
                samples.add(&result);
                samples.missed_results += result.number.saturating_sub(number + 1);
                number = result.number;
                if let Some(permits) = permits {
                    permits.next();
                }
            } else if self.live.source().is_some_and(|s| s.ended) {
                break;
            }
            self.check(last)?;
            if start.elapsed() >= every * samples.memory.len() as u32 {
                samples.memory.extend(memory::resident().map(|mib| [start.elapsed().as_secs_f64(), mib]));
            }
            if plan.long() && start.elapsed() >= plan.time / PROGRESS_LINES * (written + 1) {
                written += 1;
                self.write_progress(start.elapsed());
            }
        }
        if samples.is_empty() {
            bail!("not a single frame came out in {:.0} s: give --seconds more", plan.time.as_secs_f64());
        }
        let end = frame_counts(&self.live);
        let counts = FrameCounts {
            source_frames: end.source_frames - begin.source_frames,
            dropped: end.dropped - begin.dropped,
            missed: end.missed - begin.missed,
            late: end.late - begin.late,
        };
        Ok(LiveRow::new(plan, start.elapsed(), &samples, counts, memory::peak()))
    }

    /// Discards the first results; returns the number of the last of them.
    fn warm_up(&self, source: u64, permits: Option<&Permits>) -> anyhow::Result<u64> {
        let (start, mut last) = (Instant::now(), Instant::now());
        let (mut seen, mut heard, mut number) = (0, 0, 0);
        while seen < WARM_UP || start.elapsed() < WARM_UP_TIME {
            heard = self.wait(heard);
            if let Some(result) = self.live.take_result().filter(|r| r.frame.source == source) {
                last = Instant::now();
                seen += 1;
                number = result.number;
                if let Some(permits) = permits {
                    permits.next();
                }
            }
            if self.stop.load(Ordering::SeqCst) {
                bail!("stopped before anything was measured");
            }
            if let Some(source) = self.live.source().filter(|s| s.ended) {
                match source.error {
                    Some(error) => bail!(error),
                    None => bail!("the source ended before anything was measured: give --looped"),
                }
            }
            self.check(last)?;
        }
        Ok(number)
    }

    /// Fails when the source or a network has failed, or when no result came for too long.
    fn check(&self, last_result: Instant) -> anyhow::Result<()> {
        if let Some(error) = self.live.measured().error {
            bail!(error);
        }
        if let Some(status) = self.live.source()
            && status.info.is_none()
            && let Some(error) = status.error
        {
            bail!(error);
        }
        if last_result.elapsed() > TIMEOUT {
            bail!("no frame has come out for {} s: is the source still there?", TIMEOUT.as_secs());
        }
        Ok(())
    }

    /// Writes memory and rate to stderr.
    fn write_progress(&self, elapsed: Duration) {
        let held = memory::resident().map_or(String::new(), |mib| format!(", {mib:.0} MiB"));
        let rate = self.live.measured().rate;
        errln!("{:6.0} s: {rate:.1} frames/s{held}", elapsed.as_secs_f64());
    }

    /// Waits for something newer than notification `heard`, at most a [`TICK`]; returns the newest one's number.
    fn wait(&self, heard: u64) -> u64 {
        self.news.wait(heard, Some(Instant::now() + TICK))
    }
}

/// What the pipeline has counted of its source so far.
fn frame_counts(live: &Pipeline) -> FrameCounts {
    let source = live.source().unwrap_or_default();
    let (source_frames, missed, late) = (source.frames, source.missed, source.late);
    FrameCounts { source_frames, dropped: live.dropped_frames(), missed, late }
}

impl MeasurementPlan {
    /// Time from one reading of the memory to the next.
    fn every(&self) -> Duration {
        self.memory_every.max(Duration::from_millis(200))
    }

    /// Whether it is long enough for progress on stderr.
    fn long(&self) -> bool {
        self.time > Duration::from_secs(60)
    }

    /// The name of the pace, as `--pace` takes it.
    pub fn pace_name(&self) -> &'static str {
        match self.pace {
            Pace::Free => "free",
            Pace::Source => "source",
        }
    }
}

impl LiveSamples {
    fn add(&mut self, result: &LiveResult) {
        // Until the result is taken, not only until the inference thread has made it.
        self.ages.push(result.frame.captured.elapsed());
        self.times.push(result.times);
        self.people += result.people.len();
    }
}
