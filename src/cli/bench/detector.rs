//! `tmpose bench --detector`: how long the person detector takes on a frame.

use super::peers::{Peers, take_turns};
use super::report::{DetectorRow, StageSamples};
use crate::detect::{DetectSettings, Detector};
use crate::gpu::ComputeDevice;
use crate::synth::Crowd;
use std::path::Path;

/// The frame: as many people as are often in view, so that boxes are made and sorted out as in use.
const SIZE: [u32; 2] = [640, 480];
const PEOPLE: u32 = 2;

/// Ours and the peers take turns run by run, as with the pose network.
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
    let turns = take_turns(runs, peers, names.len(), || {
        let (_, times) = detector.detect(&frame, &settings)?;
        Ok(Some((times, Vec::new())))
    })?;
    let mut ours = StageSamples::default();
    let theirs = turns.map_or_else(Vec::new, |turns| {
        turns.ours.iter().for_each(|times| ours.add_detector(times));
        turns.theirs.into_iter().map(StageSamples::of).collect()
    });
    let name = weights.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(DetectorRow::new(name, config.input, device, &ours, names.into_iter().zip(theirs).collect()))
}
