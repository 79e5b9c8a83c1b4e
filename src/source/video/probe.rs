//! What `ffprobe` knows about a video before it is decoded.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::source::SourceError;
use crate::source::ffmpeg::{self, Programs};

/// The video stream of a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Probe {
    /// The stream's number in the file.
    pub stream: u32,
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
}

#[derive(Deserialize)]
struct ProbeOutput {
    #[serde(default)]
    streams: Vec<ProbeStream>,
    #[serde(default)]
    format: ProbeFormat,
}

#[derive(Deserialize)]
struct ProbeStream {
    index: u32,
    #[serde(default)]
    codec_type: String,
    #[serde(default)]
    avg_frame_rate: String,
    nb_frames: Option<String>,
    duration: Option<String>,
    #[serde(default)]
    disposition: HashMap<String, u32>,
    #[serde(default)]
    tags: HashMap<String, String>,
}

#[derive(Default, Deserialize)]
struct ProbeFormat {
    duration: Option<String>,
    start_time: Option<String>,
}

/// Asks `ffprobe` about `path`.
pub(super) fn probe(path: &Path, programs: &Programs) -> Result<Probe, SourceError> {
    let output = programs
        .ffprobe()
        .args(["-v", "error", "-print_format", "json", "-show_streams", "-show_format"])
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
    let parsed: ProbeOutput = serde_json::from_slice(&output.stdout)
        .map_err(|e| failed(format!("ffprobe's answer is not understood: {e}")))?;
    from_output(parsed).ok_or_else(|| SourceError::NoVideoStream { path: path.to_owned() })
}

fn from_output(output: ProbeOutput) -> Option<Probe> {
    let alone = output.streams.len() == 1;
    // A song's cover picture is stored as a video stream of one frame.
    let is_cover = |s: &ProbeStream| s.disposition.get("attached_pic").is_some_and(|&set| set != 0);
    let stream = output.streams.into_iter().find(|s| s.codec_type == "video" && !is_cover(s))?;

    let own = stream.duration.as_deref().and_then(seconds);
    // Matroska writes the length of each track as a tag, "00:00:02.000000000".
    let own = own.or_else(|| stream.tags.get("DURATION").and_then(|tag| clock(tag)));
    let duration = own.or_else(|| output.format.duration.as_deref().and_then(seconds));
    Some(Probe {
        stream: stream.index,
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

/// "30000/1001" as a number; nothing for "0/0".
fn rate(text: &str) -> Option<f64> {
    let (numerator, denominator) = text.split_once('/')?;
    let rate = numerator.parse::<f64>().ok()? / denominator.parse::<f64>().ok()?;
    (rate.is_finite() && rate > 0.0).then_some(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_lengths_are_read_as_ffprobe_writes_them() {
        assert_eq!(rate("25/1"), Some(25.0));
        assert!((rate("30000/1001").unwrap() - 29.97).abs() < 1e-3);
        assert_eq!(rate("0/0"), None);
        assert_eq!(clock("00:01:02.500000000"), Some(Duration::from_millis(62_500)));
        assert_eq!(seconds("N/A"), None);
    }

    #[test]
    fn a_cover_picture_is_not_a_video() {
        let output = |cover: u32| ProbeOutput {
            streams: vec![ProbeStream {
                index: 1,
                codec_type: "video".into(),
                avg_frame_rate: "0/0".into(),
                nb_frames: None,
                duration: None,
                disposition: HashMap::from([("attached_pic".to_owned(), cover)]),
                tags: HashMap::new(),
            }],
            format: ProbeFormat::default(),
        };
        assert_eq!(from_output(output(1)), None);
        assert_eq!(from_output(output(0)).unwrap().stream, 1);
    }
}
