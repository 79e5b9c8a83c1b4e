//! GPU or CPU: what the user asked for, and what the machine has.

use super::adapter;
use burn::prelude::Device;
use wgpu::{AdapterInfo, DeviceType};

/// The value of `--device`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, clap::ValueEnum, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceChoice {
    /// A real GPU where there is one, else the CPU.
    #[default]
    Auto,
    /// The GPU through wgpu, even if only a software adapter answers.
    Gpu,
    /// Burn's CPU backend (flex).
    Cpu,
}

impl std::str::FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        match text {
            "auto" => Ok(Self::Auto),
            "gpu" => Ok(Self::Gpu),
            "cpu" => Ok(Self::Cpu),
            other => Err(DeviceError::UnknownChoice(other.into())),
        }
    }
}

impl std::fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Gpu => "gpu",
            Self::Cpu => "cpu",
        })
    }
}

/// Why there is no device to compute on.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error("'{0}' is not a device: use auto, gpu or cpu")]
    UnknownChoice(String),
    #[error(
        "no GPU answers: {0}; install its Vulkan driver (Linux: mesa-vulkan-drivers or the vendor's), \
         or use --device cpu"
    )]
    NoGpu(String),
}

/// A device for tensors, and how to name it to the user.
#[derive(Clone, Debug)]
pub struct ComputeDevice {
    /// Where Burn creates tensors.
    pub device: Device,
    /// The adapter, e.g. "NVIDIA H200", or the CPU's description.
    pub name: String,
    /// "Vulkan", "Metal", "Dx12" or "CPU (flex)".
    pub backend: String,
    /// True for a GPU API that is emulated on the CPU: right results, very slow.
    pub software: bool,
    /// What the user should be told once: why the CPU is used, or that the adapter is emulated.
    pub note: Option<String>,
}

impl ComputeDevice {
    /// Burn's CPU backend.
    pub fn cpu() -> ComputeDevice {
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        ComputeDevice {
            device: Device::flex(),
            name: format!("CPU, {threads} {}", if threads == 1 { "thread" } else { "threads" }),
            backend: "CPU (flex)".into(),
            software: false,
            note: None,
        }
    }

    /// Name and backend in words, e.g. "NVIDIA H200 (Vulkan)".
    pub fn title(&self) -> String {
        if self.is_gpu() {
            format!("{} ({})", self.name, self.backend)
        } else {
            format!("{} (flex)", self.name)
        }
    }

    /// True when tensors live behind wgpu, so that a window can draw from them.
    pub fn is_gpu(&self) -> bool {
        self.backend != "CPU (flex)"
    }
}

/// Picks the device. `Auto` never ends on an emulated GPU: Burn's CPU backend is more than ten times
/// faster than its shaders on software Vulkan.
///
/// # Errors
/// Only a forced GPU can fail.
pub fn choose(choice: DeviceChoice) -> Result<ComputeDevice, DeviceError> {
    match choice {
        DeviceChoice::Cpu => Ok(ComputeDevice::cpu()),
        DeviceChoice::Gpu => gpu(),
        DeviceChoice::Auto => Ok(match reason_for_cpu(&adapter::list()) {
            None => gpu().unwrap_or_else(|error| ComputeDevice {
                note: Some(format!("The GPU cannot be used, so the CPU computes: {error}.")),
                ..ComputeDevice::cpu()
            }),
            reason => ComputeDevice { note: reason, ..ComputeDevice::cpu() },
        }),
    }
}

fn gpu() -> Result<ComputeDevice, DeviceError> {
    let shared = adapter::open().map_err(|error| DeviceError::NoGpu(error.to_string()))?;
    let info = shared.setup.adapter.get_info();
    let software = info.device_type == DeviceType::Cpu;
    Ok(ComputeDevice {
        device: shared.device,
        backend: format!("{:?}", info.backend),
        note: software.then(|| {
            format!("{} emulates a GPU on the CPU and is slow; --device cpu is much faster here.", info.name)
        }),
        name: info.name,
        software,
    })
}

/// `None` when a real GPU is in the list; else the sentence that explains the CPU.
fn reason_for_cpu(adapters: &[AdapterInfo]) -> Option<String> {
    match adapters.first() {
        None => Some("No GPU was found, so the CPU computes.".into()),
        Some(first) if first.device_type == DeviceType::Cpu => {
            Some(format!("The only GPU adapter is emulated ({}), so the CPU computes.", first.name))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_written_as_they_are_read() {
        for choice in [DeviceChoice::Auto, DeviceChoice::Gpu, DeviceChoice::Cpu] {
            assert_eq!(choice.to_string().parse::<DeviceChoice>().unwrap(), choice);
        }
        let error = "cuda".parse::<DeviceChoice>().unwrap_err().to_string();
        assert!(error.contains("cuda") && error.contains("auto, gpu or cpu"), "{error}");
    }

    #[test]
    fn auto_skips_an_emulated_gpu_and_says_so() {
        let emulated = AdapterInfo::new(DeviceType::Cpu, wgpu::Backend::Vulkan);
        let note = reason_for_cpu(std::slice::from_ref(&emulated)).unwrap();
        assert!(note.contains("emulated"), "{note}");
        assert!(reason_for_cpu(&[]).unwrap().contains("No GPU"));
        let real = AdapterInfo::new(DeviceType::DiscreteGpu, wgpu::Backend::Vulkan);
        assert_eq!(reason_for_cpu(&[real, emulated]), None);
    }

    #[test]
    fn the_cpu_device_computes() {
        let chosen = choose(DeviceChoice::Cpu).unwrap();
        let sum = burn::Tensor::<1>::ones([3], &chosen.device).sum().into_scalar::<f32>();
        assert_eq!(sum, 3.0);
        assert!(!chosen.is_gpu() && !chosen.software);
    }
}
