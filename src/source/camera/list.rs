//! Which cameras there are.

use nokhwa::utils::ApiBackend;

use super::{errors, native};
use crate::source::{CameraFormat, SourceError};

/// A camera of this machine.
#[derive(Clone, Debug, PartialEq)]
pub struct CameraInfo {
    /// Its number, by which [`crate::source::SourceSpec::Camera`] finds it. Numbers may have gaps.
    pub index: u32,
    /// The name that people know it by ("HD Pro Webcam C920"). Two cameras may share one.
    pub name: String,
    /// The system's name for it ("/dev/video0").
    pub device: String,
    /// What it offers, the one that we would choose first.
    pub formats: Vec<CameraFormat>,
    /// Why there are no formats, in one sentence.
    pub problem: Option<String>,
}

/// All cameras with their formats; none is not an error. Each is opened briefly to ask it.
///
/// # Errors
/// [`SourceError::Camera`] when the system cannot be asked at all, [`SourceError::CameraPermission`] when
/// it refuses (macOS).
pub fn list_cameras() -> Result<Vec<CameraInfo>, SourceError> {
    let mut cameras = installed()?;
    for camera in &mut cameras {
        match native::formats(camera.index, &camera.name) {
            Ok(formats) => camera.formats = formats,
            Err(error) => camera.problem = Some(error.to_string()),
        }
    }
    Ok(without_metadata_devices(cameras))
}

/// All cameras by name, without opening them.
pub(super) fn installed() -> Result<Vec<CameraInfo>, SourceError> {
    native::ask_permission()?;
    let found = nokhwa::query(ApiBackend::Auto).map_err(|e| errors::translate("the camera system", &e))?;
    let mut cameras: Vec<CameraInfo> = found
        .into_iter()
        .zip(0..)
        .map(|(camera, position)| CameraInfo {
            index: camera.index().as_index().unwrap_or(position),
            name: camera.human_name(),
            device: camera.description().rsplit(" @ ").next().unwrap_or_default().to_owned(),
            formats: Vec::new(),
            problem: None,
        })
        .collect();
    cameras.sort_by_key(|camera| camera.index);
    Ok(cameras)
}

/// Linux shows a webcam twice: once for pictures and once for data about them, under the same name.
fn without_metadata_devices(cameras: Vec<CameraInfo>) -> Vec<CameraInfo> {
    let useful: Vec<String> =
        cameras.iter().filter(|c| !c.formats.is_empty()).map(|c| c.name.clone()).collect();
    cameras.into_iter().filter(|c| !c.formats.is_empty() || !useful.contains(&c.name)).collect()
}

/// The number and name of the camera that is meant by its number, device or a piece of its name.
pub(super) fn find(wanted: &str, cameras: &[CameraInfo]) -> Result<(u32, String), SourceError> {
    if cameras.is_empty() {
        return Err(SourceError::NoCamera);
    }
    let wanted = wanted.trim();
    let lower = wanted.to_lowercase();
    let number = wanted.parse::<u32>().ok();
    let by = |test: &dyn Fn(&CameraInfo) -> bool| cameras.iter().find(|c| test(c));
    let found = by(&|c| Some(c.index) == number)
        .or_else(|| by(&|c| c.device == wanted))
        .or_else(|| by(&|c| c.name.to_lowercase() == lower))
        .or_else(|| by(&|c| !lower.is_empty() && c.name.to_lowercase().contains(&lower)));
    match found {
        Some(camera) => Ok((camera.index, camera.name.clone())),
        None => {
            let known: Vec<String> = cameras.iter().map(|c| format!("{} ({})", c.index, c.name)).collect();
            Err(SourceError::CameraUnknown { wanted: wanted.to_owned(), known: known.join(", ") })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pose::Size;
    use crate::source::PixelFormat;

    fn camera(index: u32, name: &str, formats: usize) -> CameraInfo {
        let format = CameraFormat { size: Size::new(640, 480), fps: 30, pixels: PixelFormat::Yuyv };
        CameraInfo {
            index,
            name: name.to_owned(),
            device: format!("/dev/video{index}"),
            formats: vec![format; formats],
            problem: None,
        }
    }

    #[test]
    fn a_camera_is_found_by_number_device_and_name() {
        let cameras = [camera(0, "Integrated Camera", 1), camera(10, "HD Pro Webcam C920", 1)];
        let found = |wanted: &str| find(wanted, &cameras).map(|(index, _)| index);
        assert_eq!(found("10").unwrap(), 10);
        assert_eq!(found("/dev/video10").unwrap(), 10);
        assert_eq!(found("c920").unwrap(), 10);
        assert_eq!(found("integrated camera").unwrap(), 0);
        let error = found("1").unwrap_err().to_string();
        assert_eq!(
            error,
            "there is no camera \"1\": choose one of 0 (Integrated Camera), 10 (HD Pro Webcam C920)"
        );
        assert!(matches!(find("0", &[]), Err(SourceError::NoCamera)));
    }

    #[test]
    fn the_second_device_of_a_webcam_is_not_listed() {
        let all = vec![camera(0, "Webcam", 3), camera(1, "Webcam", 0), camera(2, "Switched off", 0)];
        let listed: Vec<u32> = without_metadata_devices(all).iter().map(|c| c.index).collect();
        assert_eq!(listed, [0, 2]);
    }
}
