//! Real cameras, through nokhwa.

use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nokhwa::pixel_format::RgbFormat;
use nokhwa::utils::{CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType, Resolution};
use nokhwa::{Camera, NokhwaError};

use super::choose;
use super::errors::translate;
use super::reader::CameraStream;
use crate::pose::Size;
use crate::source::{CameraFormat, PixelFormat, SourceError};

/// How long the question of macOS whether we may use cameras may stay unanswered.
const ANSWER: Duration = Duration::from_secs(60);
/// This many of the best formats are tried: drivers refuse some that they list.
const ATTEMPTS: usize = 4;
/// So many formats are named in an error; a camera may have hundreds.
const NAMED: usize = 5;

/// Asks for permission where the system wants to be asked (macOS); elsewhere it is given at once.
pub(super) fn ask_permission() -> Result<(), SourceError> {
    if nokhwa::nokhwa_check() {
        return Ok(());
    }
    let (tell, answer) = sync_channel(1);
    nokhwa::nokhwa_initialize(move |granted| {
        // A second answer has no reader.
        let _ = tell.try_send(granted);
    });
    match answer.recv_timeout(ANSWER) {
        Ok(true) => Ok(()),
        _ => Err(SourceError::CameraPermission { camera: "the camera".to_owned() }),
    }
}

/// What the cameras offer that this program has open. Asking such a camera again would disturb its stream,
/// or be refused as if another program had it.
fn open_cameras() -> MutexGuard<'static, BTreeMap<u32, Vec<CameraFormat>>> {
    static OPEN: Mutex<BTreeMap<u32, Vec<CameraFormat>>> = Mutex::new(BTreeMap::new());
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the camera offers, the best first.
pub(super) fn formats(index: u32, name: &str) -> Result<Vec<CameraFormat>, SourceError> {
    if let Some(known) = open_cameras().get(&index) {
        return Ok(known.clone());
    }
    let mut device = Device::open(index).map_err(|e| translate(name, &e))?;
    device.formats().map_err(|e| translate(name, &e))
}

/// Opens the camera, agrees on a format and starts the stream.
pub(super) fn open(
    index: u32,
    name: &str,
    wanted: Option<CameraFormat>,
) -> Result<Box<dyn CameraStream>, SourceError> {
    let failed = |e: NokhwaError| translate(name, &e);
    let mut device = Device::open(index).map_err(failed)?;
    let offered = device.formats().map_err(failed)?;
    let candidates = match wanted {
        Some(format) if offered.contains(&format) => vec![format],
        Some(format) => {
            let known: Vec<String> = offered.iter().take(NAMED).map(ToString::to_string).collect();
            return Err(SourceError::CameraFormat {
                camera: name.to_owned(),
                wanted: format.to_string(),
                known: known.join(", "),
            });
        }
        None => offered.iter().take(ATTEMPTS).copied().collect(),
    };
    let mut refused = None;
    for format in candidates {
        match device.agree(format) {
            Ok(()) => {
                refused = None;
                break;
            }
            Err(error) => refused = Some(error),
        }
    }
    if let Some(error) = refused {
        return Err(failed(error));
    }
    let format = device.format();
    device.camera.open_stream().map_err(failed)?;
    open_cameras().insert(index, offered);
    Ok(Box::new(NativeStream { device, format, index, name: name.to_owned() }))
}

struct NativeStream {
    device: Device,
    format: CameraFormat,
    index: u32,
    name: String,
}

impl Drop for NativeStream {
    fn drop(&mut self) {
        open_cameras().remove(&self.index);
    }
}

impl CameraStream for NativeStream {
    fn format(&self) -> CameraFormat {
        self.format
    }

    fn next_picture(&mut self) -> Result<Vec<u8>, SourceError> {
        let bytes = self.device.camera.frame_raw().map_err(|e| translate(&self.name, &e))?;
        Ok(bytes.into_owned())
    }

    fn restart(&mut self) -> Result<(), SourceError> {
        // The old stream may be too broken to be stopped; what counts is the new one.
        let _ = self.device.camera.stop_stream();
        self.device.camera.open_stream().map_err(|e| translate(&self.name, &e))
    }
}

/// An open camera.
struct Device {
    camera: Camera,
}

impl Device {
    fn open(index: u32) -> Result<Self, NokhwaError> {
        // Any format: the list of formats can only be had from an open camera.
        let any = RequestedFormat::new::<RgbFormat>(RequestedFormatType::None);
        let camera = Camera::new(CameraIndex::Index(index), any)?;
        Ok(Device { camera })
    }

    fn formats(&mut self) -> Result<Vec<CameraFormat>, NokhwaError> {
        let offered = self.camera.compatible_camera_formats()?;
        let offered: Vec<CameraFormat> = offered.into_iter().map(from_nokhwa).collect();
        let ranked = choose::ranked(&offered);
        Ok(if ranked.is_empty() { vec![self.format()] } else { ranked })
    }

    fn format(&self) -> CameraFormat {
        from_nokhwa(self.camera.camera_format())
    }

    fn agree(&mut self, format: CameraFormat) -> Result<(), NokhwaError> {
        let size = Resolution::new(format.size.width, format.size.height);
        let coding = frame_format(format.pixels);
        let wanted = nokhwa::utils::CameraFormat::new(size, coding, format.fps);
        if self.camera.camera_format() == wanted {
            return Ok(());
        }
        let exactly = RequestedFormatType::Exact(wanted);
        self.camera.set_camera_requset(RequestedFormat::with_formats(exactly, &[coding]))?;
        Ok(())
    }
}

fn from_nokhwa(format: nokhwa::utils::CameraFormat) -> CameraFormat {
    let pixels = match format.format() {
        FrameFormat::MJPEG => PixelFormat::Mjpeg,
        FrameFormat::YUYV => PixelFormat::Yuyv,
        FrameFormat::NV12 => PixelFormat::Nv12,
        FrameFormat::GRAY => PixelFormat::Gray,
        FrameFormat::RAWRGB => PixelFormat::Rgb,
        FrameFormat::RAWBGR => PixelFormat::Bgr,
    };
    CameraFormat { size: Size::new(format.width(), format.height()), fps: format.frame_rate(), pixels }
}

/// nokhwa's name of a pixel format.
pub(super) fn frame_format(pixels: PixelFormat) -> FrameFormat {
    match pixels {
        PixelFormat::Mjpeg => FrameFormat::MJPEG,
        PixelFormat::Yuyv => FrameFormat::YUYV,
        PixelFormat::Nv12 => FrameFormat::NV12,
        PixelFormat::Gray => FrameFormat::GRAY,
        PixelFormat::Rgb => FrameFormat::RAWRGB,
        PixelFormat::Bgr => FrameFormat::RAWBGR,
    }
}
