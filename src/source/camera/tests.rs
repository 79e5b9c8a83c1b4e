//! Cameras that misbehave: fakes in the place of real ones.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::*;
use crate::pose::Size;
use crate::source::PixelFormat;

const TINY: CameraFormat = CameraFormat { size: Size::new(4, 2), fps: 100, pixels: PixelFormat::Gray };

/// A camera whose n-th picture is grey n, until `script` says otherwise.
struct FakeStream {
    number: u32,
    pause: Duration,
    script: Box<dyn FnMut(u32) -> Result<(), SourceError> + Send>,
    restarts: Arc<AtomicU32>,
    gone: Arc<AtomicBool>,
}

impl CameraStream for FakeStream {
    fn format(&self) -> CameraFormat {
        TINY
    }

    fn next_picture(&mut self) -> Result<Vec<u8>, SourceError> {
        std::thread::sleep(self.pause);
        let number = self.number;
        self.number += 1;
        (self.script)(number)?;
        Ok(vec![number as u8; 8])
    }

    fn restart(&mut self) -> Result<(), SourceError> {
        self.restarts.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for FakeStream {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
    }
}

struct Setup {
    camera: Result<CameraSource, SourceError>,
    restarts: Arc<AtomicU32>,
    gone: Arc<AtomicBool>,
}

/// Starts a fake that sends a picture every `pause`.
fn setup(pause: Duration, script: impl FnMut(u32) -> Result<(), SourceError> + Send + 'static) -> Setup {
    let (restarts, gone) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let fake = FakeStream {
        number: 0,
        pause,
        script: Box::new(script),
        restarts: Arc::clone(&restarts),
        gone: Arc::clone(&gone),
    };
    let timeouts = Timeouts { start: Duration::from_secs(5), next: Duration::from_millis(300) };
    Setup { camera: CameraSource::start("Fake", timeouts, move || Ok(Box::new(fake))), restarts, gone }
}

fn unplugged() -> SourceError {
    SourceError::CameraUnplugged { camera: "Fake".to_owned() }
}

fn glitch() -> SourceError {
    SourceError::Camera { camera: "Fake".to_owned(), reason: "Input/output error".to_owned() }
}

/// All frames' sequence numbers, and the error that ended them.
fn play(camera: &mut CameraSource) -> (Vec<u64>, SourceError) {
    let mut seen = Vec::new();
    loop {
        match camera.next_frame() {
            Ok(frame) => seen.push(frame.expect("a camera has no end").sequence),
            Err(error) => return (seen, error),
        }
    }
}

#[test]
fn a_slow_reader_gets_the_newest_picture_and_sees_how_many_it_missed() {
    let mut camera = setup(Duration::from_millis(5), |_| Ok(())).camera.unwrap();
    let first = camera.next_frame().unwrap().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let second = camera.next_frame().unwrap().unwrap();
    assert!(second.sequence > first.sequence + 5, "{} after {}", second.sequence, first.sequence);
    let grey = u64::from(second.pixels.get_pixel(0, 0).0[0]);
    assert_eq!(grey, second.sequence % 256, "the picture is the one that the number says");
    assert!(second.timestamp > first.timestamp);
    let third = camera.next_frame().unwrap().unwrap();
    assert!(third.sequence > second.sequence, "no picture is given twice");
}

#[test]
fn the_information_says_what_was_agreed_and_the_rate_what_is_sent() {
    let mut camera = setup(Duration::from_millis(10), |_| Ok(())).camera.unwrap();
    let info = camera.info();
    assert_eq!((info.title.as_str(), info.size, info.fps), ("Fake", Size::new(4, 2), Some(100.0)));
    assert!(info.live && !info.seekable);
    for _ in 0..20 {
        camera.next_frame().unwrap();
    }
    let measured = camera.measured_fps().unwrap();
    assert!((5.0..101.0).contains(&measured), "at most one in 10 ms, not {measured}");
    let error = camera.seek(Duration::ZERO).unwrap_err();
    assert!(matches!(error, SourceError::NotSeekable { .. }), "{error}");
}

#[test]
fn an_unplugged_camera_is_named_and_the_source_ends() {
    let script = |n| if n < 10 { Ok(()) } else { Err(unplugged()) };
    let mut camera = setup(Duration::from_millis(5), script).camera.unwrap();
    let (seen, error) = play(&mut camera);
    assert!(!seen.is_empty());
    assert_eq!(error.to_string(), "Fake was unplugged: plug it in and open it again");
    assert!(camera.next_frame().unwrap().is_none());
}

#[test]
fn single_lost_pictures_are_bridged_by_a_restart() {
    let script = |n| if n % 4 == 3 { Err(glitch()) } else { Ok(()) };
    let setup = setup(Duration::from_millis(1), script);
    let mut camera = setup.camera.unwrap();
    for _ in 0..10 {
        camera.next_frame().unwrap();
    }
    assert!(setup.restarts.load(Ordering::Relaxed) > 0);
}

#[test]
fn a_camera_that_keeps_failing_is_given_up() {
    let script = |n| if n < 3 { Ok(()) } else { Err(glitch()) };
    let (_, error) = play(&mut setup(Duration::from_millis(1), script).camera.unwrap());
    // The pauses between the tries may be longer than the timeout here.
    assert!(matches!(error, SourceError::Camera { .. } | SourceError::CameraStalled { .. }), "{error}");
}

#[test]
fn a_stall_is_reported_instead_of_waited_for() {
    let script = |n| {
        if n >= 3 {
            std::thread::sleep(Duration::from_secs(2));
        }
        Ok(())
    };
    let (seen, error) = play(&mut setup(Duration::from_millis(5), script).camera.unwrap());
    assert!(seen.len() <= 3);
    assert!(matches!(error, SourceError::CameraStalled { .. }), "{error}");
}

#[test]
fn a_camera_that_never_starts_is_refused_at_the_opening() {
    let error = setup(Duration::from_millis(1), |_| Err(glitch())).camera.err().unwrap();
    assert!(matches!(error, SourceError::CameraNotStreaming { .. }), "{error}");
    let busy = SourceError::CameraBusy { camera: "Fake".to_owned() };
    let timeouts = Timeouts { start: Duration::from_secs(5), next: Duration::from_secs(1) };
    let error = CameraSource::start("Fake", timeouts, move || Err(busy)).err().unwrap();
    assert_eq!(error.to_string(), "Fake is in use by another program: close that program and try again");
}

#[test]
fn a_dropped_source_gives_the_camera_back() {
    let setup = setup(Duration::from_millis(5), |_| Ok(()));
    drop(setup.camera.unwrap());
    assert!(setup.gone.load(Ordering::Relaxed));
}
