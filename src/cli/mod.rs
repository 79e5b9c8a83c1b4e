//! The command line: one file a subcommand, wired together here.
//!
//! A subcommand is a file `cli/<name>.rs` with `#[derive(clap::Args)] pub struct NameArgs` and
//! `pub fn run(args: NameArgs) -> anyhow::Result<()>`; a `pub mod` line and a line in `subcommands!` below
//! plug it in.

// A reader of the terminal who is gone must not make the program panic: see `terminal`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod choices;
mod command_line;
mod errors;
mod interrupt;
mod mannequin_sets;
pub mod model_args;
mod output;
mod source_arg;
mod terminal;

pub mod ablate;
pub mod average;
pub mod bench;
pub mod cameras;
pub mod data;
pub mod eval;
pub mod import;
pub mod macs;
pub mod mannequin;
pub mod predict;
pub mod train;
#[cfg(feature = "window")]
pub mod view;

pub use interrupt::stop_flag;

use crate::cli::terminal::errln;
use crate::cpu::{simd, team};
use clap::Parser;
use std::process::ExitCode;

/// The exit code after an error. Clap itself ends with 2 on wrong usage.
const FAILURE: u8 = 1;

/// Real-time human pose with a token-masked pose transformer.
///
/// Without a command the window opens, as with `tmpose view`.
#[derive(Parser)]
#[command(name = "tmpose", version, about, args_conflicts_with_subcommands = true)]
#[cfg_attr(not(feature = "window"), command(subcommand_required = true, arg_required_else_help = true))]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[cfg(feature = "window")]
    #[command(flatten)]
    view: view::ViewArgs,
    /// More messages on stderr; give it twice for details
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Threads that compute on the CPU [default: as many as the machine or its container has processors]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

/// Declares the subcommands and their dispatch from one list, so that adding one is one line.
macro_rules! subcommands {
    ($($(#[$meta:meta])* $name:ident => $module:ident::$args:ident,)*) => {
        #[derive(clap::Subcommand)]
        // Parsed once, moved once: the size of the largest variant costs nothing.
        #[allow(clippy::large_enum_variant)]
        enum Command {
            $($(#[$meta])* $name($module::$args),)*
        }

        // The arms repeat each command's attributes, of which only `cfg` means anything there.
        #[allow(unused_doc_comments)]
        fn dispatch(command: Command) -> anyhow::Result<()> {
            match command {
                $($(#[$meta])* Command::$name(args) => $module::run(args),)*
            }
        }
    };
}

subcommands! {
    /// Open the window (also without a command)
    #[cfg(feature = "window")]
    View => view::ViewArgs,
    /// Estimate poses in pictures, folders and videos without a window
    Predict => predict::PredictArgs,
    /// Train a network on labelled pictures of people
    Train => train::TrainArgs,
    /// Measure the accuracy of weights on labelled pictures
    Eval => eval::EvalArgs,
    /// Compare masks and keep ratios on an annotated set: accuracy, arithmetic and time
    Ablate => ablate::AblateArgs,
    /// Check or show a set of labelled people before training on it
    Data => data::DataArgs,
    /// Convert a published checkpoint (TokenPose, TMPose, PPT, HRNet, PP-TinyPose, RTMDet-nano) to a weights file
    Import => import::ImportArgs,
    /// Average the weights of networks that started from the same weights: often better than each of them
    Average => average::AverageArgs,
    /// Measure how long each stage takes, for every variant, keep ratio and device
    Bench => bench::BenchArgs,
    /// Count the multiply-adds of every variant and keep ratio, as executed or as the paper counts
    Macs => macs::MacsArgs,
    /// List the cameras and their formats, or take test pictures with one
    Cameras => cameras::CamerasArgs,
    /// Render a training or test set of people whose joints are known
    Mannequin => mannequin::MannequinArgs,
}

/// Parses the arguments and runs the subcommand. The exit code is 0 for success, 1 when something failed (one sentence
/// on stderr says what), 2 for wrong usage.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.verbose);
    match cli.compute().and_then(|()| cli.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            errln!("error: {}", errors::sentence(&error));
            ExitCode::from(FAILURE)
        }
    }
}

impl Cli {
    /// Settles what computes on the CPU: the instruction set and the number of threads.
    fn compute(&self) -> anyhow::Result<()> {
        let kernels = simd::chosen()?;
        log::debug!("the CPU computes with {}", kernels.set);
        if let Some(threads) = self.threads.map(usize::from) {
            team::set_threads(threads);
            rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
        }
        Ok(())
    }

    #[cfg(feature = "window")]
    fn run(self) -> anyhow::Result<()> {
        dispatch(self.command.unwrap_or(Command::View(self.view)))
    }

    /// Without the window there is nothing to do without a command; clap has already shown the help.
    #[cfg(not(feature = "window"))]
    fn run(self) -> anyhow::Result<()> {
        self.command.map_or(Ok(()), dispatch)
    }
}

/// Starts logging to stderr. `RUST_LOG` wins over the flag; messages of other crates are left out unless asked for.
fn start_log(verbose: u8) {
    let filter = match verbose {
        0 => "error,tmpose=warn",
        1 => "warn,tmpose=info",
        _ => "info,tmpose=debug",
    };
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(filter)).init();
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_declared_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    #[cfg(feature = "window")]
    fn without_a_command_the_window_opens_with_the_arguments_given() {
        let cli = Cli::try_parse_from(["tmpose", "walk.mp4", "--keep", "0.5"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.view.source.as_deref(), Some("walk.mp4".as_ref()));
        assert!(
            Cli::try_parse_from(["tmpose", "predict", "a.png", "--keep", "0.5"]).unwrap().command.is_some()
        );
        assert!(Cli::try_parse_from(["tmpose"]).unwrap().view.source.is_none());
    }
}
