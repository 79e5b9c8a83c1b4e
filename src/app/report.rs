//! The report for a bug report, as JSON: versions, device, source, settings and measurements.

use super::state::State;
use crate::cpu::{run, simd, team};
use crate::live::{
    DetectorStatus, FrameTimes, LiveMeasurements, LiveResult, ModelStatus, Percentiles, skipped_share,
};
use crate::vision::Decoding;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The state of the window now.
pub fn report(state: &State) -> Value {
    let pipeline = &state.pipeline;
    let measured = &pipeline.measured;
    let history = || measured.history.iter();
    json!({
        "program": format!("tmpose {}", env!("CARGO_PKG_VERSION")),
        "system": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        "memory_mb": resident_megabytes(),
        "cpu": {
            "instructions": simd::kernels().set.title(),
            "threads": team::threads(),
            "workspaces_mb": round(run::workspace_bytes() as f64 / f64::from(1 << 20)),
        },
        "model": model(&pipeline.model),
        "source": source(state),
        "settings": settings(state),
        "detector": detector(&pipeline.detector),
        "result": state.view.result().map(result),
        "training": state.training.report(),
        "times_ms": stages(measured),
        "frames_with_detection": history().filter(|t| t.detect.is_some()).count(),
        "frames_measured": history().len(),
        "whole_ms": Percentiles::of(history().map(|t| t.whole)).map(|whole| ms(whole.p50)),
        "whole_spread_ms": spread(history().map(|t| t.whole)),
        "rates": {
            "network": round(measured.rate),
            "pictures": round(state.view.frame_rate()),
            "window": round(state.repaints.per_second(Instant::now())),
        },
        "frame_age_ms": {
            "to_people": spread(history().filter_map(|t| t.age)),
            "to_screen": state.view.ages().map(percentiles),
        },
        "dropped_frames": pipeline.dropped_frames,
        "skipped_share": round(skipped_share(history())),
        "error": measured.error,
        "notice": state.notification.as_ref().map(|n| n.text.clone()),
    })
}

fn settings(state: &State) -> Value {
    let preferences = &state.preferences;
    json!({
        "mask": preferences.mask,
        "keep_ratio": preferences.keep_ratio,
        "seed": preferences.seed,
        "positions": preferences.positions,
        "flip_test": preferences.flip_test,
        "dark": preferences.decoding != Decoding::Plain,
        "follow": preferences.people.track_settings(state.selection.target),
        "detect": preferences.people.detect,
    })
}

fn result(result: &LiveResult) -> Value {
    json!({
        "number": result.number,
        "people": result.people.len(),
        "ids": result.people.iter().map(|p| p.id).collect::<Vec<_>>(),
        "scores": result.people.iter().map(|p| p.pose.score).collect::<Vec<_>>(),
        "looked_at": result.estimates.len(),
        "detected": result.detections.len(),
        "kept_tokens": result.kept.of(0).len(),
        "frame_time_s": result.frame.frame.timestamp.as_secs_f64(),
    })
}

/// The percentiles of each stage over the frames in which it ran.
fn stages(measured: &LiveMeasurements) -> serde_json::Map<String, Value> {
    let names = FrameTimes::default().stages().map(|(name, _)| name);
    let times = |n: usize| spread(measured.history.iter().filter_map(|t| t.stages()[n].1));
    names.iter().enumerate().map(|(n, name)| ((*name).to_owned(), times(n))).collect()
}

fn model(status: &ModelStatus) -> Value {
    match status {
        ModelStatus::None => json!({ "status": "none" }),
        ModelStatus::Loading { .. } => json!({ "status": "loading" }),
        ModelStatus::Failed(reason) => json!({ "status": "failed", "reason": reason }),
        ModelStatus::Ready(summary) => json!({
            "status": "ready",
            "file": summary.path,
            "variant": summary.info.config.variant().to_string(),
            "skeleton": summary.info.skeleton.name,
            "adapter": summary.device.name,
            "backend": summary.device.backend,
            "software": summary.device.software,
            "note": summary.device.note,
        }),
    }
}

fn source(state: &State) -> Value {
    let Some(status) = &state.pipeline.source else { return Value::Null };
    json!({
        "title": status.info.as_ref().map(|i| i.title.clone()),
        "size": status.info.as_ref().map(|i| [i.size.width, i.size.height]),
        "fps": status.info.as_ref().and_then(|i| i.fps),
        "frames": status.frames,
        "missed": status.missed,
        "late": status.late,
        "rate": round(status.rate),
        "position_s": status.position.as_secs_f64(),
        "playing": state.pipeline.transport.playing,
        "ended": status.ended,
        "error": status.error,
        "error_at_s": status.error_at.map(|at| at.as_secs_f64()),
        "outage": status.outage.as_ref().map(|o| json!({
            "reason": o.reason,
            "seconds": round(o.since.elapsed().as_secs_f64()),
            "tries": o.tries,
        })),
        "returns": status.returns,
        "silent_s": status.silent.map(|time| round(time.as_secs_f64())),
    })
}

fn detector(status: &DetectorStatus) -> Value {
    match status {
        DetectorStatus::None => json!({ "status": "none" }),
        DetectorStatus::Loading => json!({ "status": "loading" }),
        DetectorStatus::Failed(reason) => json!({ "status": "failed", "reason": reason }),
        DetectorStatus::Ready(summary) => json!({
            "status": "ready",
            "file": summary.path,
            "adapter": summary.device.name,
            "backend": summary.device.backend,
        }),
    }
}

/// Milliseconds that half, 95 % and 99 % of the values do not exceed; null of no values.
fn spread(values: impl Iterator<Item = Duration>) -> Value {
    Percentiles::of(values).map(percentiles).into()
}

fn percentiles(spread: Percentiles) -> Value {
    json!({ "p50": ms(spread.p50), "p95": ms(spread.p95), "p99": ms(spread.p99) })
}

fn ms(time: Duration) -> Value {
    json!(round(time.as_secs_f64() * 1e3))
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Memory of this process in megabytes, on Linux; `None` elsewhere.
fn resident_megabytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(round(kilobytes / 1024.0))
}
