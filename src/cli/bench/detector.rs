//! `tmpose bench --detector`: how long the person detector takes on a frame.

use super::WARM_UP;
use super::peers::Peers;
use super::report::{DetectorRow, Samples};
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
    let (mut ours, mut theirs) = (Samples::default(), vec![Samples::default(); names.len()]);
    for run in 0..WARM_UP + runs as usize {
        let (_, times) = detector.detect(&frame, &settings)?;
        let counts = run >= WARM_UP;
        if counts {
            ours.add_detector(&times);
        }
        for (peer, samples) in theirs.iter_mut().enumerate() {
            let Some(peers) = peers.as_deref_mut() else { continue };
            let ms = peers.run(peer, &[])?;
            if counts {
                samples.add(ms);
            }
        }
    }
    let name = weights.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(DetectorRow::new(name, config.input, device, &ours, names.into_iter().zip(theirs).collect()))
}
