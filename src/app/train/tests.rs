//! The training panel in the window: from the menu to a finished run, with a tiny network on the CPU.

use super::{CloseState, TrainPhase, TrainTab};
use crate::app::actions::AppAction;
use crate::app::tests::{WindowHarness, state, until, until_within, window};
use crate::data::SetSource;
use crate::gpu::DeviceChoice;
use crate::live::fakes::{Scripted, free, loader};
use crate::live::{ModelStatus, Transport};
use crate::train::TrainConfig;
use egui_kittest::kittest::{NodeT, Queryable};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(240);

/// A network of one layer on four drawn people.
fn tiny(folder: &Path, steps: u64) -> TrainConfig {
    let mut config = TrainConfig::default();
    config.model.depth = 1;
    config.model.freeze_backbone = true;
    config.data.train = vec![SetSource::Mannequin(Some(4)).into()];
    config.data.val = Some(SetSource::Mannequin(None));
    config.schedule.steps = steps;
    config.schedule.batch = 2;
    config.run.out = folder.join("run");
    config.run.device = DeviceChoice::Cpu;
    config.run.log_steps = 1;
    config.run.val_steps = 4;
    config
}

/// A window with the panel open and `config` in its form.
fn panel(config: TrainConfig) -> WindowHarness {
    let mut harness = window();
    let training = &mut state(&mut harness).state.training;
    training.open = true;
    training.form = super::TrainForm::new(config);
    harness.step();
    harness.step();
    harness
}

fn click(harness: &mut WindowHarness, label: &str) {
    harness.get_by_label(label).click();
    harness.step();
    harness.step();
}

#[test]
fn the_panel_opens_from_the_menu_and_says_what_is_missing() {
    let mut harness = window();
    click(&mut harness, "Tools");
    harness.get_by_label_contains("Train…").click();
    harness.step();
    harness.step();
    assert!(state(&mut harness).state.training.open);
    // Said at the field and beside the button, which cannot be pressed yet.
    let missing = "Choose training data: add a folder, or the mannequin.";
    assert_eq!(harness.get_all_by_label(missing).count(), 2);
    assert!(harness.get_by_label("Start training").accesskit_node().is_disabled());
    // The right panel has given its place, and comes back.
    assert!(harness.query_by_label("Timings").is_none());
    click(&mut harness, "Close the training panel");
    harness.get_by_label("Timings");
}

#[test]
fn a_wrong_setting_is_said_at_its_field_until_it_is_put_right() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = tiny(dir.path(), 4);
    config.data.val = Some(dir.path().join("nobody/here").into());
    let mut harness = panel(config);
    assert_eq!(harness.get_all_by_label_contains("There is no folder").count(), 2);
    assert!(harness.get_by_label("Start training").accesskit_node().is_disabled());
    // Even when it is pressed by other means, nothing starts.
    let ctx = harness.ctx.clone();
    state(&mut harness).executor(&ctx).execute(AppAction::StartTraining);
    assert!(!state(&mut harness).state.training.running);

    state(&mut harness).state.training.form.config.data.val = None;
    harness.step();
    harness.step();
    harness.get_by_label_contains("Ready: tmpose-t on one set, 4 steps.");
    assert!(!harness.get_by_label("Start training").accesskit_node().is_disabled());
}

#[test]
fn the_panel_keeps_its_width_whatever_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let mut harness = panel(tiny(dir.path(), 40));
    let left = |harness: &WindowHarness| harness.get_by_label("Train").rect().left();
    let before = left(&harness);
    let training = &mut state(&mut harness).state.training;
    training.run = Some(training.form.config.clone());
    training.tab = TrainTab::Progress;
    for step in 1..4 {
        let event = serde_json::json!({
            "event": "step", "step": step, "steps": 40, "epoch": 0.1, "loss": 0.000351, "mse": 0.000123,
            "cross_entropy": 0.000228, "learning_rate": 2.743e-6, "gradient": 0.5, "milliseconds_a_step": 100.0,
            "samples_a_second": 320.0, "waiting": 0.0, "seconds_left": 60.0,
        });
        training.progress.record(&serde_json::from_value(event).unwrap(), Instant::now());
    }
    let long = "A sentence that is much longer than the panel is wide, and breaks into several lines.";
    for phase in [
        TrainPhase::Training,
        TrainPhase::Stopped { step: 3 },
        TrainPhase::Finished { step: 3, seconds: 1.0 },
        TrainPhase::Failed(long.into()),
    ] {
        state(&mut harness).state.training.progress.phase = phase;
        (0..8).for_each(|_| harness.step());
        assert_eq!(left(&harness), before);
    }
    harness.get_by_label("learning rate 2.74e-6");
}

#[test]
fn a_training_runs_beside_the_viewer_stops_and_goes_on_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut harness = panel(tiny(dir.path(), 40));
    let window = state(&mut harness);
    window.services.pipeline.load(Some(loader(free(&Arc::default()))));
    let playing = Transport { playing: true, looping: true };
    let sources = Arc::default();
    window.state.source.number =
        window.services.pipeline.open_with(Box::new(move || Ok(Scripted::boxed(300, &sources))), playing);
    window.state.source_changed();
    until(&mut harness, "the first result", |w| w.state.view.result().is_some());

    click(&mut harness, "Start training");
    assert_eq!(state(&mut harness).state.training.tab, TrainTab::Progress);
    let before = state(&mut harness).state.view.result().unwrap().number;
    until_within(&mut harness, LONG, "the first validation", |w| w.state.training.progress.best.is_some());
    assert!(state(&mut harness).state.view.result().unwrap().number > before, "the viewer went on meanwhile");

    click(&mut harness, "Stop");
    until_within(&mut harness, LONG, "the stop", |w| !w.state.training.running);
    harness.step();
    let TrainPhase::Stopped { step } = state(&mut harness).state.training.progress.phase else {
        panic!("{:?}", state(&mut harness).state.training.progress.phase)
    };
    assert_eq!(state(&mut harness).state.training.progress.saved, Some(step));
    harness.get_by_label_contains("everything is saved");

    click(&mut harness, "Resume");
    until_within(&mut harness, LONG, "the end", |w| !w.state.training.running);
    harness.step();
    let progress = &state(&mut harness).state.training.progress;
    assert!(matches!(progress.phase, TrainPhase::Finished { step: 40, .. }), "{:?}", progress.phase);
    let steps: Vec<u64> = progress.curve.points().map(|p| p.step as u64).collect();
    assert_eq!(steps, (1..=40).collect::<Vec<_>>(), "the curve has every step once");
    assert_eq!(
        progress.validations.iter().map(|v| v.step).collect::<Vec<_>>(),
        (1..=10).map(|n| 4 * n).collect::<Vec<_>>()
    );
    assert_eq!(progress.table.len(), 4, "the finished weights at four keep ratios");
    harness.get_by_label("Accuracy");

    click(&mut harness, "Show the best weights");
    until_within(
        &mut harness,
        LONG,
        "the trained network in the viewer",
        |w| matches!(w.services.pipeline.model(), ModelStatus::Ready(m) if m.path.ends_with("best.safetensors")),
    );
    // The folder is taken now; another training gets another one.
    click(&mut harness, "New training");
    assert!(state(&mut harness).state.training.form.config.run.out.ends_with("run-2"));
    assert!(!harness.get_by_label("Start training").accesskit_node().is_disabled());
}

#[test]
fn a_run_is_gone_on_with_from_its_folder_with_its_curves() {
    let dir = tempfile::tempdir().unwrap();
    let mut harness = panel(tiny(dir.path(), 12));
    click(&mut harness, "Start training");
    until_within(&mut harness, LONG, "a few steps", |w| w.state.training.progress.step() >= 2);
    let ctx = harness.ctx.clone();
    state(&mut harness).executor(&ctx).execute(AppAction::StopTraining);
    until_within(&mut harness, LONG, "the stop", |w| !w.state.training.running);

    // Another window, another day.
    let mut harness = window();
    let ctx = harness.ctx.clone();
    state(&mut harness).state.training.open = true;
    state(&mut harness).executor(&ctx).execute(AppAction::ResumeFolder(dir.path().into()));
    harness.step();
    harness.step();
    harness.get_by_label_contains("holds no training");
    // Its folder in the form is enough; the other settings are the run's own.
    state(&mut harness).state.training.form = super::TrainForm::new(tiny(dir.path(), 99));
    harness.step();
    harness.step();
    click(&mut harness, "Resume this run");
    until_within(&mut harness, LONG, "the end", |w| !w.state.training.running);
    let progress = &state(&mut harness).state.training.progress;
    assert!(matches!(progress.phase, TrainPhase::Finished { step: 12, .. }), "{:?}", progress.phase);
    let steps: Vec<u64> = progress.curve.points().map(|p| p.step as u64).collect();
    assert_eq!(steps, (1..=12).collect::<Vec<_>>());
}

#[test]
fn an_error_is_a_sentence_in_the_panel() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = tiny(dir.path(), 4);
    // It is there, and it is no weights file.
    let broken = dir.path().join("broken.safetensors");
    std::fs::write(&broken, b"no weights").unwrap();
    config.model.init = Some(broken);
    let mut harness = panel(config);
    click(&mut harness, "Start training");
    until_within(&mut harness, LONG, "the error", |w| !w.state.training.running);
    harness.step();
    harness.get_by_label_contains("broken.safetensors");
    assert!(matches!(state(&mut harness).state.training.progress.phase, TrainPhase::Failed(_)));
    assert!(state(&mut harness).state.training.best_weights().is_none());
    harness.get_by_label("The training could not begin");
    // Nothing was made, so the form comes back with the folder it had.
    click(&mut harness, "Change the settings");
    assert_eq!(state(&mut harness).state.training.tab, TrainTab::Settings);
    assert!(state(&mut harness).state.training.form.config.run.out.ends_with("run"));
}

#[test]
fn a_window_that_closes_asks_and_saves_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut harness = panel(tiny(dir.path(), 100_000));
    click(&mut harness, "Start training");
    until_within(&mut harness, LONG, "a few steps", |w| w.state.training.progress.step() >= 2);
    let close = |harness: &mut WindowHarness| {
        let viewport = harness.input_mut().viewports.entry(egui::ViewportId::ROOT).or_default();
        viewport.events.push(egui::ViewportEvent::Close);
        harness.step();
        harness.step();
    };
    close(&mut harness);
    harness.get_by_label("A training is running");
    click(&mut harness, "Keep training");
    assert!(harness.query_by_label("A training is running").is_none());
    assert!(state(&mut harness).state.training.running && !state(&mut harness).state.training.stopping);

    close(&mut harness);
    click(&mut harness, "Stop, save and close");
    until_within(&mut harness, LONG, "the closing", |w| w.state.training.closing == CloseState::Closing);
    let training = &state(&mut harness).state.training;
    assert!(training.progress.saved.is_some() && !training.running);
    assert!(dir.path().join("run/checkpoint.safetensors").is_file());
}
