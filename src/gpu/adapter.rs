//! The one wgpu device of the program.
//!
//! Burn can initialise a graphics API once per process, and the window must draw with the same
//! device to show what the network computed. So the device is created once, by Burn (which knows
//! the features its kernels want), and kept with its handles and our own kernels.

use super::kernels::Kernels;
use burn::prelude::Device;
use burn::tensor::wgpu::{WgpuInitError, WgpuSetup};
use burn_cubecl::cubecl::future::block_on;
use std::sync::{Arc, Mutex};
use wgpu::{AdapterInfo, DeviceType};

/// Burn's wgpu device and the handles under it.
#[derive(Clone)]
pub struct SharedSetup {
    /// Burn's handle.
    pub device: Device,
    /// The wgpu handles that a window adopts (`egui_wgpu::WgpuSetup::Existing`).
    pub setup: WgpuSetup,
    /// The kernels compiled for it.
    pub kernels: Arc<Kernels>,
}

static SETUP: Mutex<Option<SharedSetup>> = Mutex::new(None);

/// The device that [`open`] created, if it was called.
pub fn shared_setup() -> Option<SharedSetup> {
    SETUP.lock().unwrap_or_else(|broken| broken.into_inner()).clone()
}

/// Creates the wgpu device, or returns the one that exists.
pub(super) fn open() -> Result<SharedSetup, WgpuInitError> {
    let mut slot = SETUP.lock().unwrap_or_else(|broken| broken.into_inner());
    if let Some(made) = slot.as_ref() {
        return Ok(made.clone());
    }
    let (device, setup) = Device::wgpu_options().init_with_setup()?;
    let kernels = Arc::new(Kernels::new(&setup.device, &setup.queue));
    let made = SharedSetup { device, setup, kernels };
    *slot = Some(made.clone());
    Ok(made)
}

/// The adapters of this machine, hardware first. Looks without creating a device: software Vulkan
/// starts a pool of threads as soon as one exists.
pub(super) fn list() -> Vec<AdapterInfo> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::PRIMARY;
    let instance = wgpu::Instance::new(descriptor);
    let mut found: Vec<AdapterInfo> = block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY))
        .iter()
        .map(|adapter| adapter.get_info())
        .collect();
    found.sort_by_key(|info| info.device_type == DeviceType::Cpu);
    found
}
