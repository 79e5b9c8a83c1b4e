//! `tmpose data`: looks over sets of labelled people.

mod check;
mod show;
mod table;

use std::path::Path;

/// Arguments of `tmpose data`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Count what sets hold and name what looks wrong in them
    Check(check::Args),
    /// Draw augmented samples as the network sees them, with their targets
    Show(show::Args),
}

/// Runs `tmpose data`.
///
/// # Errors
/// One sentence for the user.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.command {
        Command::Check(args) => check::run(args),
        Command::Show(args) => show::run(args),
    }
}

/// Makes the folder that `file` goes to.
fn make_folder_of(file: &Path) -> std::io::Result<()> {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => std::fs::create_dir_all(folder),
        _ => Ok(()),
    }
}
