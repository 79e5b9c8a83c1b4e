//! The window with a scripted source and a scripted network, read by its labels.

use super::commands::AppCommand;
use super::state::{FollowChoice, KeypointDisplay, PointerMode, Preferences};
use super::theme;
use super::window::Window;
use crate::gpu::ComputeDevice;
use crate::live::fakes::{self, Scripted, free, loader};
use crate::live::{DetectorStatus, ModelStatus, Transport};
use crate::model::KeepRatio;
use crate::source::{Source, SourceError, SourceSpec};
use crate::track::FollowMode;
use egui::{Key, Modifiers, PointerButton, Pos2, Rect, Vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) type WindowHarness = Harness<'static, Option<Window>>;

/// The window at its usual size, without a source and a model.
pub(super) fn window() -> WindowHarness {
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

pub(super) fn state(harness: &mut WindowHarness) -> &mut Window {
    harness.state_mut().as_mut().unwrap()
}

/// A window whose network answers at once, on a paused source.
fn running() -> WindowHarness {
    let mut harness = window();
    let window = state(&mut harness);
    window.services.pipeline.load(Some(loader(free(&Arc::default()))));
    let paused = Transport { playing: false, looping: false };
    let sources = Arc::default();
    window.state.source.number =
        window.services.pipeline.open_with(Box::new(move || Ok(Scripted::boxed(300, &sources))), paused);
    window.state.source.spec = Some(SourceSpec::Video("scripted.mp4".into()));
    window.state.source_changed();
    until(&mut harness, "the first result", |w| w.state.view.result().is_some());
    harness.step();
    harness
}

/// The same with a detector that finds three people side by side in the picture of 64 by 48 pixels.
fn crowded() -> WindowHarness {
    let mut harness = running();
    state(&mut harness).services.pipeline.load_detector(Some(fakes::finder(
        &[4.0, 24.0, 44.0],
        &Arc::default(),
        &Arc::default(),
    )));
    until(&mut harness, "three people", |w| w.state.view.result().is_some_and(|r| r.people.len() == 3));
    harness.step();
    harness
}

/// The screen position of a pixel of a 64 x 48 picture.
fn on_screen(harness: &WindowHarness, x: f32, y: f32) -> Pos2 {
    let area = harness.get_by_label("picture").rect();
    let shown = Vec2::new(64.0, 48.0) * (area.size() / Vec2::new(64.0, 48.0)).min_elem();
    let picture = Rect::from_center_size(area.center(), shown);
    picture.min + Vec2::new((x + 0.5) / 64.0, (y + 0.5) / 48.0) * picture.size()
}

/// Presses the mouse at one pixel of the picture and lets it go at another.
fn drag(harness: &mut WindowHarness, from: [f32; 2], to: [f32; 2]) {
    let [from, to] = [from, to].map(|[x, y]| on_screen(harness, x, y));
    let button = |pos, pressed| egui::Event::PointerButton {
        pos,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    harness.event(egui::Event::PointerMoved(from));
    harness.step();
    harness.event(button(from, true));
    harness.step();
    if from != to {
        harness.event(egui::Event::PointerMoved(to));
        harness.step();
    }
    harness.event(button(to, false));
    harness.step();
}

fn click(harness: &mut WindowHarness, x: f32, y: f32) {
    drag(harness, [x, y], [x, y]);
}

/// Steps the window until something holds; fails after ten seconds.
pub(super) fn until(harness: &mut WindowHarness, what: &str, holds: impl FnMut(&mut Window) -> bool) {
    until_within(harness, Duration::from_secs(10), what, holds);
}

/// Like [`until`], for work that takes long.
pub(super) fn until_within(
    harness: &mut WindowHarness,
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
    // The source is paused, and still the picture on display is estimated again with fewer tokens.
    until(&mut harness, "a result with fewer tokens", |w| {
        w.state.view.result().is_some_and(|r| r.kept.of(0).len() == 153 && r.frame.frame.sequence == 0)
    });
}

#[test]
fn the_device_and_its_speed_are_always_visible() {
    let mut harness = running();
    harness.get_by_label_contains("CPU, ");
    harness.get_by_label("tmpose-t, COCO-17");
    harness.get_by_label("network");
    // Hiding the panels leaves the status bar.
    state(&mut harness).state.preferences.left_panel = false;
    state(&mut harness).state.preferences.right_panel = false;
    harness.step();
    harness.step();
    assert!(harness.query_by_label("Timings").is_none());
    harness.get_by_label_contains("CPU, ");
}

#[test]
fn a_software_gpu_is_warned_of() {
    let mut harness = window();
    let (estimator, mut summary) = (free(&Arc::default()), fakes::summary());
    summary.device = ComputeDevice::emulated_for_test();
    state(&mut harness).services.pipeline.load(Some(Box::new(move || Ok((Box::new(estimator), summary)))));
    until(&mut harness, "the model", |w| matches!(w.services.pipeline.model(), ModelStatus::Ready(_)));
    harness.step();
    harness.get_by_label("llvmpipe (Vulkan)");
    harness.get_by_label("software GPU");
    // The note appears once, over the picture, and can be dismissed.
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
    window.state.source.number =
        window.services.pipeline.open_with(Box::new(move || Ok(Scripted::boxed(300, &sources))), playing);
    window.state.source_changed();
    until(&mut harness, "a picture", |w| w.state.view.frame().is_some_and(|f| f.frame.sequence > 3));
}

#[test]
fn an_error_of_the_source_is_shown_with_the_way_out() {
    let mut harness = window();
    let window = state(&mut harness);
    window.state.source.number =
        window.services.pipeline.open_with(Box::new(|| Err(SourceError::NoCamera)), Transport::default());
    window.state.source_changed();
    until(&mut harness, "the error", |w| w.services.pipeline.source().is_some_and(|s| s.error.is_some()));
    harness.step();
    harness.get_by_label(&SourceError::NoCamera.to_string());
    harness.get_by_label("Open the source again");
}

#[test]
fn keys_and_the_palette_run_commands() {
    let mut harness = running();
    assert!(!state(&mut harness).services.pipeline.transport().playing);
    harness.key_press(Key::Space);
    until(&mut harness, "playing", |w| w.services.pipeline.transport().playing);
    harness.key_press(Key::Space);
    until(&mut harness, "the pause", |w| !w.services.pipeline.transport().playing);

    harness.key_press_modifiers(Modifiers::COMMAND, Key::P);
    harness.step();
    harness.step();
    harness.get_by_label("Find a command").type_text("kept tokens");
    harness.step();
    harness.key_press(Key::Enter);
    harness.step();
    harness.step();
    assert!(state(&mut harness).state.preferences.layers.tokens);
    assert!(harness.query_by_label("Find a command").is_none());
}

#[test]
fn stepping_through_heatmaps_goes_around_all_joints() {
    let mut harness = running();
    let ctx = harness.ctx.clone();
    let shown = |harness: &mut WindowHarness| state(harness).state.preferences.layers.heatmap_joint;
    let first = shown(&mut harness);
    for _ in 0..17 {
        state(&mut harness).run(&ctx, AppCommand::NextJoint);
        assert_ne!(shown(&mut harness), first);
    }
    state(&mut harness).run(&ctx, AppCommand::NextJoint);
    assert_eq!(shown(&mut harness), first);
    state(&mut harness).run(&ctx, AppCommand::PreviousJoint);
    harness.step();
    harness.step();
    harness.get_by_label("Joint");
}

#[test]
fn the_report_names_device_source_and_settings() {
    let mut harness = running();
    let report = super::report::report(&state(&mut harness).state);
    assert_eq!(report["model"]["variant"], "tmpose-t");
    assert_eq!(report["source"]["title"], "scripted");
    assert_eq!(report["settings"]["mask"], "progressive");
    assert_eq!(report["result"]["kept_tokens"], 256);
    assert_eq!(report["detector"]["status"], "none");
    assert_eq!(report["settings"]["follow"]["mode"], "all");
    assert!(report["frame_age_ms"]["to_screen"]["p95"].is_number(), "{report:#}");
    assert!(report["times_ms"]["track"]["p50"].is_number() && report["times_ms"]["detect"].is_null());
}

#[test]
fn a_network_that_takes_five_seconds_a_frame_does_not_hold_up_the_window() {
    let mut harness = window();
    let alive = Arc::default();
    let (entered, inside) = crossbeam_channel::bounded(1);
    let mut slow = free(&alive);
    (slow.pause, slow.entered) = (Duration::from_secs(5), Some(entered));
    let window = state(&mut harness);
    window.services.pipeline.load(Some(loader(slow)));
    let sources = Arc::default();
    let playing = Transport { playing: true, looping: true };
    window.state.source.number =
        window.services.pipeline.open_with(Box::new(move || Ok(Scripted::boxed(300, &sources))), playing);
    window.state.source_changed();
    inside.recv_timeout(Duration::from_secs(10)).unwrap();
    // The network is in a frame from here on, and the window is used as a user would.
    let mut times = Vec::new();
    for n in 0..100 {
        if n % 10 == 0 {
            let window = state(&mut harness);
            window.state.preferences.keep_ratio = KeepRatio::new(0.6 + f64::from(n) / 1000.0).unwrap();
            window.services.pipeline.seek(Duration::from_millis(n as u64));
        }
        let clock = Instant::now();
        harness.step();
        times.push(clock.elapsed());
    }
    assert!(state(&mut harness).state.view.result().is_none(), "the network was busy all the time");
    times.sort_unstable();
    let (median, slowest) = (times[times.len() / 2], times[times.len() - 1]);
    assert!(median < Duration::from_millis(16), "{median:?}");
    // A busy machine may hold up one repaint, but nothing waits for the network.
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
}

#[test]
fn a_click_on_a_person_follows_it_and_a_click_beside_or_escape_follows_everybody() {
    let mut harness = crowded();
    harness.get_by_label("3");
    harness.get_by_label("people");
    click(&mut harness, 30.0, 24.0);
    until(&mut harness, "one person", |w| w.state.view.result().is_some_and(|r| r.people.len() == 1));
    let window = state(&mut harness);
    assert!(
        matches!(window.state.selection.target, Some(FollowMode::Point([x, _])) if (x - 30.0).abs() < 1.0)
    );
    assert_eq!(window.state.selection.choice(FollowMode::All), FollowChoice::Click);
    // Another one, who is not followed now, can be clicked on as well: the detector knows it.
    click(&mut harness, 50.0, 24.0);
    until(&mut harness, "the other person", |w| {
        w.state.view.result().is_some_and(|r| r.people.len() == 1 && r.people[0].bbox.x > 30.0)
    });
    click(&mut harness, 21.0, 2.0);
    until(&mut harness, "everybody", |w| w.state.view.result().is_some_and(|r| r.people.len() == 3));
    click(&mut harness, 30.0, 24.0);
    assert!(state(&mut harness).state.selection.target.is_some());
    harness.key_press(Key::Escape);
    until(&mut harness, "everybody again", |w| w.state.selection.target.is_none());
}

#[test]
fn a_box_is_drawn_by_hand_and_escape_gives_up_drawing_only() {
    let mut harness = crowded();
    harness.key_press(Key::B);
    harness.step();
    assert_eq!(state(&mut harness).state.selection.pointer, PointerMode::Draw);
    harness.get_by_label_contains("Drag a box");
    drag(&mut harness, [22.0, 4.0], [38.0, 44.0]);
    let Some(FollowMode::Drawn(drawn)) = state(&mut harness).state.selection.target else {
        panic!("no box was drawn")
    };
    assert!((drawn.x - 22.0).abs() < 1.0 && (drawn.w - 16.0).abs() < 1.0, "{drawn:?}");
    until(&mut harness, "the drawn box", |w| {
        w.state.view.result().is_some_and(|r| matches!(r.settings.track.mode, FollowMode::Drawn(_)))
    });
    harness.key_press(Key::B);
    harness.step();
    harness.key_press(Key::Escape);
    harness.step();
    let selection = state(&mut harness).state.selection;
    assert_eq!((selection.pointer, selection.target), (PointerMode::Free, Some(FollowMode::Drawn(drawn))));
    // Outside draw mode the same movement moves the picture and chooses nobody.
    drag(&mut harness, [22.0, 4.0], [38.0, 44.0]);
    assert_eq!(state(&mut harness).state.selection.target, Some(FollowMode::Drawn(drawn)));
}

#[test]
fn the_people_panel_says_what_it_does_without_a_detector_and_its_switches_reach_the_tracker() {
    let mut harness = running();
    harness.get_by_label_contains("tmpose-detect.safetensors was not found");
    let ctx = harness.ctx.clone();
    for command in [AppCommand::FollowLargest, AppCommand::ToggleSmoothing, AppCommand::ToggleRaw] {
        state(&mut harness).run(&ctx, command);
    }
    until(&mut harness, "the largest person without a filter", |w| {
        w.state
            .view
            .result()
            .is_some_and(|r| r.settings.track.mode == FollowMode::Largest && !r.settings.track.smoothing.on)
    });
    assert_eq!(state(&mut harness).state.preferences.layers.keypoints, KeypointDisplay::Raw);
    harness.step();
    harness.get_by_label("Smoothing").click();
    // The section unfolds.
    (0..20).for_each(|_| harness.step());
    harness.get_by_role_and_label(egui::Role::Slider, "Cutoff");
}

#[test]
fn a_lost_camera_keeps_its_picture_and_says_that_it_is_tried_again() {
    let mut harness = running();
    let mut opened = 0;
    let window = state(&mut harness);
    window.state.source.number = window.services.pipeline.open_with(
        Box::new(move || -> Result<Box<dyn Source>, SourceError> {
            opened += 1;
            if opened > 1 {
                return Err(SourceError::NoCamera);
            }
            let mut camera = Scripted::camera(&Arc::default());
            camera.fail_at = Some(30);
            Ok(Box::new(camera))
        }),
        Transport { playing: true, looping: false },
    );
    window.state.source_changed();
    until(&mut harness, "the outage", |w| w.services.pipeline.source().is_some_and(|s| s.outage.is_some()));
    harness.step();
    harness.get_by_label("Camera disconnected, trying again");
    harness.get_by_label_contains("the last picture stays");
    harness.get_by_label("Try now").click();
    harness.step();
    let window = state(&mut harness);
    assert!(window.state.view.frame().is_some());
    let report = super::report::report(&window.state);
    assert!(report["source"]["outage"]["reason"].is_string(), "{report:#}");
    // The line above the button changes with every attempt, and may move it from under the pointer.
    for _ in 0..100 {
        if let Some(button) = harness.query_by_label("Close the source") {
            button.click();
        }
        harness.step();
        harness.step();
        if state(&mut harness).services.pipeline.source().is_none() {
            break;
        }
    }
    let window = state(&mut harness);
    assert!(window.services.pipeline.source().is_none() && window.state.view.frame().is_none());
    assert!(matches!(window.services.pipeline.detector(), DetectorStatus::None));
}

#[test]
fn the_accuracy_is_that_of_the_person_nearest_to_the_truth_and_nobody_adds_nothing() {
    use crate::source::TruePerson;
    let mut harness = crowded();
    let window = state(&mut harness);
    let mut result = window.state.view.result().unwrap().clone();
    let second = &result.people[1];
    let keypoints =
        second.pose.keypoints.iter().map(|k| crate::pose::Keypoint { score: 2.0, ..*k }).collect();
    let truth = TruePerson { bbox: second.bbox, keypoints };
    result.frame.frame.truth = Some(Arc::new(vec![truth]));
    let mut accuracy = super::state::LiveAccuracy::default();
    accuracy.add(&result, crate::pose::Skeleton::coco17());
    assert_eq!(accuracy.now().unwrap().error, 0.0);
    result.people.clear();
    accuracy.add(&result, crate::pose::Skeleton::coco17());
    assert_eq!(accuracy.mean().unwrap().1, 1);
}
