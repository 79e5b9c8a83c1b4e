//! Flags that several subcommands share: which weights, which device, how to run the network.

use crate::gpu::{self, DeviceChoice};
use crate::infer::{Estimator, Settings};
use crate::model::{MaskKind, PositionMode};
use crate::vision::Decoding;
use crate::weights;
use anyhow::Context;
use std::path::PathBuf;

/// Which model, and where it runs.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// Weights file [default: tmpose-t-coco17.safetensors from $TMPOSE_WEIGHTS, beside the program or in
    /// ./weights]
    #[arg(short, long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Where the network runs: auto (a real GPU, else the CPU), gpu, cpu, or cuda (cuda:1 for the second
    /// GPU) in a program built with it
    #[arg(long, default_value_t, value_name = "DEVICE")]
    pub device: DeviceChoice,
}

impl ModelArgs {
    /// The weights file that was asked for, else the one that comes with the program.
    pub fn weights_file(&self) -> anyhow::Result<PathBuf> {
        self.weights.clone().or_else(weights::default_weights).context(
            "no weights were found: name a file with --weights, or put tmpose-t-coco17.safetensors into ./weights",
        )
    }

    /// Loads the model; tells on stderr why the device is not the one to expect, if so.
    pub fn estimator(&self) -> anyhow::Result<Estimator> {
        let file = self.weights_file()?;
        let device = gpu::choose(self.device)?;
        if let Some(note) = &device.note {
            eprintln!("note: {note}");
        }
        Ok(Estimator::load(&file, device)?)
    }
}

/// How the network is run on a frame.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Network")]
pub struct SettingsArgs {
    /// Which visual tokens are kept: none (all of them), random, uniform, block or progressive
    #[arg(long, default_value_t, value_name = "KIND")]
    pub mask: MaskKind,
    /// Share of visual tokens that is kept, above 0 and at most 1
    #[arg(long, default_value_t = 1.0, value_name = "RATIO", value_parser = keep_ratio)]
    pub keep: f64,
    /// Seed of the random mask
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub mask_seed: u64,
    /// Positions of the kept tokens: gathered (their own), or prefix (as the reference does it)
    #[arg(long, default_value_t, value_name = "MODE")]
    pub positions: PositionMode,
    /// Average with the mirrored picture: twice the time, a little more accurate
    #[arg(long)]
    pub flip_test: bool,
    /// From heatmaps to keypoints
    #[arg(long, value_enum, default_value_t = DecodingArg::Dark, value_name = "KIND")]
    pub decoding: DecodingArg,
}

/// The value of `--decoding`.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum DecodingArg {
    /// Highest cell and a quarter cell towards its higher neighbours
    Plain,
    /// Distribution-aware: Taylor expansion of the smoothed logarithm
    Dark,
}

impl DecodingArg {
    /// What it asks for.
    pub fn decoding(self) -> Decoding {
        match self {
            DecodingArg::Plain => Decoding::Plain,
            DecodingArg::Dark => Decoding::default(),
        }
    }

    /// The name used in flags.
    pub fn name(self) -> &'static str {
        match self {
            DecodingArg::Plain => "plain",
            DecodingArg::Dark => "dark",
        }
    }
}

impl SettingsArgs {
    pub fn settings(&self) -> Settings {
        Settings {
            mask: self.mask,
            keep_ratio: self.keep,
            seed: self.mask_seed,
            positions: self.positions,
            flip_test: self.flip_test,
            decoding: self.decoding.decoding(),
        }
    }
}

/// Parses a keep ratio, so that a wrong one is a usage error.
pub fn keep_ratio(text: &str) -> Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|r| *r > 0.0 && *r <= 1.0)
        .ok_or_else(|| "it must be a number above 0 and at most 1".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keep_ratio_lies_above_zero_and_at_most_at_one() {
        assert_eq!(keep_ratio("0.25"), Ok(0.25));
        assert_eq!(keep_ratio("1"), Ok(1.0));
        for wrong in ["0", "-0.1", "1.01", "nan", "all"] {
            assert!(keep_ratio(wrong).is_err(), "{wrong}");
        }
    }
}
