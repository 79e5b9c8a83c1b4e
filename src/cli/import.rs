//! `tmpose import`: a published checkpoint becomes a weight file.

use crate::cli::terminal::{out, outln};
use std::path::PathBuf;

use anyhow::{Context, bail};
use burn::prelude::Device;

use super::choices::skeleton_help;
use super::output::refuse_overwriting;
use crate::detect;
use crate::model::Variant;
use crate::pose::{BuiltinSkeleton, Skeleton};
use crate::weights::{self, ImportOptions, ImportReport, Precision};

/// Convert a published checkpoint to a weight file.
///
/// Reads PyTorch checkpoints (or safetensors with the same names) of TokenPose, TMPose and PPT, HRNet's ImageNet
/// backbones (the rest of the network stays untrained), PP-TinyPose's .onnx file (the backbone of tmpose-t), and
/// RTMDet-nano's .onnx file with one class (the person detector).
#[derive(clap::Args, Debug)]
pub struct ImportArgs {
    /// The checkpoint: .pth, .ckpt, .safetensors or .onnx
    file: PathBuf,
    /// File to write the weights to
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
    /// The network's architecture [default: found by the shapes of the tensors]
    #[arg(long)]
    variant: Option<Variant>,
    #[arg(long, value_name = "NAME", help = skeleton_help("found by the number of joints"))]
    skeleton: Option<String>,
    /// Take the averaged weights (EMA) of a file that has both kinds
    #[arg(long)]
    ema: bool,
    /// Store f32 instead of f16: full precision, twice the size
    #[arg(long)]
    f32: bool,
    /// Name every tensor in the summary, not only the first five
    #[arg(long)]
    all: bool,
}

/// Runs `tmpose import`.
///
/// # Errors
/// The checkpoint cannot be read or is of an unknown network, or the weights cannot be written.
pub fn run(args: ImportArgs) -> anyhow::Result<()> {
    refuse_overwriting([args.out.as_path()], [args.file.as_path()])?;
    if is_detector(&args)? {
        return import_detector(&args);
    }
    let skeleton = args.skeleton.as_deref().map(named_skeleton).transpose()?;
    let options = ImportOptions { variant: args.variant, skeleton, averaged: args.ema };
    let weights::ImportedNet { net, info, report } = weights::import(&args.file, &options, &Device::flex())?;
    weights::save(&args.out, &net, &info, precision(&args))?;
    let shown = if args.all { usize::MAX } else { 5 };
    out!("{}", summary(&report, shown));
    outln!(
        "Wrote {} for {} joints ({}) to {}.",
        info.config.variant(),
        info.config.joints(),
        info.skeleton.name,
        args.out.display()
    );
    Ok(())
}

fn precision(args: &ImportArgs) -> Precision {
    if args.f32 { Precision::F32 } else { Precision::F16 }
}

fn is_detector(args: &ImportArgs) -> anyhow::Result<bool> {
    let onnx = args.file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"));
    Ok(onnx && detect::fits(&weights::convolutions(&args.file)?))
}

fn import_detector(args: &ImportArgs) -> anyhow::Result<()> {
    if args.variant.is_some() || args.skeleton.is_some() {
        bail!(
            "{} is a person detector, which has neither variant nor skeleton: leave out --variant and --skeleton",
            args.file.display()
        );
    }
    let (net, info) = detect::import(&args.file, &Device::flex())?;
    detect::save(&args.out, &net, &info, precision(args))?;
    outln!("It is {}: {} convolutions mapped.", info.record.start, detect::DetectorNet::CONVOLUTIONS);
    outln!("Wrote the person detector ({0}x{0}) to {1}.", info.config.input, args.out.display());
    Ok(())
}

fn named_skeleton(name: &str) -> anyhow::Result<Skeleton> {
    let names = BuiltinSkeleton::names();
    let unknown = || format!("`{name}` is neither {names} nor a skeleton file that can be read");
    Skeleton::named(name).with_context(unknown)
}

/// What was mapped and what was not, at most `shown` names of each kind.
fn summary(report: &ImportReport, shown: usize) -> String {
    let mut text = format!("It is {}: {} tensors mapped.\n", report.kind, report.mapped.len());
    if let Some(other) = &report.other_copy {
        let shown = |prefix: &str| match prefix.trim_end_matches('.') {
            "" => "no prefix".to_owned(),
            prefix => format!("`{prefix}`"),
        };
        text += &format!(
            "The file has averaged weights (EMA) and others: those under {} were taken, those under {} were not; --ema \
             takes the averaged ones.\n",
            shown(&report.prefix),
            shown(other)
        );
    }
    let kinds = [
        ("not in the file, so untrained", &report.untrained),
        ("in the file without a place in the network", &report.unused),
    ];
    for (what, names) in kinds.into_iter().filter(|(_, names)| !names.is_empty()) {
        text += &format!("{} {what}:\n", names.len());
        names.iter().take(shown).for_each(|name| text += &format!("  {name}\n"));
        if let Some(more @ 1..) = names.len().checked_sub(shown) {
            text += &format!("  and {more} more (--all names them)\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NameStyle;
    use crate::weights::CheckpointKind;

    #[test]
    fn the_summary_names_a_few_and_counts_the_rest() {
        let names = |n: usize| (0..n).map(|i| format!("t{i}")).collect::<Vec<_>>();
        let report = ImportReport {
            kind: CheckpointKind::PyTorch(NameStyle::ImageNet),
            mapped: names(3),
            untrained: names(7),
            unused: Vec::new(),
            prefix: String::new(),
            other_copy: None,
        };
        let text = summary(&report, 2);
        assert_eq!(
            text,
            "It is an HRNet backbone: 3 tensors mapped.\n7 not in the file, so untrained:\n  t0\n  t1\n  \
             and 5 more (--all names them)\n"
        );
    }
}
