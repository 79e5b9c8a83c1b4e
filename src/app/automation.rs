//! Runs the window unattended: for a while, with a screenshot and a report at the end. For bug reports and tests.

use egui::{Context, ViewportCommand};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What to do without the user.
#[derive(Clone, Debug, Default)]
pub struct Automation {
    /// Close the window after this time.
    pub exit_after: Option<Duration>,
    /// Save a picture of the window here before it closes.
    pub screenshot: Option<PathBuf>,
    /// Write the report here before the window closes.
    pub report: Option<PathBuf>,
}

/// Carries an [`Automation`] out.
#[derive(Default)]
pub struct AutomationRunner {
    plan: Automation,
    started: Option<Instant>,
    /// Report and screenshot were asked for.
    asked: bool,
    /// The screenshot is saved, or none was asked for.
    saved: Arc<AtomicBool>,
}

impl AutomationRunner {
    /// A runner whose time starts with the first repaint.
    pub fn new(plan: Automation) -> AutomationRunner {
        AutomationRunner { plan, ..AutomationRunner::default() }
    }

    /// True when nobody is there to answer a question.
    pub fn unattended(&self) -> bool {
        self.plan.exit_after.is_some()
    }

    /// Does what is due. Called with each repaint.
    pub fn act(&mut self, ctx: &Context, report: impl FnOnce() -> Value) {
        let Some(after) = self.plan.exit_after else { return };
        let started = *self.started.get_or_insert_with(Instant::now);
        let left = after.saturating_sub(started.elapsed());
        if !left.is_zero() {
            ctx.request_repaint_after(left);
            return;
        }
        if !std::mem::replace(&mut self.asked, true) {
            if let Some(path) = &self.plan.report {
                let text = format!("{:#}\n", report());
                log_failure(path, std::fs::write(path, text).map_err(|e| e.to_string()));
            }
            match self.plan.screenshot.clone() {
                None => self.saved.store(true, Ordering::Release),
                Some(path) => {
                    let (done, again) = (self.saved.clone(), ctx.clone());
                    ctx.request_screenshot(move |picture| {
                        log_failure(&path, save(&path, &picture));
                        done.store(true, Ordering::Release);
                        again.request_repaint();
                    });
                }
            }
        }
        if self.saved.load(Ordering::Acquire) {
            ctx.send_viewport_cmd(ViewportCommand::Close);
        } else {
            ctx.request_repaint();
        }
    }
}

fn save(path: &Path, picture: &egui::ColorImage) -> Result<(), String> {
    let [width, height] = picture.size.map(|n| n as u32);
    let pixels = picture.pixels.iter().flat_map(|p| [p.r(), p.g(), p.b()]).collect();
    image::RgbImage::from_raw(width, height, pixels)
        .ok_or_else(|| "the window gave no picture".to_owned())?
        .save(path)
        .map_err(|error| error.to_string())
}

fn log_failure(path: &Path, outcome: Result<(), String>) {
    if let Err(reason) = outcome {
        log::error!("{} cannot be written ({reason}): choose another path", path.display());
    }
}
