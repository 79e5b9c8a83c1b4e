//! `tmpose data`: checks and shows sets of labelled people.

mod check;
mod show;
mod table;

/// Arguments of `tmpose data`.
#[derive(clap::Args)]
pub struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(clap::Subcommand)]
enum DataCommand {
    /// Count what sets hold, and list what looks wrong in them
    Check(check::DataCheckArgs),
    /// Draw augmented crops as the network sees them, with their targets
    Show(show::DataShowArgs),
}

/// Runs `tmpose data`.
///
/// # Errors
/// Those of the subcommand.
pub fn run(args: DataArgs) -> anyhow::Result<()> {
    match args.command {
        DataCommand::Check(args) => check::run(args),
        DataCommand::Show(args) => show::run(args),
    }
}
