//! Runs the real program for the tests of its commands.
#![allow(dead_code)] // each test binary uses its own part

pub mod bench;

use std::path::Path;
use std::process::{Command, Output};

/// `tmpose` with the words of `line`, in `folder`; not started yet.
pub fn command(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tmpose"));
    command
        .args(line.split_whitespace())
        .current_dir(folder)
        .env_remove("RUST_LOG")
        // The graphics stack complains on stderr without one.
        .env("XDG_RUNTIME_DIR", folder);
    command
}

/// `tmpose` with the words of `line`, in `folder`.
pub fn tmpose(folder: &Path, line: &str) -> Output {
    command(folder, line).output().unwrap()
}
