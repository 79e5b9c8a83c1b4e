//! What `ffprobe` knows about a video before it is decoded.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::pose::Size;
use crate::source::SourceError;
use crate::source::ffmpeg::{self, Programs};

/// The video stream of a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Probe {
    /// The stream's number in the file.
    pub stream: u32,
    /// How many streams of moving pictures the file has.
    pub streams: usize,
    /// As its frames are shown: upright, with square pixels.
    pub size: Size,
    /// How it is coded, e.g. "h264".
    pub codec: String,
    /// Average frames a second.
    pub fps: Option<f64>,
    /// Number of frames, where the container counts them.
    pub frames: Option<u64>,
    /// Length of the video stream itself where the container has it, else of the file.
    pub duration: Option<Duration>,
    /// The duration is the video stream's own (sound can be longer than the picture).
    pub duration_is_exact: bool,
    /// Where the container's clock starts; ffmpeg's seek positions count from there.
    pub start: f64,
    /// Brightness is coded for a display of high dynamic range (PQ or HLG).
    pub high_dynamic_range: bool,
    /// Each frame is two fields of different times.
    pub interlaced: bool,
}

#[derive(Deserialize)]
struct ProbeOutput {
    #[serde(default)]
    streams: Vec<ProbeStream>,
    #[serde(default)]
    format: ProbeFormat,
}

#[derive(Default, Deserialize)]
struct ProbeStream {
    index: u32,
    #[serde(default)]
    codec_type: String,
    #[serde(default)]
    codec_name: String,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
    #[serde(default)]
    sample_aspect_ratio: String,
    #[serde(default)]
    color_transfer: String,
    #[serde(default)]
    field_order: String,
    #[serde(default)]
    avg_frame_rate: String,
    nb_frames: Option<String>,
    duration: Option<String>,
    #[serde(default)]
    disposition: HashMap<String, u32>,
    #[serde(default)]
    tags: HashMap<String, String>,
    #[serde(default)]
    side_data_list: Vec<SideData>,
}

#[derive(Default, Deserialize)]
struct SideData {
    /// Degrees, anticlockwise.
    rotation: Option<f64>,
}

#[derive(Default, Deserialize)]
struct ProbeFormat {
    #[serde(default)]
    format_name: String,
    probe_score: Option<u32>,
    duration: Option<String>,
    start_time: Option<String>,
}

/// What ffprobe takes a file for that no magic number tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source) enum Guess {
    Picture,
    Video,
    Neither,
}

/// A guess that ffprobe is less sure of than this could be anything.
const LEAST_SCORE: u32 = 25;
/// Formats that any text is.
const TEXT_FORMATS: [&str; 1] = ["tty"];

/// Asks `ffprobe` what kind of file lies at `path`; neither where there is no ffprobe.
pub(in crate::source) fn guess(path: &Path, programs: &Programs) -> Guess {
    let Ok(output) = ask(path, programs, None) else { return Guess::Neither };
    let ProbeFormat { format_name, probe_score, .. } = &output.format;
    let known = probe_score.is_none_or(|score| score >= LEAST_SCORE);
    let is_video = output.streams.iter().any(|s| s.codec_type == "video" && s.width > 0);
    if !known || !is_video || TEXT_FORMATS.contains(&format_name.as_str()) {
        Guess::Neither
    } else if format_name.ends_with("_pipe") || format_name == "image2" {
        Guess::Picture
    } else {
        Guess::Video
    }
}

/// Asks `ffprobe` about `path`, which has the `format` if one is given.
pub(super) fn probe(path: &Path, format: Option<&str>, programs: &Programs) -> Result<Probe, SourceError> {
    let output = ask(path, programs, format)?;
    from_output(output).ok_or_else(|| SourceError::NoVideoStream { path: path.to_owned() })
}

fn ask(path: &Path, programs: &Programs, format: Option<&str>) -> Result<ProbeOutput, SourceError> {
    let output = programs
        .ffprobe()
        .args(["-v", "error", "-print_format", "json", "-show_streams", "-show_format"])
        .args(format.map(|format| ["-f", format]).into_iter().flatten())
        .arg(ffmpeg::file_argument(path))
        .output()
        .map_err(|e| ffmpeg::start_error(path, "ffprobe", &e))?;
    let failed = |reason: String| SourceError::Video { path: path.to_owned(), reason };
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        // The first line names the cause; the last one repeats that the file is invalid.
        let reason = errors.lines().map(|l| ffmpeg::plain_reason(l, path)).find(|l| !l.is_empty());
        return Err(failed(reason.unwrap_or_else(|| "ffprobe does not understand it".to_owned())));
    }
    // Names in a file's metadata can be in any encoding.
    serde_json::from_str(&String::from_utf8_lossy(&output.stdout))
        .map_err(|e| failed(format!("ffprobe's answer is not understood: {e}")))
}

impl ProbeStream {
    /// A song's cover, a preview: pictures that a player does not play. Not every program marks them.
    fn is_still(&self) -> bool {
        const PICTURES: [&str; 7] = ["mjpeg", "png", "bmp", "gif", "webp", "tiff", "jpeg2000"];
        let marked = ["attached_pic", "timed_thumbnails", "still_image"];
        let marked = marked.iter().any(|key| self.disposition.get(*key).is_some_and(|&set| set != 0));
        let single = self.nb_frames.as_deref() == Some("1") || rate(&self.avg_frame_rate).is_none();
        marked || (single && PICTURES.contains(&self.codec_name.as_str()))
    }

    /// As its frames are shown: a quarter turn by the file's metadata, then square pixels.
    fn shown_size(&self) -> Size {
        let rotations = self.side_data_list.iter().filter_map(|side| side.rotation);
        let tag = self.tags.get("rotate").and_then(|degrees| degrees.parse().ok());
        let degrees: f64 = rotations.into_iter().next().or(tag).unwrap_or(0.0);
        let (mut width, mut height) = (self.width, self.height);
        let mut aspect = ratio(&self.sample_aspect_ratio).unwrap_or(1.0);
        if (degrees.rem_euclid(180.0) - 90.0).abs() < 45.0 {
            (width, height, aspect) = (height, width, aspect.recip());
        }
        Size::new((f64::from(width) * aspect + 0.5) as u32, height)
    }
}

fn from_output(output: ProbeOutput) -> Option<Probe> {
    let alone = output.streams.len() == 1;
    let videos: Vec<ProbeStream> = output.streams.into_iter().filter(|s| s.codec_type == "video").collect();
    let marked = |s: &ProbeStream| s.disposition.get("attached_pic").is_some_and(|&set| set != 0);
    let streams = videos.iter().filter(|s| !s.is_still()).count();
    // The container's default, then the largest.
    let rank = |s: &ProbeStream| {
        let default = s.disposition.get("default").is_some_and(|&set| set != 0);
        (s.is_still(), !default, std::cmp::Reverse(u64::from(s.width) * u64::from(s.height)))
    };
    let stream = videos.into_iter().filter(|s| !marked(s)).min_by_key(rank)?;

    let own = stream.duration.as_deref().and_then(seconds);
    // Matroska writes the length of each track as a tag, "00:00:02.000000000".
    let own = own.or_else(|| stream.tags.get("DURATION").and_then(|tag| clock(tag)));
    let duration = own.or_else(|| output.format.duration.as_deref().and_then(seconds));
    Some(Probe {
        stream: stream.index,
        streams,
        size: stream.shown_size(),
        fps: rate(&stream.avg_frame_rate),
        frames: stream.nb_frames.as_deref().and_then(|n| n.parse().ok()).filter(|&n| n > 0),
        duration,
        duration_is_exact: duration.is_some() && (own.is_some() || alone),
        start: output
            .format
            .start_time
            .and_then(|s| s.parse().ok())
            .filter(|s: &f64| s.is_finite())
            .unwrap_or(0.0),
        high_dynamic_range: ["smpte2084", "arib-std-b67"].contains(&stream.color_transfer.as_str()),
        interlaced: ["tt", "bb", "tb", "bt"].contains(&stream.field_order.as_str()),
        codec: stream.codec_name,
    })
}

/// "2.5" as a length; nothing for "N/A" or a negative number.
fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

/// "01:02:03.5" as a length.
fn clock(text: &str) -> Option<Duration> {
    let mut total = 0.0;
    for part in text.split(':') {
        total = total * 60.0 + part.parse::<f64>().ok()?;
    }
    Duration::try_from_secs_f64(total).ok()
}

/// "4:3" as a number; nothing for "0:1" and "N/A".
fn ratio(text: &str) -> Option<f64> {
    rate(&text.replace(':', "/"))
}

/// "30000/1001" as a number; nothing for "0/0".
fn rate(text: &str) -> Option<f64> {
    let (numerator, denominator) = text.split_once('/')?;
    let rate = numerator.parse::<f64>().ok()? / denominator.parse::<f64>().ok()?;
    (rate.is_finite() && rate > 0.0).then_some(rate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rates_and_lengths_are_read_as_ffprobe_writes_them() {
        assert_eq!(rate("25/1"), Some(25.0));
        assert!((rate("30000/1001").unwrap() - 29.97).abs() < 1e-3);
        assert_eq!(rate("0/0"), None);
        assert_eq!(clock("00:01:02.500000000"), Some(Duration::from_millis(62_500)));
        assert_eq!(seconds("N/A"), None);
    }

    fn chosen(streams: serde_json::Value) -> Option<Probe> {
        from_output(serde_json::from_value(serde_json::json!({ "streams": streams })).unwrap())
    }

    #[test]
    fn a_cover_picture_is_not_a_video() {
        let stream = |cover: u32| json!([{"index": 1, "codec_type": "video", "avg_frame_rate": "0/0", "disposition": {"attached_pic": cover}}]);
        assert_eq!(chosen(stream(1)), None);
        assert_eq!(chosen(stream(0)).unwrap().stream, 1);
    }

    #[test]
    fn the_main_stream_is_the_one_that_moves_then_the_default_then_the_largest() {
        let stream = |index: u32, codec: &str, frames: &str, width: u32, default: u32| {
            json!({"index": index, "codec_type": "video", "codec_name": codec, "nb_frames": frames,
                   "avg_frame_rate": "25/1", "width": width, "height": 10, "disposition": {"default": default}})
        };
        let cover = stream(0, "mjpeg", "1", 900, 1);
        let of = |streams| chosen(streams).map(|p| (p.stream, p.streams)).unwrap();
        assert_eq!(of(json!([cover, stream(1, "h264", "8", 20, 0)])), (1, 1));
        assert_eq!(of(json!([stream(0, "h264", "8", 20, 0), stream(1, "h264", "8", 10, 1)])), (1, 2));
        assert_eq!(of(json!([stream(0, "h264", "8", 20, 0), stream(1, "h264", "8", 30, 0)])), (1, 2));
        assert_eq!(of(json!([cover])), (0, 0), "a video of one picture");
    }

    #[test]
    fn the_shown_size_is_upright_with_square_pixels() {
        let size = |rotation: f64, aspect: &str| {
            let stream = json!([{"index": 0, "codec_type": "video", "width": 720, "height": 576,
                "sample_aspect_ratio": aspect, "side_data_list": [{"side_data_type": "x"}, {"rotation": rotation}]}]);
            chosen(stream).unwrap().size
        };
        assert_eq!(size(0.0, "16:15"), Size::new(768, 576));
        assert_eq!(size(-90.0, "1:1"), Size::new(576, 720));
        assert_eq!(size(180.0, "0:1"), Size::new(720, 576));
        assert_eq!(size(90.0, "2:1"), Size::new(288, 720));
    }
}
