//! Ending a thread without letting it hold up the window's closing.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a thread may take to end. A GPU that compiles its kernels, or a camera that does not answer,
/// can take minutes and cannot be interrupted.
const PATIENCE: Duration = Duration::from_secs(3);

/// Joins a thread that was told to stop. One that does not end in time is left to finish alone: it owns
/// what it uses and ends as soon as the call it is in returns, or with the program.
pub(super) fn join_or_abandon(thread: JoinHandle<()>) {
    let start = Instant::now();
    while !thread.is_finished() {
        if start.elapsed() > PATIENCE {
            let name = thread.thread().name().unwrap_or("a thread").to_owned();
            log::warn!("{name} is still busy and is left to end by itself");
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    // A panic was reported by the thread itself.
    let _ = thread.join();
}
