//! What a bug report needs to say, as JSON: versions, device, source, settings and measurements.

use super::window::Window;
use crate::live::ModelStatus;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The state of the window now.
pub fn report(window: &Window) -> Value {
    let measured = window.live.measured();
    let last = measured.history.last().copied().unwrap_or_default();
    let stages: serde_json::Map<String, Value> =
        last.stages().iter().map(|(name, time)| ((*name).to_owned(), ms(*time))).collect();
    let result = window.viewer.result();
    json!({
        "program": format!("tmpose {}", env!("CARGO_PKG_VERSION")),
        "system": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        "memory_mb": resident_megabytes(),
        "model": model(&window.live.model()),
        "source": source(window),
        "settings": {
            "mask": window.preferences.mask,
            "keep_ratio": window.preferences.keep_ratio,
            "seed": window.preferences.seed,
            "positions": window.preferences.positions,
            "flip_test": window.preferences.flip_test,
            "dark": window.preferences.dark,
        },
        "result": result.map(|r| json!({
            "number": r.number,
            "people": r.estimates.len(),
            "scores": r.estimates.iter().map(|e| e.pose.score).collect::<Vec<_>>(),
            "kept_tokens": r.kept.len(),
            "frame_time_s": r.frame.frame.timestamp.as_secs_f64(),
        })),
        "training": window.training.report(),
        "times_ms": stages,
        "whole_ms": ms(last.whole),
        "rates": {
            "network": round(measured.rate),
            "pictures": round(window.viewer.picture_rate()),
            "window": round(window.rate.per_second(Instant::now())),
        },
        "frame_age_ms": ms(window.viewer.age()),
        "dropped_frames": window.live.dropped_frames(),
        "error": measured.error,
        "notice": window.notice.as_ref().map(|n| n.text.clone()),
    })
}

fn model(status: &ModelStatus) -> Value {
    match status {
        ModelStatus::None => json!({ "status": "none" }),
        ModelStatus::Loading => json!({ "status": "loading" }),
        ModelStatus::Failed(reason) => json!({ "status": "failed", "reason": reason }),
        ModelStatus::Ready(summary) => json!({
            "status": "ready",
            "file": summary.path,
            "variant": summary.info.config.variant.to_string(),
            "skeleton": summary.info.skeleton.name,
            "adapter": summary.device.name,
            "backend": summary.device.backend,
            "software": summary.device.software,
            "note": summary.device.note,
        }),
    }
}

fn source(window: &Window) -> Value {
    let Some(status) = window.live.source() else { return Value::Null };
    json!({
        "title": status.info.as_ref().map(|i| i.title.clone()),
        "size": status.info.as_ref().map(|i| i.size),
        "fps": status.info.as_ref().and_then(|i| i.fps),
        "frames": status.frames,
        "missed": status.missed,
        "late": status.late,
        "rate": round(status.rate),
        "position_s": status.position.as_secs_f64(),
        "playing": window.live.transport().playing,
        "ended": status.ended,
        "error": status.error,
    })
}

fn ms(time: Duration) -> Value {
    json!(round(time.as_secs_f64() * 1e3))
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Memory of this process where the system tells it simply (Linux).
fn resident_megabytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(round(kilobytes / 1024.0))
}
