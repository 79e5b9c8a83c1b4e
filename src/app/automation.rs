//! Runs the window for a while, pictures it and writes down its state: for bug reports, and for the
//! test that starts the program.

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
    asked: bool,
    pictured: Arc<AtomicBool>,
}

impl AutomationRunner {
    pub fn new(plan: Automation) -> AutomationRunner {
        AutomationRunner { plan, ..AutomationRunner::default() }
    }

    /// True when nobody sits before the window who could be asked something.
    pub fn unattended(&self) -> bool {
        self.plan.exit_after.is_some()
    }

    /// Once a repaint.
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
                complain(path, std::fs::write(path, text).map_err(|e| e.to_string()));
            }
            match self.plan.screenshot.clone() {
                None => self.pictured.store(true, Ordering::Release),
                Some(path) => {
                    let (done, again) = (self.pictured.clone(), ctx.clone());
                    ctx.request_screenshot(move |picture| {
                        complain(&path, save(&path, &picture));
                        done.store(true, Ordering::Release);
                        again.request_repaint();
                    });
                }
            }
        }
        if self.pictured.load(Ordering::Acquire) {
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

fn complain(path: &Path, outcome: Result<(), String>) {
    if let Err(reason) = outcome {
        log::error!("{} cannot be written ({reason}): choose another place", path.display());
    }
}
