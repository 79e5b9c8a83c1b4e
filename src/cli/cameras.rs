//! `tmpose cameras`: lists the cameras with their formats, or takes test pictures with one.

use crate::cli::terminal::{out, outln};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;

use crate::pose::Size;
use crate::source::{self, CameraFormat, CameraInfo, CameraSource, PixelFormat, Source, SourceError};

/// Arguments of `tmpose cameras`.
#[derive(clap::Args)]
pub struct CamerasArgs {
    /// Take this many test pictures instead of listing
    #[arg(long, value_name = "N")]
    grab: Option<u32>,
    /// The camera's number, device or part of its name [default: the first that works]
    #[arg(long, value_name = "CAMERA", requires = "grab")]
    camera: Option<String>,
    /// Size, frame rate and pixel format, such as "640x480@30 MJPEG" [default: the one listed as "used unless you choose"]
    #[arg(long, value_name = "FORMAT", requires = "grab")]
    format: Option<CameraFormat>,
    /// Folder for the test pictures
    #[arg(short, long, default_value = "out", value_name = "DIR")]
    out: PathBuf,
}

/// Runs `tmpose cameras`.
///
/// # Errors
/// There is no camera, it cannot be opened or stops sending, or a picture cannot be written.
pub fn run(args: CamerasArgs) -> anyhow::Result<()> {
    match args.grab {
        None => list(),
        Some(count) => {
            let camera = match args.camera {
                Some(camera) => camera,
                None => first_camera()?,
            };
            grab(&camera, args.format, count, &args.out)
        }
    }
}

fn list() -> anyhow::Result<()> {
    let cameras = source::list_cameras()?;
    if cameras.is_empty() {
        return Err(SourceError::NoCamera.into());
    }
    for camera in &cameras {
        out!("{}", describe(camera));
    }
    Ok(())
}

fn first_camera() -> anyhow::Result<String> {
    let cameras = source::list_cameras()?;
    let first = cameras.iter().find(|c| c.problem.is_none()).or(cameras.first());
    Ok(first.ok_or(SourceError::NoCamera)?.index.to_string())
}

/// A camera in a few lines: for each pixel format the sizes with their frame rates.
fn describe(camera: &CameraInfo) -> String {
    let mut text = format!("{}  {} ({})\n", camera.index, camera.name, camera.device);
    let mut formats: BTreeMap<PixelFormat, BTreeMap<Size, Vec<u32>>> = BTreeMap::new();
    for format in &camera.formats {
        let sizes = formats.entry(format.pixels).or_default();
        sizes.entry(format.size).or_default().push(format.fps);
    }
    for (pixels, sizes) in formats {
        let sizes = sizes.into_iter().map(|(size, mut rates)| {
            rates.sort_unstable();
            let rates: Vec<String> = rates.iter().map(ToString::to_string).collect();
            format!("{size}@{}", rates.join("/"))
        });
        // Writing to a string cannot fail.
        let _ = writeln!(text, "     {pixels}: {}", sizes.collect::<Vec<_>>().join(", "));
    }
    if let Some(best) = camera.formats.first() {
        let _ = writeln!(text, "     used unless you choose: {best}");
    }
    if let Some(problem) = &camera.problem {
        let _ = writeln!(text, "     {problem}");
    }
    text
}

fn grab(camera: &str, format: Option<CameraFormat>, count: u32, out: &Path) -> anyhow::Result<()> {
    let stop = super::stop_flag()?;
    std::fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    let mut source = CameraSource::open(camera, format)?;
    outln!("{} sends {}", source.info().title, source.format());
    let mut taken = 0;
    let mut last = (0, Duration::ZERO);
    let ended = loop {
        if taken == count || stop.load(Ordering::SeqCst) {
            break None;
        }
        match source.next_frame() {
            Ok(Some(frame)) => {
                let path = out.join(format!("camera_{taken:04}.png"));
                frame.pixels.save(&path).with_context(|| format!("cannot write {}", path.display()))?;
                taken += 1;
                last = (frame.sequence, frame.timestamp);
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    let rate = match source.measured_fps() {
        Some(rate) => format!("{rate:.1} pictures a second"),
        None => "too few pictures to measure a rate".to_owned(),
    };
    outln!(
        "{taken} pictures in {}; {} sent within {:.1} s; measured: {rate}",
        out.display(),
        if taken == 0 { 0 } else { last.0 + 1 },
        last.1.as_secs_f64(),
    );
    ended.map_or(Ok(()), |error| Err(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_is_described_by_its_pixel_formats_sizes_and_rates() {
        let format = |text: &str| text.parse().unwrap();
        let camera = CameraInfo {
            index: 2,
            name: "Webcam".to_owned(),
            device: "/dev/video2".to_owned(),
            formats: ["1280x720@30 MJPEG", "640x480@30 YUYV", "640x480@15 YUYV"].map(format).to_vec(),
            problem: None,
        };
        let expected = "2  Webcam (/dev/video2)\n     MJPEG: 1280x720@30\n     YUYV: 640x480@15/30\n     \
                        used unless you choose: 1280x720@30 MJPEG\n";
        assert_eq!(describe(&camera), expected);
    }

    #[test]
    fn a_camera_without_formats_says_why() {
        let problem =
            Some("Webcam is in use by another program: close that program and try again".to_owned());
        let device = "/dev/video0".to_owned();
        let camera = CameraInfo { index: 0, name: "Webcam".to_owned(), device, formats: vec![], problem };
        assert!(
            describe(&camera)
                .ends_with("     Webcam is in use by another program: close that program and try again\n")
        );
    }
}
