//! Where the network computes: the choice between a GPU and the CPU, the device that the window
//! shares with Burn, the pictures that networks are shown there, and the kernels around the networks.

mod adapter;
mod choice;
mod device_image;
pub mod kernels;

pub use adapter::{SharedSetup, shared_setup};
pub use choice::{ComputeDevice, DeviceChoice, DeviceError, choose};
pub use device_image::DeviceImage;
