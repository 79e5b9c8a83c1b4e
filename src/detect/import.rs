//! RTMDet-nano's published ONNX file as a detector of ours.

use super::{DetectorConfig, DetectorInfo, DetectorNet};
use crate::model::backbone::ConvWeights;
use crate::weights::{TrainingRecord, WeightsError, convolutions};
use burn::prelude::*;
use std::path::Path;

/// Whether the convolutions of an ONNX file are as many as RTMDet-nano's; [`import`] looks closer.
pub fn fits(convolutions: &[ConvWeights]) -> bool {
    convolutions.len() == DetectorNet::CONVOLUTIONS
}

/// Reads RTMDet-nano with one class (OpenMMLab, Apache-2.0) from its ONNX file with batch norms folded.
///
/// The published network sees BGR less the mean 103.53, 116.28, 123.675 over the deviation 57.375, 57.12, 58.395:
/// what [`Letterbox`](super::Letterbox) makes of a picture, in the opposite order of channels, so that the first
/// convolution's are turned round.
///
/// # Errors
/// The file cannot be read or is of another network.
pub fn import(path: &Path, device: &Device) -> Result<(DetectorNet, DetectorInfo), WeightsError> {
    let refuse = |reason: String| WeightsError::Mismatch {
        path: path.to_owned(),
        network: "the person detector".into(),
        reason,
    };
    let mut given = convolutions(path)?;
    if let Some(first) = given.first_mut() {
        first.weight =
            rgb(&first.weight).ok_or_else(|| refuse("its first convolution sees no colours".into()))?;
    }
    let config = DetectorConfig::default();
    let net = config.init(device).with_weights(given).map_err(|error| refuse(error.to_string()))?;
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let record = TrainingRecord {
        command: "tmpose import".into(),
        start: format!("RTMDet-nano from {file} (OpenMMLab, Apache-2.0)"),
        ..TrainingRecord::default()
    };
    Ok((net, DetectorInfo::new(config, record)))
}

/// A weight `[outputs,3,h,w]` for BGR as one for RGB.
fn rgb(weight: &TensorData) -> Option<TensorData> {
    let shape = weight.shape().to_vec();
    let [_, 3, height, width] = shape[..] else { return None };
    let values = weight.clone().try_into_vec::<f32>().ok()?;
    let outputs = values.chunks_exact(3 * height * width);
    let turned = outputs.flat_map(|output| output.chunks_exact(height * width).rev().flatten().copied());
    Some(TensorData::new(turned.collect::<Vec<_>>(), shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_colours_of_the_first_convolution_are_turned_round() {
        let weight = TensorData::new((0..12).map(|v| v as f32).collect::<Vec<_>>(), [2, 3, 1, 2]);
        let turned = rgb(&weight).unwrap().try_into_vec::<f32>().unwrap();
        assert_eq!(turned, [4.0, 5.0, 2.0, 3.0, 0.0, 1.0, 10.0, 11.0, 8.0, 9.0, 6.0, 7.0]);
        assert!(rgb(&TensorData::new(vec![0.0f32; 4], [1, 4, 1, 1])).is_none());
    }
}
