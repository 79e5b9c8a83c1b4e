//! `tmpose bench --detector`: how long the person detector takes on a frame.

use super::peers::{Peers, run_interleaved};
use super::report::{DetectorRow, StageSamples};
use crate::detect::{DetectSettings, Detector};
use crate::gpu::ComputeDevice;
use crate::pose::Size;
use crate::synth::Crowd;
use std::path::Path;

/// Size of the frame in pixels.
const SIZE: Size = Size::new(640, 480);
/// People in the frame, so that decoding and NMS have as much to do as in use.
const PEOPLE: u32 = 2;

/// Times the detector of the file `weights` on a frame; our runs and the peers' alternate, as with the pose network.
///
/// # Errors
/// The weights cannot be loaded, or the Python process ended.
pub fn measure(
    weights: &Path,
    runs: u32,
    device: &ComputeDevice,
    mut peers: Option<&mut Peers>,
) -> anyhow::Result<DetectorRow> {
    let mut detector = Detector::load(weights, device.clone())?;
    let config = detector.info().config.clone();
    let names = match peers.as_deref_mut() {
        Some(peers) => peers.load_detector(&config, device.is_gpu())?,
        None => Vec::new(),
    };
    let (frame, _) = Crowd::new(7, SIZE, PEOPLE).render(2.0);
    let settings = DetectSettings::default();
    let measured = run_interleaved(runs, peers, names.len(), || {
        let (_, times) = detector.detect(&frame, &settings)?;
        Ok(Some((times, Vec::new())))
    })?;
    let mut ours = StageSamples::default();
    let theirs = measured.map_or_else(Vec::new, |measured| {
        measured.ours.iter().for_each(|times| ours.add_detector(times));
        measured.theirs.into_iter().map(StageSamples::of).collect()
    });
    let name = weights.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(DetectorRow::new(name, config.input, device, &ours, names.into_iter().zip(theirs).collect()))
}
