//! nokhwa's errors in words that help. It passes on the system's texts, so these are what is looked at.

use nokhwa::NokhwaError;

use crate::source::SourceError;

/// What a failing camera's error means.
pub(super) fn translate(camera: &str, error: &NokhwaError) -> SourceError {
    let camera = camera.to_owned();
    let text = error.to_string();
    let lower = text.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&["os error 13)", "permission denied", "access denied", "80070005", "not authorized"]) {
        SourceError::CameraPermission { camera }
    } else if says(&["os error 16)", "busy", "in use", "c00d3704", "c00d3e85"]) {
        SourceError::CameraBusy { camera }
    } else if says(&[
        "os error 19)",
        "os error 6)",
        "os error 2)",
        "no such device",
        "no such file",
        "c00d3ea2",
    ]) {
        SourceError::CameraUnplugged { camera }
    } else if says(&["fufill", "fulfill"]) {
        not_streaming(&camera, "it has no signal, or no format that can be read")
    } else if matches!(error, NokhwaError::OpenStreamError(_)) {
        not_streaming(&camera, inner(error).as_str())
    } else {
        SourceError::Camera { camera, reason: inner(error) }
    }
}

/// The camera is there but sends nothing.
pub(super) fn not_streaming(camera: &str, reason: &str) -> SourceError {
    SourceError::CameraNotStreaming { camera: camera.to_owned(), reason: reason.to_owned() }
}

/// Trying again does not help.
pub(super) fn is_final(error: &SourceError) -> bool {
    matches!(
        error,
        SourceError::CameraUnplugged { .. }
            | SourceError::CameraPermission { .. }
            | SourceError::CameraBusy { .. }
            | SourceError::CameraStalled { .. }
    )
}

/// A failure before the first picture says that the camera does not start.
pub(super) fn at_start(camera: &str, error: SourceError) -> SourceError {
    match error {
        SourceError::Camera { reason, .. } => not_streaming(camera, &reason),
        other => other,
    }
}

/// The system's own words, without nokhwa's around them.
fn inner(error: &NokhwaError) -> String {
    match error {
        NokhwaError::OpenStreamError(text)
        | NokhwaError::ReadFrameError(text)
        | NokhwaError::OpenDeviceError(_, text)
        | NokhwaError::GeneralError(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_words_become_ours() {
        let told = |error: NokhwaError| translate("Webcam", &error);
        let read = |text: &str| NokhwaError::ReadFrameError(text.to_owned());
        let open = |text: &str| NokhwaError::OpenDeviceError("0".to_owned(), text.to_owned());
        let property = |text: &str| NokhwaError::GetPropertyError {
            property: "CameraFormat".to_owned(),
            error: text.to_owned(),
        };

        assert!(matches!(told(read("No such device (os error 19)")), SourceError::CameraUnplugged { .. }));
        assert!(matches!(
            told(open("V4L2 Error: Permission denied (os error 13)")),
            SourceError::CameraPermission { .. }
        ));
        assert!(matches!(
            told(NokhwaError::OpenStreamError("Device or resource busy (os error 16)".to_owned())),
            SourceError::CameraBusy { .. }
        ));
        assert!(matches!(told(property("Failed to Fufill")), SourceError::CameraNotStreaming { .. }));
        assert!(matches!(told(read("Input/output error (os error 5)")), SourceError::Camera { .. }));
    }

    #[test]
    fn what_is_said_names_the_camera_and_the_way_out() {
        let error = NokhwaError::ReadFrameError("Input/output error (os error 5)".to_owned());
        let text = at_start("Webcam", translate("Webcam", &error)).to_string();
        assert_eq!(
            text,
            "Webcam gives no pictures (Input/output error (os error 5)): check that it is switched on and \
             plugged in, then try again"
        );
    }
}
