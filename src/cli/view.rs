//! `tmpose view`: the window.

use super::source_arg::parse_source;
use crate::app::{self, Automation, TrainPanelOptions, WindowOptions};
use crate::detect::DetectorChoice;
use crate::gpu::DeviceChoice;
use crate::model::{KeepRatio, MaskKind};
use crate::track::FollowMode;
use anyhow::bail;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `tmpose view`.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct ViewArgs {
    /// A video, picture or folder; "camera" or "camera:NAME"; "mannequin", "mannequin:SEED" or, for several mannequins,
    /// "mannequin:SEED*PEOPLE" [default: mannequin]
    pub source: Option<OsString>,
    /// Weights file [default: what was chosen last, at first tmpose-t-coco17.safetensors from $TMPOSE_WEIGHTS, beside the
    /// program or in ./weights]
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Where the network runs: auto, gpu, cpu or cuda [default: what was chosen last, at first auto]
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<DeviceChoice>,
    /// Which visual tokens are kept
    #[arg(long, value_name = "MASK")]
    pub mask: Option<MaskKind>,
    /// Share of the visual tokens that is kept, above 0 and at most 1
    #[arg(long, value_name = "RATIO")]
    pub keep: Option<KeepRatio>,
    /// The person detector's weights, or "none": then one person is searched for in the whole picture [default:
    /// tmpose-detect.safetensors, found where the weights are]
    #[arg(long, value_name = "FILE")]
    pub detector: Option<DetectorChoice>,
    /// Who is followed [default: what was chosen last, at first all]
    #[arg(long, value_name = "MODE")]
    pub people: Option<FollowMode>,
    /// The most people to follow
    #[arg(long, value_name = "N")]
    pub most: Option<usize>,
    /// Frames from one detection to the next; in between, boxes follow the keypoints
    #[arg(long, value_name = "N")]
    pub detect_every: Option<u32>,
    /// Show the keypoints as the network estimates them, without smoothing
    #[arg(long)]
    pub no_smooth: bool,
    /// Show the heatmaps
    #[arg(long)]
    pub heatmaps: bool,
    /// Show which visual tokens are kept
    #[arg(long)]
    pub tokens: bool,
    /// Show the mannequin's true joints
    #[arg(long)]
    pub truth: bool,
    /// Open the training panel
    #[arg(long)]
    pub train: bool,
    /// Open the training panel with the settings of this file (TOML, as for tmpose train)
    #[arg(long, value_name = "FILE")]
    pub train_config: Option<PathBuf>,
    /// With --train-config: start the training immediately
    #[arg(long, requires = "train_config")]
    pub train_start: bool,
    /// Start with the default settings, and remember none
    #[arg(long)]
    pub fresh: bool,
    /// Close the window after this many seconds
    #[arg(long, value_name = "SECONDS")]
    pub exit_after: Option<f64>,
    /// With --exit-after: save a screenshot of the window (PNG)
    #[arg(long, value_name = "FILE", requires = "exit_after")]
    pub screenshot: Option<PathBuf>,
    /// With --exit-after: write versions, device, settings and timings (JSON), for a bug report
    #[arg(long, value_name = "FILE", requires = "exit_after")]
    pub report: Option<PathBuf>,
}

/// Opens the window and returns when it is closed.
///
/// # Errors
/// An argument cannot work, or there is no display.
pub fn run(args: ViewArgs) -> anyhow::Result<()> {
    if let Some(file) = args.weights.as_ref().filter(|f| !f.is_file()) {
        bail!("the weights file {} does not exist: check the path, or leave --weights out", file.display());
    }
    for (flag, number) in [("--most", args.most), ("--detect-every", args.detect_every.map(|n| n as usize))] {
        if number == Some(0) {
            bail!("{flag} 0 is not possible: give a number from 1");
        }
    }
    let detector = args.detector.unwrap_or_default();
    detector.file()?;
    if let Some(file) = args.train_config.as_ref().filter(|f| !f.is_file()) {
        bail!("the settings file {} does not exist: check the path", file.display());
    }
    let exit_after = match args.exit_after {
        Some(seconds) if !(0.0..=1e7).contains(&seconds) => {
            bail!("--exit-after {seconds} is not possible: give a number of seconds")
        }
        seconds => seconds.map(Duration::from_secs_f64),
    };
    let automation = Automation { exit_after, screenshot: args.screenshot, report: args.report };
    let start = WindowOptions {
        source: args.source.as_deref().map(parse_source).transpose()?,
        weights: args.weights,
        device: args.device,
        mask: args.mask,
        keep_ratio: args.keep,
        detector,
        people: args.people,
        most_people: args.most,
        detect_every: args.detect_every,
        smooth: args.no_smooth.then_some(false),
        heatmaps: args.heatmaps,
        tokens: args.tokens,
        truth: args.truth,
        fresh: args.fresh,
        automation,
        training: (args.train || args.train_config.is_some())
            .then_some(TrainPanelOptions { settings: args.train_config, start: args.train_start }),
    };
    Ok(app::run(start)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_numbers_are_refused_with_the_way_out() {
        let error = run(ViewArgs { detect_every: Some(0), ..ViewArgs::default() }).unwrap_err();
        assert!(error.to_string().contains("--detect-every 0"), "{error}");
        let detector = Some(DetectorChoice::File("nobody.safetensors".into()));
        let error = run(ViewArgs { detector, ..ViewArgs::default() }).unwrap_err();
        assert!(error.to_string().contains("nobody.safetensors"), "{error}");
        let weights = Some(PathBuf::from("nowhere.safetensors"));
        assert!(
            run(ViewArgs { weights, ..ViewArgs::default() })
                .unwrap_err()
                .to_string()
                .contains("nowhere.safetensors")
        );
    }
}
