//! Flags that several subcommands share: which weights, which device, how to run the network.

use crate::cli::terminal::errln;
use crate::gpu::{self, DeviceChoice};
use crate::infer::{Estimator, Settings};
use crate::model::{KeepRatio, MaskKind, PositionMode, TokenBudget};
use crate::vision::Decoding;
use crate::weights;
use anyhow::Context;
use std::path::PathBuf;

/// Which weights, and which device runs them.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// Weights file [default: tmpose-t-coco17.safetensors from $TMPOSE_WEIGHTS, beside the program or in
    /// ./weights]
    #[arg(short, long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Where the network runs: auto (a real GPU, else the CPU), gpu, cpu, or cuda (cuda:1 for the second
    /// GPU) in a program built with the feature cuda
    #[arg(long, default_value_t, value_name = "DEVICE")]
    pub device: DeviceChoice,
}

impl ModelArgs {
    /// The weights file that was asked for, else the one that comes with the program.
    ///
    /// # Errors
    /// No file was asked for, and none is found.
    pub fn weights_file(&self) -> anyhow::Result<PathBuf> {
        self.weights.clone().or_else(weights::default_weights).context(
            "no weights were found: name a file with --weights, or put tmpose-t-coco17.safetensors into ./weights",
        )
    }

    /// Loads the pose network; a note about the device goes to stderr.
    ///
    /// # Errors
    /// There are no weights, they cannot be read, or the device is not there.
    pub fn estimator(&self) -> anyhow::Result<Estimator> {
        let file = self.weights_file()?;
        let device = gpu::choose(self.device)?;
        if let Some(note) = &device.note {
            errln!("note: {note}");
        }
        Ok(Estimator::load(&file, device)?)
    }
}

/// How the network is run on a frame.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Network")]
pub struct SettingsArgs {
    /// Which visual tokens are kept
    #[arg(long, default_value_t, value_name = "KIND")]
    pub mask: MaskKind,
    /// Share of the visual tokens that is kept, above 0 and at most 1
    #[arg(long, default_value_t, value_name = "RATIO")]
    pub keep: KeepRatio,
    /// Seed of the random mask
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub mask_seed: u64,
    /// Positions of the kept tokens
    #[arg(long, default_value_t, value_name = "MODE")]
    pub positions: PositionMode,
    /// Average with the mirrored picture: twice the time, slightly more accurate
    #[arg(long)]
    pub flip_test: bool,
    /// How keypoints are found in the heatmaps
    #[arg(long, default_value_t, value_name = "KIND")]
    pub decoding: Decoding,
}

impl SettingsArgs {
    /// The flags as settings of the estimator.
    pub fn settings(&self) -> Settings {
        let budget = TokenBudget {
            mask: self.mask,
            keep_ratio: self.keep,
            seed: self.mask_seed,
            positions: self.positions,
        };
        Settings { budget, flip_test: self.flip_test, decoding: self.decoding }
    }
}
