//! `tmpose predict`.

/// Arguments of `tmpose predict`.
#[derive(clap::Args)]
pub struct Args {}

/// Runs `tmpose predict`.
pub fn run(_args: Args) -> anyhow::Result<()> {
    anyhow::bail!("tmpose predict is not part of this build yet")
}
