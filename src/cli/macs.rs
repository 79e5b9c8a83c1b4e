//! `tmpose macs`: the multiply-adds of each variant and keep ratio, as executed and by the count behind the
//! published tables.

use crate::cli::terminal::outln;
use crate::detect::DetectorConfig;
use crate::model::{Counting, KeepRatio, MaskKind, PoseNetConfig, Variant, keep_count};
use crate::pose::Skeleton;

/// How multiply-adds are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Count {
    /// What this program computes: dropped tokens are not embedded, and the last layer computes the keypoint queries
    /// only
    #[default]
    Executed,
    /// All tokens embedded, every layer complete: for comparison with other implementations
    Reference,
    /// As the paper's code counts: reproduces its tables, but does not measure work
    Paper,
}

/// Arguments of `tmpose macs`.
#[derive(clap::Args)]
pub struct MacsArgs {
    /// Variants, such as tmpose-t,tmpose-b [default: all]
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    variants: Vec<Variant>,
    /// Keep ratios
    #[arg(long, value_delimiter = ',', default_value = "1,0.8,0.6,0.4,0.25", value_name = "LIST")]
    keep: Vec<KeepRatio>,
    /// Which visual tokens are kept
    #[arg(long, default_value_t, value_name = "KIND")]
    mask: MaskKind,
    /// Count for the 16 joints of MPII at 256x256 instead of COCO's 17 at 256x192
    #[arg(long)]
    mpii: bool,
    /// How multiply-adds are counted
    #[arg(long, value_enum, default_value_t)]
    count: Count,
}

/// Runs `tmpose macs`.
///
/// # Errors
/// Never; it returns a result because every subcommand does.
pub fn run(args: MacsArgs) -> anyhow::Result<()> {
    let skeleton = if args.mpii { Skeleton::mpii16() } else { Skeleton::coco17() };
    let variants = if args.variants.is_empty() { Variant::ALL.to_vec() } else { args.variants };
    // The published tables divide by 2^30.
    let (counting, unit, name) = match args.count {
        Count::Executed => (Counting::Executed, 1e9, "GMAC"),
        Count::Reference => (Counting::Reference, 1e9, "GMAC"),
        Count::Paper => (Counting::Repository, f64::from(1 << 30), "\"GFLOPs\" of the paper"),
    };
    outln!("{name} for one person, {}, {} mask", skeleton.title, args.mask);
    outln!(
        "{:<14}{:>6}{:>8}{:>10}{:>13}{:>9}{:>8}",
        "variant",
        "keep",
        "tokens",
        "backbone",
        "transformer",
        "total",
        "saved"
    );
    for variant in variants {
        let config = PoseNetConfig::new(variant, skeleton);
        let full = config.macs(config.tokens(), counting).total() as f64;
        for &ratio in &args.keep {
            let kept = keep_count(args.mask, ratio, config.tokens());
            let macs = config.macs(kept, counting);
            let [backbone, transformer, total] =
                [macs.conv, macs.transformer(), macs.total()].map(|n| n as f64 / unit);
            let saved = 100.0 * (1.0 - macs.total() as f64 / full);
            outln!(
                "{:<14}{ratio:>6}{kept:>8}{backbone:>10.3}{transformer:>13.4}{total:>9.3}{saved:>7.1}%",
                variant.name()
            );
        }
    }
    if args.count == Count::Executed {
        let detector = DetectorConfig::default();
        outln!(
            "\nThe person detector: {:.3} GMAC for one picture of {1}x{1} pixels.",
            detector.macs() as f64 / unit,
            detector.input
        );
    }
    if args.count == Count::Paper {
        outln!(
            "\nThe counter behind the published tables multiplies a linear layer's outputs by the number of tokens \
             instead of its input width, and leaves out the products of attention. Its savings are therefore too \
             large: at 0.4 it leaves 20 % of tmpose-b's transformer part, where 40 % is true."
        );
    }
    Ok(())
}
