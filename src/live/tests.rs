//! The pipeline with a scripted source and a scripted network. Where a test says "never waits", the
//! network is held at a gate that only the test opens, so that waiting would be a deadlock.

use super::fakes::{Scripted, TICK, free, loader, wait_for};
use super::*;
use crate::infer::{InferError, Settings};
use crate::source::SourceError;
use crossbeam_channel::bounded;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn pipeline() -> Pipeline {
    Pipeline::new(LiveSettings::default(), Arc::new(|| ())).unwrap()
}

fn ratio(keep_ratio: f64) -> LiveSettings {
    LiveSettings { infer: Settings { keep_ratio, ..Settings::default() }, heatmaps: false }
}

/// A pipeline whose network answers at once.
fn with_network() -> Pipeline {
    let mut live = pipeline();
    live.load(Some(loader(free(&Arc::default()))));
    ready(&live);
    live
}

/// Opens the scripted source.
fn play(live: &mut Pipeline, frames: u64, transport: Transport) {
    let sources = Arc::default();
    live.open_with(Box::new(move || Ok(Scripted::boxed(frames, &sources))), transport);
}

const PLAYING: Transport = Transport { playing: true, looping: false };
const PAUSED: Transport = Transport { playing: false, looping: false };

fn ready(pipeline: &Pipeline) {
    wait_for("the model's loading", || matches!(pipeline.model(), ModelStatus::Ready(_)).then_some(()));
}

#[test]
fn the_window_side_never_waits_while_the_network_is_busy() {
    let alive = Arc::default();
    let (gate, closed) = bounded(0);
    let (entered, inside) = bounded(1);
    let mut live = pipeline();
    let mut fake = free(&alive);
    (fake.gate, fake.entered) = (Some(closed), Some(entered));
    live.load(Some(loader(fake)));
    play(&mut live, 1000, PLAYING);
    inside.recv_timeout(Duration::from_secs(10)).unwrap();

    // The network is held inside a frame, and everything the window may do still returns.
    for n in 0..100 {
        assert!(live.take_result().is_none());
        live.set_settings(ratio(0.6 + f64::from(n) / 1000.0));
        live.seek(TICK * n);
        live.set_transport(PLAYING);
        let _ = (live.model(), live.measured(), live.source(), live.take_preview(), live.dropped_frames());
    }
    drop(gate);
    let result = wait_for("a result", || live.take_result());
    assert_eq!(result.estimates.len(), 1);
}

#[test]
fn the_network_takes_the_newest_frame_and_what_it_missed_is_counted() {
    let alive = Arc::default();
    let (gate, closed) = bounded(0);
    let (entered, inside) = bounded(1);
    let mut live = pipeline();
    let mut fake = free(&alive);
    (fake.gate, fake.entered) = (Some(closed), Some(entered));
    live.load(Some(loader(fake)));
    ready(&live);
    play(&mut live, 6, PLAYING);
    // The first frame is inside; the others arrive meanwhile, and only the last is left.
    inside.recv_timeout(Duration::from_secs(10)).unwrap();
    wait_for("the end of the source", || live.source().filter(|s| s.ended));
    gate.send(()).unwrap();
    let first = wait_for("the first result", || live.take_result());
    gate.send(()).unwrap();
    let second = wait_for("the second result", || live.take_result());
    assert!(first.frame.frame.sequence < 5);
    assert_eq!(second.frame.frame.sequence, 5);
    assert_eq!(live.dropped_frames(), 4);
    assert_eq!(live.source().unwrap().frames, 6);
}

#[test]
fn a_settings_change_shows_in_the_next_result_also_when_paused() {
    let mut live = with_network();
    play(&mut live, 9, PAUSED);
    let before = wait_for("the first result", || live.take_result());
    assert_eq!(before.kept.len(), 256);
    live.set_settings(ratio(0.6));
    let after = wait_for("the same frame with the new settings", || live.take_result());
    assert_eq!((after.frame.frame.sequence, after.kept.len()), (before.frame.frame.sequence, 153));
    assert_eq!(after.settings, ratio(0.6));
    assert_eq!(live.measured().history.iter().len(), 2);
}

#[test]
fn the_transport_steps_seeks_plays_to_the_end_and_loops() {
    let mut live = with_network();
    play(&mut live, 8, PAUSED);
    let shown = |live: &Pipeline| wait_for("a frame", || live.take_result()).frame.frame.timestamp / 10;
    assert_eq!(shown(&live), Duration::from_millis(0));
    live.step(1);
    assert_eq!(shown(&live), Duration::from_millis(1));
    live.step(-1);
    assert_eq!(shown(&live), Duration::from_millis(0));
    live.seek(TICK * 5);
    assert_eq!(shown(&live), Duration::from_millis(5));

    live.set_transport(PLAYING);
    let end = wait_for("the end", || live.source().filter(|s| s.ended));
    assert_eq!((end.position, live.transport().playing), (TICK * 7, false));
    while live.take_result().is_some() {}
    // Play at the end starts again; with the loop on it passes the end.
    live.set_transport(Transport { playing: true, looping: true });
    wait_for("two rounds", || live.source().filter(|s| s.frames > 30));
    assert!(!live.source().unwrap().ended);
}

#[test]
fn a_new_source_replaces_the_old_one_and_dropping_the_pipeline_ends_every_thread() {
    let (models, sources) = (Arc::default(), Arc::<AtomicUsize>::default());
    let mut live = pipeline();
    live.load(Some(loader(free(&models))));
    ready(&live);
    for round in 1..=5 {
        let number = live.open_with(
            Box::new({
                let sources = Arc::clone(&sources);
                move || {
                    // Two threads never hold one camera.
                    assert_eq!(sources.load(Ordering::SeqCst), 0);
                    Ok(Scripted::boxed(1000, &sources))
                }
            }),
            PLAYING,
        );
        assert_eq!(number, round);
        wait_for("a frame of the new source", || live.take_result().filter(|r| r.frame.source == number));
    }
    // A new model replaces the old one as well.
    live.load(Some(loader(free(&models))));
    ready(&live);
    assert_eq!(models.load(Ordering::SeqCst), 1);
    drop(live);
    assert_eq!((models.load(Ordering::SeqCst), sources.load(Ordering::SeqCst)), (0, 0));
}

#[test]
fn errors_of_a_source_are_shown_and_not_fatal() {
    let mut live = pipeline();
    live.open_with(Box::new(|| Err(SourceError::NoCamera)), PLAYING);
    let status = wait_for("the error", || live.source().filter(|s| s.error.is_some()));
    assert!(!status.opening && status.info.is_none());
    assert_eq!(status.error, Some(SourceError::NoCamera.to_string()));

    // A failure on the way keeps the frames so far.
    let sources = Arc::default();
    live.open_with(
        Box::new(move || {
            let mut source = Scripted::new(9, &sources);
            source.fail_at = Some(3);
            Ok(Box::new(source))
        }),
        PLAYING,
    );
    let status = wait_for("the second error", || live.source().filter(|s| s.ended));
    assert_eq!((status.frames, status.error.is_some()), (3, true));
    assert_eq!(live.take_preview().unwrap().frame.sequence, 2);

    // A panic in a decoder is an error like the others.
    live.open_with(Box::new(|| panic!("scripted")), PLAYING);
    let status = wait_for("the panic's message", || live.source().filter(|s| s.error.is_some()));
    assert!(status.error.unwrap().contains("open it again"));
}

#[test]
fn a_failing_network_is_reported_and_works_again_with_other_settings() {
    let alive = Arc::default();
    let mut live = pipeline();
    live.load(Some(Box::new(|| Err(InferError::KeepRatio(2.0)))));
    wait_for("the failure", || matches!(live.model(), ModelStatus::Failed(_)).then_some(()));
    live.load(Some(loader(free(&alive))));
    ready(&live);
    let sources = Arc::default();
    live.open_with(Box::new(move || Ok(Scripted::boxed(9, &sources))), PAUSED);
    wait_for("a result", || live.take_result());

    live.set_settings(ratio(0.5));
    let error = wait_for("the panic's message", || live.measured().error);
    assert!(error.contains("half of the tokens"), "{error}");
    live.set_settings(ratio(0.25));
    assert_eq!(wait_for("a result", || live.take_result()).kept.len(), 64);
    assert_eq!(live.measured().error, None);
}
