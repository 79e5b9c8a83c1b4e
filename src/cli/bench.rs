//! `tmpose bench`.

/// Arguments of `tmpose bench`.
#[derive(clap::Args)]
pub struct Args {}

/// Runs `tmpose bench`.
pub fn run(_args: Args) -> anyhow::Result<()> {
    anyhow::bail!("tmpose bench is not part of this build yet")
}
