//! `cargo bench`: the table of `tmpose bench` for every variant on the CPU backend, and on the GPU if
//! there is a real one. Arguments after `--` go to it, e.g. `cargo bench -- --variants tmpose-t`.

use clap::Parser;

#[derive(Parser)]
struct Bench {
    #[command(flatten)]
    args: tmpose::cli::bench::BenchArgs,
    /// Added by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    tmpose::cli::bench::run(Bench::parse().args)
}
