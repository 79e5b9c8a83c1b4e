//! Where the network computes: the choice between a GPU and the CPU, the device that the window
//! shares with Burn, and the kernels around the network.

mod adapter;
mod choice;
pub mod kernels;

pub use adapter::{SharedSetup, shared_setup};
pub use choice::{ComputeDevice, DeviceChoice, DeviceError, choose};
