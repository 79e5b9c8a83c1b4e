//! What decides the shapes of the detector's network.

use super::DetectorNet;
use crate::pose::Size;
use burn::prelude::*;
use serde::{Deserialize, Serialize};

/// The widest map that a file may ask for; the largest published RTMDet has 1280.
const MOST_CHANNELS: usize = 2048;
/// The most blocks in a row that a file may ask for; the largest published RTMDet has 8.
const MOST_BLOCKS: usize = 64;

/// Everything that decides the shapes of a [`DetectorNet`]; the default is RTMDet-nano's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetectorConfig {
    /// Side of the square picture that the network was trained on, in pixels; a multiple of 32.
    pub input: usize,
    /// Channels of the stem's map at half the picture's size.
    pub stem: usize,
    /// Channels of the stages' maps at 1/4, 1/8, 1/16 and 1/32.
    pub widths: [usize; 4],
    /// Blocks in each stage.
    pub blocks: [usize; 4],
    /// Channels of the three maps that the heads look at.
    pub head: usize,
    /// Separable convolutions in a head before its last layer.
    pub head_layers: usize,
}

impl Default for DetectorConfig {
    fn default() -> Self {
        Self {
            input: 320,
            stem: 16,
            widths: [32, 64, 128, 256],
            blocks: [1, 2, 2, 1],
            head: 64,
            head_layers: 2,
        }
    }
}

/// A configuration of which no network can be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadDetectorConfig {
    #[error("its input side is {0} where a multiple of 32 from 32 to 4096 is needed")]
    Input(usize),
    #[error("it asks for {0} channels where an even number from 2 to {MOST_CHANNELS} is needed")]
    Channels(usize),
    #[error("it asks for {0} blocks in a row where 1 to {MOST_BLOCKS} are possible")]
    Blocks(usize),
}

impl DetectorConfig {
    /// A network with random weights; [`DetectorNet::settled`] makes it ready to be trained from nothing.
    ///
    /// # Panics
    /// When [`DetectorConfig::check`] refuses the configuration.
    pub fn init(&self, device: &Device) -> DetectorNet {
        DetectorNet::new(self, device)
    }

    /// Refuses what no network can be made of, such as a damaged file's header.
    ///
    /// # Errors
    /// The first size that is impossible.
    pub fn check(&self) -> Result<(), BadDetectorConfig> {
        if !(32..=4096).contains(&self.input) || !self.input.is_multiple_of(32) {
            return Err(BadDetectorConfig::Input(self.input));
        }
        let channels = self.widths.into_iter().chain([self.stem, self.head]);
        let impossible = |n: &usize| !(2..=MOST_CHANNELS).contains(n) || !n.is_multiple_of(2);
        if let Some(bad) = channels.into_iter().find(impossible) {
            return Err(BadDetectorConfig::Channels(bad));
        }
        let rows = self.blocks.into_iter().chain([self.head_layers]);
        match rows.into_iter().find(|n| !(1..=MOST_BLOCKS).contains(n)) {
            Some(bad) => Err(BadDetectorConfig::Blocks(bad)),
            None => Ok(()),
        }
    }

    /// Multiply-adds for one picture of the network's size.
    pub fn macs(&self) -> u64 {
        // Its weights are lazy, so that none is made for this.
        self.init(&Device::flex()).macs(Size::square(self.input as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_possible_and_within_its_budget() {
        let config = DetectorConfig::default();
        assert_eq!(config.check(), Ok(()));
        assert!(config.macs() <= 600_000_000, "{} multiply-adds", config.macs());
    }

    #[test]
    fn impossible_sizes_are_refused() {
        let config = DetectorConfig::default();
        let refused = |change: fn(&mut DetectorConfig)| {
            let mut config = config.clone();
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert!(refused(|c| c.input = 0).contains("input side is 0"));
        assert!(refused(|c| c.input = 300).contains("input side is 300"));
        assert!(refused(|c| c.widths[2] = usize::MAX).contains("channels"));
        assert!(refused(|c| c.stem = 7).contains("asks for 7 channels"));
        assert!(refused(|c| c.blocks[3] = 0).contains("asks for 0 blocks"));
    }
}
