//! The pipeline with a scripted source and a scripted network. Where a test says "never waits", the
//! network is held at a gate that only the test opens, so that waiting would be a deadlock.

use super::fakes::{Scripted, TICK, finder, free, loader, unplugged, wait_for};
use super::*;
use crate::infer::{InferError, Settings};
use crate::model::{KeepRatio, TokenBudget};
use crate::source::{Source, SourceError};
use crate::track::{FollowMode, TrackId, TrackSettings};
use crossbeam_channel::bounded;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn pipeline() -> Pipeline {
    Pipeline::new(PeopleTrackerSettings::default(), Arc::new(|| ())).unwrap()
}

fn ratio(share: f64) -> PeopleTrackerSettings {
    let budget = TokenBudget::progressive(KeepRatio::new(share).unwrap());
    PeopleTrackerSettings {
        infer: Settings { budget, ..Settings::default() },
        ..PeopleTrackerSettings::default()
    }
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

/// Loads a detector that finds people at these places; returns how often it was asked.
fn detect(live: &mut Pipeline, at: &[f32]) -> Arc<AtomicUsize> {
    let asked = Arc::default();
    live.load_detector(Some(finder(at, &asked, &Arc::default())));
    wait_for("the detector's loading", || matches!(live.detector(), DetectorStatus::Ready(_)).then_some(()));
    asked
}

fn following(mode: FollowMode) -> PeopleTrackerSettings {
    PeopleTrackerSettings {
        track: TrackSettings { mode, ..TrackSettings::default() },
        ..PeopleTrackerSettings::default()
    }
}

fn ids(result: &LiveResult) -> Vec<TrackId> {
    result.people.iter().map(|p| p.id).collect()
}

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
    assert_eq!(before.kept.of(0).len(), 256);
    live.set_settings(ratio(0.6));
    let after = wait_for("the same frame with the new settings", || live.take_result());
    assert_eq!((after.frame.frame.sequence, after.kept.of(0).len()), (before.frame.frame.sequence, 153));
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
    live.load(Some(Box::new(|| {
        Err(InferError::Box(crate::vision::BBox { x: 0.0, y: 0.0, w: 0.0, h: 0.0 }))
    })));
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
    let again = wait_for("a result", || live.take_result());
    assert_eq!((again.kept.of(0).len(), again.people.len()), (64, 1));
    assert_eq!(live.measured().error, None);
}

#[test]
fn everybody_in_a_frame_is_one_batch_and_keeps_an_id() {
    let mut live = with_network();
    let asked = detect(&mut live, &[4.0, 24.0, 44.0]);
    let warm = asked.load(Ordering::SeqCst);
    play(&mut live, 200, PLAYING);
    let first = wait_for("three people", || live.take_result().filter(|r| r.people.len() == 3));
    let later = wait_for("a later frame", || {
        live.take_result().filter(|r| r.frame.frame.sequence > first.frame.frame.sequence + 20)
    });
    assert_eq!(ids(&later), ids(&first));
    assert!(later.people.iter().all(|p| later.estimates.len() > p.index));
    assert_eq!(later.detections.len(), 3);
    // Between detections the boxes come from the keypoints.
    let frames = live.measured().history.iter().len();
    let looked = asked.load(Ordering::SeqCst) - warm;
    assert!(looked >= 2 && looked < frames / 2, "{looked} detections in {frames} frames");
}

#[test]
fn a_choice_of_people_on_a_paused_frame_looks_at_it_anew_and_asks_the_detector_once() {
    let mut live = with_network();
    let asked = detect(&mut live, &[4.0, 24.0, 44.0]);
    play(&mut live, 9, PAUSED);
    let all = wait_for("three people", || live.take_result().filter(|r| r.people.len() == 3));
    let so_far = asked.load(Ordering::SeqCst);
    live.set_settings(following(FollowMode::Point([30.0, 20.0])));
    let one = wait_for("one person", || live.take_result());
    assert_eq!((one.people.len(), one.frame.frame.sequence), (1, 0));
    assert!((one.people[0].bbox.center()[0] - 30.0).abs() < 6.0, "{:?}", one.people[0].bbox);
    // The others are still known, so that they can be clicked on.
    assert_eq!(one.detections.len(), 3);
    live.set_settings(following(FollowMode::All));
    let again = wait_for("everybody again", || live.take_result());
    assert_eq!(ids(&again), ids(&all));
    assert_eq!(asked.load(Ordering::SeqCst), so_far);
}

#[test]
fn other_settings_of_the_network_on_a_paused_frame_move_nobody_on() {
    let mut live = with_network();
    detect(&mut live, &[4.0, 44.0]);
    play(&mut live, 9, PAUSED);
    wait_for("the first frame", || live.take_result());
    live.step(1);
    let before = wait_for("the second frame", || live.take_result().filter(|r| r.frame.frame.sequence == 1));
    for keep in [0.9, 0.8, 0.7, 0.6] {
        live.set_settings(ratio(keep));
        let after = wait_for("the same frame again", || live.take_result());
        assert_eq!(after.people, before.people, "the same boxes, ids and smoothed joints");
        assert_eq!((after.times.age, after.times.skipped), (None, 0));
    }
}

#[test]
fn without_a_detector_one_person_is_looked_for_in_the_whole_picture() {
    let mut live = with_network();
    assert!(matches!(live.detector(), DetectorStatus::None));
    play(&mut live, 9, PAUSED);
    let result = wait_for("a result", || live.take_result());
    let looked_at = result.estimates[0].crop;
    assert_eq!(result.estimates.len(), 1);
    assert_eq!((looked_at.center[0].round(), looked_at.center[1].round()), (32.0, 24.0));
    assert_eq!((result.detections.len(), result.times.detect), (0, None));
}

#[test]
fn a_detector_that_cannot_be_loaded_says_why_and_the_pipeline_goes_on_without() {
    let mut live = with_network();
    live.load_detector(Some(Box::new(|| Err(crate::gpu::DeviceError::UnknownChoice("tpu".into()).into()))));
    let why = wait_for("the failure", || match live.detector() {
        DetectorStatus::Failed(why) => Some(why),
        _ => None,
    });
    assert!(why.contains("tpu"), "{why}");
    play(&mut live, 9, PAUSED);
    assert_eq!(wait_for("a result", || live.take_result()).estimates.len(), 1);
}

#[test]
fn the_age_and_what_was_skipped_are_measured() {
    let mut live = pipeline();
    let mut slow = free(&Arc::default());
    slow.pause = TICK * 5;
    live.load(Some(loader(slow)));
    ready(&live);
    play(&mut live, 60, PLAYING);
    wait_for("the end", || live.source().filter(|s| s.ended));
    let measured = live.measured();
    let ages = Percentiles::of(measured.history.iter().filter_map(|t| t.age)).unwrap();
    assert!(ages.p50 >= TICK * 5, "{ages:?}");
    assert!(measured.history.iter().all(|t| t.whole >= TICK * 5 && t.stages()[0] == ("detect", None)));
    // Of ten frames a tenth of a second the network takes two.
    let share = skipped_share(measured.history.iter());
    assert!((0.6..0.95).contains(&share), "{share}");
}

/// A camera that can be unplugged and plugged in: while `there`, it opens and sends pictures.
fn pluggable(live: &mut Pipeline, there: &Arc<AtomicUsize>, alive: &Arc<AtomicUsize>, lost_after: u64) {
    let (there, alive) = (there.clone(), alive.clone());
    live.open_with(
        Box::new(move || -> Result<Box<dyn Source>, SourceError> {
            if there.load(Ordering::SeqCst) == 0 {
                return Err(SourceError::NoCamera);
            }
            let mut camera = Scripted::camera(&alive);
            camera.fail_at = Some(lost_after);
            Ok(Box::new(camera))
        }),
        PLAYING,
    );
}

#[test]
fn a_camera_that_is_unplugged_keeps_its_last_picture_and_comes_back_by_itself() {
    let mut live = with_network();
    let (there, alive) = (Arc::new(AtomicUsize::new(1)), Arc::<AtomicUsize>::default());
    pluggable(&mut live, &there, &alive, 20);
    let first = wait_for("a picture", || live.take_result());
    there.store(0, Ordering::SeqCst);
    let lost = wait_for("the outage", || live.source().filter(|s| s.outage.is_some()));
    assert_eq!(lost.outage.unwrap().reason, unplugged().to_string());
    // The camera was given back: who holds it cannot open it again.
    assert_eq!(alive.load(Ordering::SeqCst), 0);
    let tried = wait_for("a try in vain", || live.source()?.outage.filter(|o| o.tries > 0));
    assert_eq!(tried.reason, SourceError::NoCamera.to_string());
    let status = live.source().unwrap();
    assert!(status.error.is_none() && !status.ended && status.info.is_some() && status.frames > 0);
    while live.take_result().is_some() {}

    there.store(1, Ordering::SeqCst);
    live.retry();
    let back = wait_for("a picture of the camera that is back", || live.take_result());
    assert_eq!(back.frame.source, first.frame.source);
    assert!(back.frame.run > first.frame.run, "its pictures do not follow the last one");
    let status = wait_for("the end of the outage", || live.source().filter(|s| s.outage.is_none()));
    assert_eq!(status.returns, 1);
}

#[test]
fn a_camera_that_is_gone_is_let_go_at_once_when_something_else_is_opened() {
    let mut live = with_network();
    let (there, alive) = (Arc::new(AtomicUsize::new(1)), Arc::default());
    pluggable(&mut live, &there, &alive, 5);
    wait_for("a picture", || live.take_preview());
    there.store(0, Ordering::SeqCst);
    wait_for("some tries in vain", || live.source()?.outage.filter(|o| o.tries > 1));
    let number = live.source_number() + 1;
    play(&mut live, 9, PLAYING);
    wait_for("the other source", || live.take_result().filter(|r| r.frame.source == number));
    assert!(live.source().unwrap().outage.is_none());
}

#[test]
fn a_source_that_sends_nothing_is_noticed_while_it_is_waited_for() {
    let mut live = with_network();
    let (release, hold) = bounded::<()>(0);
    let (alive, sources) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let mut hold = Some(hold);
    live.open_with(
        Box::new({
            let alive = Arc::clone(&alive);
            move || -> Result<Box<dyn Source>, SourceError> {
                let mut source = Scripted::new(9, &alive);
                source.hold = hold.take();
                Ok(Box::new(source))
            }
        }),
        PLAYING,
    );
    let status = wait_for("the silence", || live.source().filter(|s| s.silent.is_some()));
    assert!(status.error.is_none() && status.outage.is_none());
    // It can be closed although its thread hangs, and the window does not wait for that.
    let clock = std::time::Instant::now();
    live.close();
    assert!(clock.elapsed() < Duration::from_secs(1) && live.source().is_none());
    live.open_with(Box::new(move || Ok(Scripted::boxed(9, &sources))), PLAYING);
    wait_for("another source", || live.take_result());
    drop(release);
    wait_for("the end of the one that hung", || (alive.load(Ordering::SeqCst) == 0).then_some(()));
}

#[test]
fn a_damaged_video_says_where_and_is_played_again_with_the_loop_on() {
    let mut live = with_network();
    let sources = Arc::default();
    live.open_with(
        Box::new(move || {
            let mut source = Scripted::new(9, &sources);
            source.fail_at = Some(4);
            Ok(Box::new(source))
        }),
        Transport { playing: true, looping: true },
    );
    let status = wait_for("three rounds", || live.source().filter(|s| s.frames > 12));
    assert_eq!((status.error_at, status.ended), (Some(TICK * 3), false));
    assert!(status.error.is_some());
}

#[test]
fn switching_source_model_and_detector_a_hundred_times_leaks_nothing() {
    let wake: Arc<dyn Fn() + Send + Sync> = Arc::new(|| ());
    let mut live = Pipeline::new(PeopleTrackerSettings::default(), wake.clone()).unwrap();
    let count = Arc::<AtomicUsize>::default;
    let (sources, models, finders, asked) = (count(), count(), count(), count());
    for round in 0..100 {
        live.load(Some(loader(free(&models))));
        live.load_detector(Some(finder(&[4.0, 40.0], &asked, &finders)));
        live.set_settings(ratio(0.6 + f64::from(round % 10) / 100.0));
        let alive = Arc::clone(&sources);
        let opened = live.open_with(Box::new(move || Ok(Scripted::boxed(1000, &alive))), PLAYING);
        // Every tenth is waited for; the others are replaced while they still begin.
        if round % 10 == 0 {
            wait_for("a result", || live.take_result().filter(|r| r.frame.source == opened));
        }
    }
    wait_for("the last source and model", || {
        live.take_result().filter(|r| r.frame.source == live.source_number() && r.people.len() == 2)
    });
    let alive = [&sources, &models, &finders].map(|n| n.load(Ordering::SeqCst));
    assert_eq!(alive, [1, 1, 1], "one of each runs");
    drop(live);
    let alive = [&sources, &models, &finders].map(|n| n.load(Ordering::SeqCst));
    assert_eq!(alive, [0, 0, 0]);
    // Every thread held the window's notifier.
    assert_eq!(Arc::strong_count(&wake), 1);
}
