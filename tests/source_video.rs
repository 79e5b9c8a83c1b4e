//! Video files made by ffmpeg here: codecs, containers, timestamps, seeks, rotation, and damage.
//!
//! Frame n of a made video is flat grey of brightness 20 + 5 n, so that a decoded frame tells its number.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tmpose::pose::Size;
use tmpose::source::{self, Frame, Source, SourceError, SourceSpec, VideoSource};

const SIZE: Size = Size::new(96, 64);

/// Writes a video of `frames` grey frames at 10 a second; `options` choose codec, times and container.
/// False if this ffmpeg does not have the encoder.
fn make_video(path: &Path, frames: u32, options: &str) -> bool {
    let raw = path.with_extension("raw");
    let pixels = SIZE.area() * 3;
    let bytes: Vec<u8> = (0..frames).flat_map(|n| vec![20 + 5 * n as u8; pixels]).collect();
    fs::write(&raw, bytes).unwrap();
    let size = SIZE.to_string();
    let mut command = ffmpeg();
    command.args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", &size, "-r", "10", "-i"]).arg(&raw);
    command.args(["-pix_fmt", "yuv420p"]).args(options.split_whitespace()).arg(path);
    run(command)
}

fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y"]).stdin(Stdio::null());
    command
}

fn run(mut command: Command) -> bool {
    let output = command.output().expect("these tests need the ffmpeg program");
    if !output.status.success() {
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    }
    output.status.success()
}

/// The frame's number, read off its brightness.
fn number(frame: &Frame) -> u32 {
    let (width, height) = frame.pixels.dimensions();
    let grey = f64::from(frame.pixels.get_pixel(width / 2, height / 2).0[1]);
    ((grey - 20.0) / 5.0).round() as u32
}

/// All frames as (number, milliseconds), and the error that ended them.
fn play(source: &mut dyn Source) -> (Vec<(u32, u64)>, Option<SourceError>) {
    let mut seen = Vec::new();
    loop {
        match source.next_frame() {
            Ok(Some(frame)) => seen.push((number(&frame), frame.timestamp.as_millis() as u64)),
            Ok(None) => return (seen, None),
            Err(error) => return (seen, Some(error)),
        }
    }
}

fn shown_at(source: &mut VideoSource, milliseconds: u64) -> u32 {
    source.seek(Duration::from_millis(milliseconds)).unwrap();
    number(&source.next_frame().unwrap().expect("a frame after a seek"))
}

#[test]
fn every_codec_in_every_container_gives_all_frames_at_their_times() {
    let folder = tempfile::tempdir().unwrap();
    let codecs = [
        ("-c:v libx264", "h264", &["mp4", "mov", "avi", "mkv"][..]),
        ("-c:v libx265 -x265-params log-level=error", "hevc", &["mp4", "mov", "mkv"]),
        ("-c:v libvpx-vp9 -deadline realtime", "vp9", &["mp4", "mkv", "webm"]),
        ("-c:v libaom-av1 -cpu-used 8", "av1", &["mp4", "mkv", "webm"]),
    ];
    for (options, codec, containers) in codecs {
        for container in containers {
            let path = folder.path().join(format!("{codec}.{container}"));
            // Matroska and AVI cannot say when B-frames are shown; without them all containers agree.
            if !make_video(&path, 8, &format!("{options} -bf 0")) {
                eprintln!("skipped: this ffmpeg cannot write {codec} in {container}");
                continue;
            }
            assert_eq!(source::spec_from_path(&path).unwrap(), SourceSpec::Video(path.clone()));
            let mut video = VideoSource::open(&path).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(video.info().size, SIZE, "{codec} in {container}");
            assert!((video.info().fps.unwrap() - 10.0).abs() < 0.5, "{codec} in {container}");
            let (seen, error) = play(&mut video);
            assert!(error.is_none(), "{codec} in {container}: {error:?}");
            let expected: Vec<(u32, u64)> = (0..8).map(|n| (n, u64::from(n) * 100)).collect();
            assert_eq!(seen, expected, "{codec} in {container}");
        }
    }
}

/// 10 frames 0.1 s apart, one that stays for 3 s, then 10 frames 0.04 s apart.
fn make_variable_rate(path: &Path) -> Vec<u64> {
    let times = "setpts=if(lt(N\\,10)\\,N*0.1\\,4+(N-10)*0.04)/TB";
    let options = format!("-vf settb=1/1000,{times} -enc_time_base 1:1000 -c:v libx264 -bf 2");
    // The option's name before and after ffmpeg 5.1.
    let made =
        ["-fps_mode", "-vsync"].iter().any(|name| make_video(path, 20, &format!("{options} {name} vfr")));
    assert!(made);
    (0..10).map(|n| n * 100).chain((0..10).map(|n| 4000 + n * 40)).collect()
}

#[test]
fn a_variable_frame_rate_keeps_its_times() {
    let folder = tempfile::tempdir().unwrap();
    for container in ["mp4", "mkv"] {
        let path = folder.path().join(format!("variable.{container}"));
        let times = make_variable_rate(&path);
        let (seen, error) = play(&mut VideoSource::open(&path).unwrap());
        assert!(error.is_none(), "{error:?}");
        assert_eq!(seen, (0..20).zip(times).collect::<Vec<_>>(), "{container}");
    }
}

#[test]
fn a_seek_shows_the_frame_of_that_time() {
    let folder = tempfile::tempdir().unwrap();
    for container in ["mp4", "mkv"] {
        let path = folder.path().join(format!("seek.{container}"));
        let times = make_variable_rate(&path);
        let mut video = VideoSource::open(&path).unwrap();
        // Backwards, so that no seek can be answered by reading on.
        for (n, &time) in times.iter().enumerate().rev() {
            assert_eq!(shown_at(&mut video, time), n as u32, "{container} at {time} ms");
            assert_eq!(shown_at(&mut video, time + 20), n as u32, "{container} at {time} + 20 ms");
        }
        assert_eq!(shown_at(&mut video, 2500), 9, "in the middle of the frame that stays");
        assert_eq!(shown_at(&mut video, 60_000), 19, "beyond the end is the last frame");
        assert!(video.next_frame().unwrap().is_none());
        // Forwards, and on from there.
        for n in [0, 3, 4, 11, 18] {
            assert_eq!(shown_at(&mut video, times[n]), n as u32);
            let next = video.next_frame().unwrap().unwrap();
            assert_eq!((number(&next), next.timestamp.as_millis() as u64), (n as u32 + 1, times[n + 1]));
        }
        // A loop: to the beginning, and all again.
        video.seek(Duration::ZERO).unwrap();
        assert_eq!(play(&mut video).0.len(), 20);
    }
}

#[test]
fn a_container_whose_clock_starts_late_still_starts_at_zero() {
    let folder = tempfile::tempdir().unwrap();
    for container in ["mkv", "ts"] {
        let path = folder.path().join(format!("late.{container}"));
        assert!(make_video(&path, 20, "-c:v libx264 -bf 0 -g 5 -output_ts_offset 100"));
        let mut video = VideoSource::open(&path).unwrap();
        let (seen, _) = play(&mut video);
        assert_eq!((seen[0], seen[19]), ((0, 0), (19, 1900)), "{container}");
        assert_eq!(shown_at(&mut video, 1250), 12, "{container}");
        assert_eq!(shown_at(&mut video, 300), 3, "{container}");
    }
}

/// Writes the matrix of a quarter turn clockwise into an mp4 file's track header, as phones do.
fn turn_clockwise(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let header = bytes.windows(4).position(|w| w == b"tkhd").unwrap();
    let matrix = [0, 0x0001_0000, 0, 0xffff_0000_u32, 0, 0, 0, 0, 0x4000_0000];
    for (n, value) in matrix.into_iter().enumerate() {
        let at = header + 4 + 40 + 4 * n;
        bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_video_recorded_upright_is_shown_upright() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("phone.mp4");
    // The left half white: after a quarter turn clockwise it is the upper half.
    assert!(make_video(&path, 3, "-c:v libx264 -vf drawbox=x=0:y=0:w=48:h=64:color=white:t=fill"));
    turn_clockwise(&path);
    let mut video = VideoSource::open(&path).unwrap();
    assert_eq!(video.info().size, Size::new(SIZE.height, SIZE.width));
    let frame = video.next_frame().unwrap().unwrap();
    assert!(frame.pixels.get_pixel(32, 10).0[0] > 200, "the top is white");
    assert!(frame.pixels.get_pixel(32, 85).0[0] < 60, "the bottom is dark");
}

#[test]
fn pixels_that_are_not_square_are_stretched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wide.mp4");
    assert!(make_video(&path, 3, "-c:v libx264 -vf setsar=2/1"));
    assert_eq!(VideoSource::open(&path).unwrap().info().size, Size::new(2 * SIZE.width, SIZE.height));
}

fn truncate(path: &Path, part: f64) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..(bytes.len() as f64 * part) as usize]).unwrap();
}

#[test]
fn a_cut_video_gives_its_frames_and_then_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let movable = "-c:v libx264 -g 5 -vf noise=alls=60:allf=t";
    for (name, options) in [
        ("cut.mkv", movable.to_owned()),
        ("cut.mp4", format!("{movable} -movflags +faststart")),
        ("cut.avi", format!("{movable} -bf 0")),
    ] {
        let path = folder.path().join(name);
        assert!(make_video(&path, 40, &options));
        truncate(&path, 0.6);
        let mut video = VideoSource::open(&path).unwrap_or_else(|e| panic!("{e}"));
        let (seen, error) = play(&mut video);
        assert!((15..35).contains(&seen.len()), "{name}: {} frames are kept", seen.len());
        let error = error.unwrap_or_else(|| panic!("{name}: the cut was not noticed"));
        assert!(matches!(error, SourceError::VideoCut { .. }), "{error}");
        assert!(error.to_string().contains(name), "{error}");
        assert!(video.next_frame().unwrap().is_none(), "after the error the source has ended");
        video.seek(Duration::ZERO).unwrap();
        assert!(video.next_frame().unwrap().is_some(), "it can be looked at again");
    }
}

#[test]
fn a_video_damaged_in_the_middle_is_played_to_its_end_and_then_says_where() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["hole.mkv", "hole.mp4", "hole.avi"] {
        let path = folder.path().join(name);
        assert!(make_video(&path, 40, "-c:v libx264 -g 5 -bf 0 -vf noise=alls=60:allf=t"));
        let mut bytes = fs::read(&path).unwrap();
        let (from, to) = (bytes.len() * 45 / 100, bytes.len() * 50 / 100);
        bytes[from..to].fill(0x55);
        fs::write(&path, bytes).unwrap();
        let mut video = VideoSource::open(&path).unwrap_or_else(|e| panic!("{e}"));
        let (seen, error) = play(&mut video);
        let last = seen.last().unwrap().1;
        assert!(last >= 3500, "{name}: it went on behind the damage, to {last} ms");
        let error = error.unwrap_or_else(|| panic!("{name}: the damage was not noticed"));
        let SourceError::VideoDamaged { seconds, .. } = error else { panic!("{name}: {error}") };
        assert!((1.0..2.8).contains(&seconds), "{name}: {error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

fn open_error(path: &Path) -> SourceError {
    VideoSource::open(path).err().unwrap_or_else(|| panic!("{} was opened", path.display()))
}

#[test]
fn what_is_not_a_video_is_refused_in_one_sentence_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);

    let sound = at("sound.m4a");
    let mut command = ffmpeg();
    command.args(["-f", "lavfi", "-i", "sine=duration=0.2"]).arg(&sound);
    assert!(run(command));
    let text = at("text.mp4");
    fs::write(&text, "not a video at all").unwrap();
    let headless = at("headless.mp4");
    assert!(make_video(&headless, 20, "-c:v libx264"));
    truncate(&headless, 0.5);
    let empty = at("empty.mkv");
    fs::write(&empty, "").unwrap();

    assert!(matches!(open_error(&sound), SourceError::NoVideoStream { .. }));
    assert!(matches!(open_error(&text), SourceError::Video { .. }));
    assert!(matches!(open_error(&headless), SourceError::Video { .. }));
    assert!(matches!(open_error(&empty), SourceError::EmptyFile { .. }));
    for path in [sound, text, headless, empty] {
        let message = open_error(&path).to_string();
        assert!(message.contains(path.to_str().unwrap()) && !message.contains('\n'), "{message}");
    }
}

#[test]
fn names_that_look_like_protocols_and_options_are_only_names() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain.mp4");
    assert!(make_video(&plain, 3, "-c:v libx264"));
    for name in ["-i.mp4", "http: %d.mp4", "größe 'x'.mp4"] {
        let path: PathBuf = folder.path().join(name);
        fs::copy(&plain, &path).unwrap();
        assert_eq!(play(&mut VideoSource::open(&path).unwrap()).0.len(), 3, "{name}");
    }
}
