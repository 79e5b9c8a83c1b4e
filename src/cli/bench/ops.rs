//! `tmpose bench ops`: how long each operation of the CPU's networks takes, beside what a core can do at most.

use crate::cli::terminal::outln;
use crate::cpu::profile::{OperationTime, peak_gflops};
use crate::cpu::simd;
use crate::detect;
use crate::gpu::{DeviceChoice, choose};
use crate::infer::CpuModel;
use crate::model::{KeepRatio, MaskKind, PoseNetConfig, TokenBudget, Variant};
use crate::pose::Skeleton;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `tmpose bench ops`. Weights of the pose networks are random: only the time counts.
#[derive(clap::Args)]
pub struct BenchOpsArgs {
    /// Variants, such as tmpose-t,tmpose-b
    #[arg(long, value_delimiter = ',', default_value = "tmpose-t", value_name = "LIST")]
    variants: Vec<Variant>,
    /// Keep ratio
    #[arg(long, default_value = "1", value_name = "RATIO")]
    keep: KeepRatio,
    /// Also the person detector of this file
    #[arg(long, value_name = "FILE")]
    detector: Option<PathBuf>,
    /// Runs; of each operation the fastest counts
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Print only the operations that take the most time
    #[arg(long, default_value_t = 15, value_name = "N")]
    top: usize,
}

/// Runs `tmpose bench ops`.
///
/// # Errors
/// The detector's file cannot be read.
pub fn run(args: &BenchOpsArgs) -> anyhow::Result<()> {
    let device = choose(DeviceChoice::Cpu)?;
    let peak = peak_gflops(simd::kernels());
    outln!("One thread, {}: at most {peak:.0} GFLOP/s from registers.", simd::kernels().set);
    let runs = args.runs as usize;
    for &variant in &args.variants {
        let config = PoseNetConfig::new(variant, Skeleton::coco17());
        let budget = TokenBudget { mask: MaskKind::default(), ..TokenBudget::progressive(args.keep) };
        let kept = config.entering_tokens(&budget);
        let model = config.init(&device.device).fold();
        let Some(cpu) = CpuModel::on(&device, &model) else {
            outln!("\n{variant} runs on Burn: the engine does not know its family.");
            continue;
        };
        print_operations(&format!("{variant}, backbone"), &cpu.profile_backbone(runs), peak, args.top);
        let rest = cpu.profile_transformer(kept.len(), runs);
        let title = format!("{variant}, transformer and head, {} tokens", kept.len());
        print_operations(&title, &rest, peak, args.top);
    }
    if let Some(path) = &args.detector {
        let (net, info) = detect::open(path, &device.device)?;
        print_operations(
            &format!("detector at {0}x{0}", info.config.input),
            &detect::profile(&net, &info.config, runs),
            peak,
            args.top,
        );
    }
    Ok(())
}

fn print_operations(title: &str, operations: &[OperationTime], peak: f64, top: usize) {
    let sum: Duration = operations.iter().map(|operation| operation.time).sum();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    outln!("\n{title}: {:.2} ms", ms(sum));
    outln!("{:<48} {:>5} {:>8} {:>6} {:>8} {:>6}", "operation", "times", "ms", "", "GFLOP/s", "peak");
    for operation in operations.iter().take(top) {
        let share = 100.0 * operation.time.as_secs_f64() / sum.as_secs_f64();
        let mut line = format!(
            "{:<48} {:>5} {:>8.3} {share:>5.1}%",
            operation.name,
            operation.count,
            ms(operation.time)
        );
        if operation.macs > 0 {
            let speed = operation.gflops();
            line += &format!(" {speed:>8.1} {:>5.0}%", 100.0 * speed / peak);
        }
        outln!("{line}");
    }
    if operations.len() > top {
        let rest: Duration = operations[top..].iter().map(|operation| operation.time).sum();
        outln!("{:<54} {:>8.3}", format!("{} others", operations.len() - top), ms(rest));
    }
}
