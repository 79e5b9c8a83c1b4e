//! One measurement: the pipeline runs for a while, and what comes out of it is looked at.

use super::memory;
use super::on_demand::Permits;
use super::report::{FrameCounts, LiveRow, LiveSamples};
use super::{MeasurementPlan, Pace};
use crate::live::{DetectorStatus, LiveResult, ModelStatus, Notifier, Pipeline};
use anyhow::bail;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Results that nobody counts: memory is claimed, kernels are compiled and tuned, people are found.
const WARM_UP: u64 = 5;
/// And at least for so long.
const WARM_UP_TIME: Duration = Duration::from_secs(1);
/// Without a result for so long something is wrong.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often a clock is looked at while nothing comes.
const TICK: Duration = Duration::from_millis(50);
/// Lines about a long run, on stderr.
const TELL: u32 = 10;

/// The pipeline, and how one hears that something is new in it.
pub struct LiveBench {
    pub live: Pipeline,
    pub news: Arc<Notifier>,
    pub stop: Arc<AtomicBool>,
}

impl LiveBench {
    /// Waits until the model and the detector are loaded, as far as any were asked for.
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

    /// Measures the source of number `source`, which was just opened.
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
        let (mut number, mut heard, mut told) = (first, 0, 0);
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
            self.look_for_trouble(last)?;
            if start.elapsed() >= every * samples.memory.len() as u32 {
                samples.memory.extend(memory::resident().map(|mib| [start.elapsed().as_secs_f64(), mib]));
            }
            if plan.long() && start.elapsed() >= plan.time / TELL * (told + 1) {
                told += 1;
                self.tell(start.elapsed());
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

    /// Lets the first results go by; the number of the last of them.
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
            self.look_for_trouble(last)?;
        }
        Ok(number)
    }

    fn look_for_trouble(&self, last_result: Instant) -> anyhow::Result<()> {
        if let Some(error) = self.live.measured().error {
            bail!(error);
        }
        if let Some(status) = self.live.source()
            && status.info.is_none()
            && let Some(error) = status.error
        {
            bail!(error);
        }
        if last_result.elapsed() > PATIENCE {
            bail!("no frame has come out for {} s: is the source still there?", PATIENCE.as_secs());
        }
        Ok(())
    }

    fn tell(&self, elapsed: Duration) {
        let held = memory::resident().map_or(String::new(), |mib| format!(", {mib:.0} MiB"));
        let rate = self.live.measured().rate;
        eprintln!("{:6.0} s: {rate:.1} frames/s{held}", elapsed.as_secs_f64());
    }

    fn wait(&self, heard: u64) -> u64 {
        self.news.wait(heard, Some(Instant::now() + TICK))
    }
}

/// What the pipeline has frame_counts of its source so far.
fn frame_counts(live: &Pipeline) -> FrameCounts {
    let source = live.source().unwrap_or_default();
    let (source_frames, missed, late) = (source.frames, source.missed, source.late);
    FrameCounts { source_frames, dropped: live.dropped_frames(), missed, late }
}

impl MeasurementPlan {
    /// Time between two looks at the memory.
    fn every(&self) -> Duration {
        self.memory_every.max(Duration::from_millis(200))
    }

    /// Whether somebody who waits wants to hear of it meanwhile.
    fn long(&self) -> bool {
        self.time > Duration::from_secs(60)
    }

    /// As [`Pace`] is written in tables.
    pub fn pace_name(&self) -> &'static str {
        match self.pace {
            Pace::Free => "as wanted",
            Pace::Source => "by time",
        }
    }
}

impl LiveSamples {
    fn add(&mut self, result: &LiveResult) {
        // Seen by whoever waits for results, not only by the thread that made it.
        self.ages.push(result.frame.captured.elapsed());
        self.times.push(result.times);
        self.people += result.people.len();
    }
}
