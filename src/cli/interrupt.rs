//! Ctrl-C as a request: the command finishes its current step, keeps what is done and ends.

use crate::cli::terminal::errln;
use crate::files;
use anyhow::Context;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Exit code of a program ended by Ctrl-C, by the shells' convention.
const INTERRUPTED: i32 = 130;

/// A flag that Ctrl-C (or a termination signal) raises. A second Ctrl-C ends the program at once.
///
/// # Errors
/// The system does not allow a handler for Ctrl-C.
pub fn stop_flag() -> anyhow::Result<Arc<AtomicBool>> {
    if let Some(flag) = STOP.get() {
        return Ok(flag.clone());
    }
    let flag = STOP.get_or_init(Arc::default).clone();
    let raised = flag.clone();
    ctrlc::set_handler(move || {
        if raised.swap(true, Ordering::SeqCst) {
            files::abandon_all();
            process::exit(INTERRUPTED);
        }
        errln!("stopping, keeping what is done (press Ctrl-C again to end at once)");
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(flag)
}
