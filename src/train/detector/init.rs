//! The detector that a training begins with.

use super::config::{DetectorModelSection, Frozen};
use crate::detect::{self, DetectorConfig, DetectorNet};
use crate::train::TrainError;
use crate::train::init::{init_with_seed, origin_of};
use burn::module::Module;
use burn::prelude::*;

/// A network on the device and what it started from.
pub struct InitialDetector {
    pub net: DetectorNet,
    pub config: DetectorConfig,
    /// For the model card: starting point with its source and licence; empty for random weights.
    pub origin: String,
    /// Random, not yet settled on pictures ([`DetectorNet::settled`]).
    pub fresh: bool,
}

/// Builds the network; random weights depend on `seed` alone. `device` has autodiff.
///
/// # Errors
/// The file with the starting weights cannot be used.
pub fn start(
    section: &DetectorModelSection,
    seed: u64,
    device: &Device,
) -> Result<InitialDetector, TrainError> {
    let (mut net, config, origin) = match &section.init {
        None => {
            let config = DetectorConfig::default();
            (init_with_seed(seed, device, || config.init(device)), config, String::new())
        }
        Some(path) => {
            let (net, info) = detect::open(path, device)?;
            let shown = path.file_name().unwrap_or_default().to_string_lossy();
            let origin = origin_of(&shown, &info.record);
            (net, info.config, origin)
        }
    };
    if section.freeze != Frozen::Nothing {
        net.backbone = net.backbone.freeze();
    }
    if section.freeze == Frozen::Neck {
        net.neck = net.neck.freeze();
    }
    Ok(InitialDetector { net, config, origin, fresh: section.init.is_none() })
}
