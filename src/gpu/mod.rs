//! Where the network computes: the choice between a GPU and the CPU, and the device that the window
//! shares with Burn.

mod adapter;
mod choice;

pub use adapter::{SharedSetup, shared_setup};
pub use choice::{ComputeDevice, DeviceChoice, DeviceError, choose};
