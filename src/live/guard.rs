//! Panics of a network, caught: Burn panics when a GPU goes away, and that must not end the program.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// A network panicked; holds the first line of the panic's message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the device failed while the network ran ({0}): choose the CPU, or load the model again")]
pub struct DevicePanic(pub String);

/// Runs a network's code; a panic becomes an error.
pub(super) fn guarded<T, E: From<DevicePanic>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no reason was given");
        Err(DevicePanic(message.lines().next().unwrap_or_default().to_owned()).into())
    })
}
