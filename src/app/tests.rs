//! The window with a scripted source and a scripted network, read by its labels.

use super::commands::Command;
use super::preferences::Preferences;
use super::theme;
use super::window::Window;
use crate::live::fakes::{self, Scripted, free, loader};
use crate::live::{ModelStatus, Transport};
use crate::source::{SourceError, SourceSpec};
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) type Harnessed = Harness<'static, Option<Window>>;

/// The window at its usual size, without a source and a model.
pub(super) fn window() -> Harnessed {
    let mut harness = Harness::builder()
        .with_size(egui::vec2(1360.0, 840.0))
        // The window's fonts must be there before its first frame.
        .with_context_setup(theme::apply)
        .build_ui_state(
            |ui, state: &mut Option<Window>| {
                let ctx = ui.ctx().clone();
                let start = || Window::new(&ctx, Preferences::default(), Default::default()).unwrap();
                state.get_or_insert_with(start).ui(ui);
            },
            None,
        );
    harness.step();
    harness
}

pub(super) fn state(harness: &mut Harnessed) -> &mut Window {
    harness.state_mut().as_mut().unwrap()
}

/// A window whose network answers at once, on a paused source.
fn running() -> Harnessed {
    let mut harness = window();
    let window = state(&mut harness);
    window.live.load(Some(loader(free(&Arc::default()))));
    let paused = Transport { playing: false, looping: false };
    let sources = Arc::default();
    window.source = window.live.open_with(Box::new(move || Ok(Scripted::boxed(300, &sources))), paused);
    window.spec = Some(SourceSpec::Video("scripted.mp4".into()));
    window.opened();
    until(&mut harness, "the first result", |w| w.viewer.result().is_some());
    harness.step();
    harness
}

/// Steps the window until something holds; fails after ten seconds.
pub(super) fn until(harness: &mut Harnessed, what: &str, holds: impl FnMut(&mut Window) -> bool) {
    until_within(harness, Duration::from_secs(10), what, holds);
}

/// Like [`until`], for work that takes long.
pub(super) fn until_within(
    harness: &mut Harnessed,
    time: Duration,
    what: &str,
    mut holds: impl FnMut(&mut Window) -> bool,
) {
    let start = Instant::now();
    while start.elapsed() < time {
        harness.step();
        if holds(state(harness)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("{what} did not happen");
}

#[test]
fn the_token_slider_changes_its_text_and_the_next_result() {
    let mut harness = running();
    harness.get_by_label("tokens kept 100 % (256 of 256)");
    harness.get_by_role_and_label(egui::Role::Slider, "Keep").set_value_accesskit(60.0);
    harness.step();
    harness.step();
    harness.get_by_label("tokens kept 60 % (153 of 256)");
    // The source is paused, and still the picture on show is estimated again with fewer tokens.
    until(&mut harness, "a result with fewer tokens", |w| {
        w.viewer.result().is_some_and(|r| r.kept.len() == 153 && r.frame.frame.sequence == 0)
    });
}

#[test]
fn the_device_and_its_speed_are_always_on_show() {
    let mut harness = running();
    harness.get_by_label_contains("CPU, ");
    harness.get_by_label("tmpose-t, COCO-17");
    harness.get_by_label("network");
    // Hiding the panels leaves the status bar.
    state(&mut harness).preferences.left_panel = false;
    state(&mut harness).preferences.right_panel = false;
    harness.step();
    harness.step();
    assert!(harness.query_by_label("Timings").is_none());
    harness.get_by_label_contains("CPU, ");
}

#[test]
fn a_software_gpu_is_warned_of() {
    let mut harness = window();
    let (estimator, mut summary) = (free(&Arc::default()), fakes::summary());
    summary.device.software = true;
    summary.device.backend = "Vulkan".into();
    summary.device.name = "llvmpipe".into();
    summary.device.note = Some("llvmpipe emulates a GPU.".into());
    state(&mut harness).live.load(Some(Box::new(move || Ok((Box::new(estimator), summary)))));
    until(&mut harness, "the model", |w| matches!(w.live.model(), ModelStatus::Ready(_)));
    harness.step();
    harness.get_by_label("llvmpipe (Vulkan)");
    harness.get_by_label("software GPU");
    // The note is said once, over the picture, and can be put away.
    harness.get_by_label("llvmpipe emulates a GPU.");
    harness.get_by_label("Dismiss").click();
    harness.step();
    harness.step();
    assert!(harness.query_by_label("llvmpipe emulates a GPU.").is_none());
}

#[test]
fn without_weights_the_window_says_where_to_get_them_and_goes_on() {
    let mut harness = window();
    harness.get_by_label("No model is loaded");
    harness.get_by_label_contains("tmpose-t-coco17.safetensors");
    let sources = Arc::default();
    let playing = Transport { playing: true, looping: false };
    let window = state(&mut harness);
    window.source = window.live.open_with(Box::new(move || Ok(Scripted::boxed(300, &sources))), playing);
    window.opened();
    until(&mut harness, "a picture", |w| w.viewer.frame().is_some_and(|f| f.frame.sequence > 3));
}

#[test]
fn an_error_of_the_source_is_shown_with_the_way_out() {
    let mut harness = window();
    let window = state(&mut harness);
    window.source = window.live.open_with(Box::new(|| Err(SourceError::NoCamera)), Transport::default());
    window.opened();
    until(&mut harness, "the error", |w| w.live.source().is_some_and(|s| s.error.is_some()));
    harness.step();
    harness.get_by_label(&SourceError::NoCamera.to_string());
    harness.get_by_label("Open the source again");
}

#[test]
fn keys_and_the_palette_run_commands() {
    let mut harness = running();
    assert!(!state(&mut harness).live.transport().playing);
    harness.key_press(Key::Space);
    until(&mut harness, "playing", |w| w.live.transport().playing);
    harness.key_press(Key::Space);
    until(&mut harness, "the pause", |w| !w.live.transport().playing);

    harness.key_press_modifiers(Modifiers::COMMAND, Key::P);
    harness.step();
    harness.step();
    harness.get_by_label("Find a command").type_text("kept tokens");
    harness.step();
    harness.key_press(Key::Enter);
    harness.step();
    harness.step();
    assert!(state(&mut harness).preferences.layers.tokens);
    assert!(harness.query_by_label("Find a command").is_none());
}

#[test]
fn stepping_through_heatmaps_goes_around_all_joints() {
    let mut harness = running();
    let ctx = harness.ctx.clone();
    let shown = |harness: &mut Harnessed| state(harness).preferences.layers.heatmap_joint;
    let first = shown(&mut harness);
    for _ in 0..17 {
        state(&mut harness).run(&ctx, Command::NextJoint);
        assert_ne!(shown(&mut harness), first);
    }
    state(&mut harness).run(&ctx, Command::NextJoint);
    assert_eq!(shown(&mut harness), first);
    state(&mut harness).run(&ctx, Command::PreviousJoint);
    harness.step();
    harness.step();
    harness.get_by_label("Joint");
}

#[test]
fn the_report_names_device_source_and_settings() {
    let mut harness = running();
    let report = super::report::report(state(&mut harness));
    assert_eq!(report["model"]["variant"], "tmpose-t");
    assert_eq!(report["source"]["title"], "scripted");
    assert_eq!(report["settings"]["mask"], "progressive");
    assert_eq!(report["result"]["kept_tokens"], 256);
}
