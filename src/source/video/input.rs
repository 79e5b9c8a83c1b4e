//! What ffmpeg is to decode, and how its frames are prepared.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::probe::Probe;
use crate::pose::Size;
use crate::source::ffmpeg::Programs;
use crate::source::jpeg_sequence;

/// A video stream of a file, and the form of its frames.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct VideoInput {
    pub path: PathBuf,
    /// The container, where ffmpeg does not find it by itself.
    pub format: Option<&'static str>,
    /// The stream's number in the file.
    pub stream: u32,
    /// Every frame has this size, whatever the stream's becomes in the middle.
    pub size: Size,
    interlaced: bool,
    tone_mapped: bool,
}

/// The container that ffmpeg must be told: JPEGs one behind the other are a picture to it.
pub(super) fn forced_format(path: &Path) -> Option<&'static str> {
    jpeg_sequence::is_sequence(path).then_some("mjpeg")
}

impl VideoInput {
    pub fn new(path: &Path, format: Option<&'static str>, probe: &Probe, programs: &Programs) -> VideoInput {
        VideoInput {
            path: path.to_owned(),
            format,
            stream: probe.stream,
            size: probe.size,
            interlaced: probe.interlaced,
            tone_mapped: probe.high_dynamic_range && can_map_tones(programs),
        }
    }

    /// Whether the frames are darkened and bleached by a brightness code that was not undone.
    pub fn lacks_tone_mapping(&self, probe: &Probe) -> bool {
        probe.high_dynamic_range && !self.tone_mapped
    }

    /// ffmpeg's filters from the decoder to RGB. Rotation metadata is applied before them. When the stream's size changes,
    /// ffmpeg begins them again with the new size; the last ones always give `size`, with bars where the shape differs.
    pub fn filters(&self) -> String {
        let Size { width, height } = self.size;
        let mut filters = Vec::new();
        if self.interlaced {
            filters.push("yadif=deint=interlaced".to_owned());
        }
        if self.tone_mapped {
            // Linear light, the colours of Rec. 709, then the range of an ordinary screen.
            filters.push(
                "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable:desat=0,\
                 zscale=t=bt709:m=bt709:r=tv,format=yuv420p"
                    .to_owned(),
            );
        }
        // Pixels that are not square are stretched so that people keep their proportions.
        filters.push("scale=w=trunc(iw*sar+0.5):h=ih,setsar=1".to_owned());
        filters.push(format!(
            "scale=w={width}:h={height}:force_original_aspect_ratio=decrease,format=rgb24,\
             pad=w={width}:h={height}:x=-1:y=-1,setsar=1"
        ));
        filters.push("showinfo=checksum=0".to_owned());
        filters.join(",")
    }
}

/// Whether this ffmpeg has the filters that bring a high dynamic range to that of a screen.
fn can_map_tones(programs: &Programs) -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        let output = programs.ffmpeg().args(["-hide_banner", "-filters"]).output();
        let list = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
        let has = |name: &str| list.lines().any(|line| line.split_whitespace().nth(1) == Some(name));
        has("zscale") && has("tonemap")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(interlaced: bool, tone_mapped: bool) -> VideoInput {
        let size = Size::new(64, 48);
        VideoInput { path: "a.mp4".into(), format: None, stream: 0, size, interlaced, tone_mapped }
    }

    #[test]
    fn frames_always_end_with_the_size_that_was_promised() {
        for (interlaced, tone_mapped) in [(false, false), (true, false), (false, true), (true, true)] {
            let filters = input(interlaced, tone_mapped).filters();
            assert!(filters.ends_with("pad=w=64:h=48:x=-1:y=-1,setsar=1,showinfo=checksum=0"), "{filters}");
            assert_eq!(filters.starts_with("yadif"), interlaced);
            assert_eq!(filters.contains("tonemap"), tone_mapped);
        }
    }
}
