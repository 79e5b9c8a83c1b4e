//! GPU or CPU: what the user asked for, and what the machine has.

use super::adapter;
use super::kernels::Kernels;
use crate::cpu::{simd, team};
use burn::prelude::Device;
use std::sync::Arc;
use wgpu::{AdapterInfo, DeviceType};

/// The value of `--device`. Written and read as text: `auto`, `gpu`, `cpu`, `cuda` or `cuda:1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceChoice {
    /// A real GPU where there is one, else the CPU.
    #[default]
    Auto,
    /// The GPU through wgpu, even if only a software adapter answers.
    Gpu,
    /// The processor, by the program's own engine.
    Cpu,
    /// The NVIDIA GPU of this number through CUDA, in programs that were built with it.
    Cuda(u32),
}

impl std::str::FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        match text {
            "auto" => Ok(Self::Auto),
            "gpu" => Ok(Self::Gpu),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            other => other
                .strip_prefix("cuda:")
                .and_then(|number| number.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| DeviceError::UnknownChoice(other.into())),
        }
    }
}

impl TryFrom<String> for DeviceChoice {
    type Error = DeviceError;

    fn try_from(text: String) -> Result<Self, DeviceError> {
        text.parse()
    }
}

impl From<DeviceChoice> for String {
    fn from(choice: DeviceChoice) -> String {
        choice.to_string()
    }
}

impl std::fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Gpu => f.write_str("gpu"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(0) => f.write_str("cuda"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

/// Why there is no device to compute on.
// The fields are the words of the messages.
#[allow(missing_docs)]
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// A text that is no choice.
    #[error("'{0}' is not a device: use auto, gpu, cpu, or cuda (cuda:1 for the second NVIDIA GPU)")]
    UnknownChoice(String),
    /// wgpu finds no adapter, or cannot open it, for the reason given.
    #[error(
        "no GPU answers: {0}; install its Vulkan driver (Linux: mesa-vulkan-drivers or the vendor's), \
         or use --device cpu"
    )]
    NoGpu(String),
    /// CUDA was chosen in a program that was built without it.
    #[error(
        "this program was built without CUDA: build it with cargo build --release --features cuda, or use \
         --device gpu"
    )]
    NotBuiltForCuda,
    /// CUDA does not start on the GPU of this number.
    #[error(
        "CUDA does not answer on NVIDIA GPU {number} ({reason}): check with nvidia-smi that the driver and \
         that GPU are there, or use --device gpu"
    )]
    NoCuda { number: u32, reason: String },
}

/// A device for tensors, and how to name it to the user.
#[derive(Clone, Debug)]
pub struct ComputeDevice {
    /// Where Burn creates tensors.
    pub device: Device,
    /// The adapter, e.g. "NVIDIA H200", or the CPU's description.
    pub name: String,
    /// "Vulkan", "Metal", "Dx12" or "CUDA"; of a CPU the instruction set of its engine, such as "AVX2".
    pub backend: String,
    /// True for a GPU API that is emulated on the CPU: right results, very slow.
    pub software: bool,
    /// What the user should be told once: why the CPU is used, or that the adapter is emulated.
    pub note: Option<String>,
    /// Whether work goes on there while the program goes on.
    accelerator: bool,
    /// On wgpu devices.
    kernels: Option<Arc<Kernels>>,
}

impl ComputeDevice {
    /// The CPU: the engine computes there, and Burn's CPU backend what the engine does not know.
    pub fn cpu() -> ComputeDevice {
        let threads = team::threads();
        ComputeDevice {
            device: Device::flex(),
            name: format!("CPU, {threads} {}", if threads == 1 { "thread" } else { "threads" }),
            backend: simd::kernels().set.title().into(),
            software: false,
            note: None,
            accelerator: false,
            kernels: None,
        }
    }

    /// A GPU that software pretends to be, as the window is told of it.
    #[cfg(test)]
    pub fn emulated_for_test() -> ComputeDevice {
        ComputeDevice {
            name: "llvmpipe".into(),
            backend: "Vulkan".into(),
            software: true,
            note: Some("llvmpipe emulates a GPU.".into()),
            accelerator: true,
            ..ComputeDevice::cpu()
        }
    }

    /// Whatever GPU there is with kernels of its own, whose uploads are counted for this test alone.
    ///
    /// # Panics
    /// When the machine has no Vulkan driver.
    #[cfg(test)]
    pub fn gpu_alone_for_test() -> ComputeDevice {
        let setup = adapter::open().expect("the tests need a Vulkan driver").setup;
        let kernels = Some(Arc::new(Kernels::new(&setup.device, &setup.queue)));
        ComputeDevice { kernels, ..gpu().unwrap() }
    }

    /// How many pictures went up to a device with kernels.
    ///
    /// # Panics
    /// When the device has no kernels.
    #[cfg(test)]
    pub fn uploads(&self) -> usize {
        self.kernels.as_ref().unwrap().uploads.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// Name and backend in words, e.g. "NVIDIA H200 (Vulkan)".
    pub fn title(&self) -> String {
        format!("{} ({})", self.name, self.backend)
    }

    /// True for a device with its own memory, on which work goes on while the program goes on: wgpu
    /// (emulated, too) and CUDA.
    pub fn is_gpu(&self) -> bool {
        self.accelerator
    }

    /// The kernels around the network, where tensors live behind wgpu: there a window can draw from them.
    pub fn kernels(&self) -> Option<&Arc<Kernels>> {
        self.kernels.as_ref()
    }
}

/// Picks the device. `Auto` never ends on an emulated GPU: Burn's CPU backend is more than ten times
/// faster than its shaders on software Vulkan.
///
/// # Errors
/// Only a forced GPU can fail. CUDA also when the program was built without it.
pub fn choose(choice: DeviceChoice) -> Result<ComputeDevice, DeviceError> {
    match choice {
        DeviceChoice::Cpu => Ok(ComputeDevice::cpu()),
        DeviceChoice::Gpu => gpu(),
        DeviceChoice::Cuda(number) => cuda(number),
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
        accelerator: true,
        kernels: Some(shared.kernels),
    })
}

#[cfg(feature = "cuda")]
fn cuda(number: u32) -> Result<ComputeDevice, DeviceError> {
    // Burn starts CUDA with the first tensor, and panics where there is no driver or no such GPU.
    let started = std::panic::catch_unwind(|| {
        let device = Device::cuda(number as usize);
        let sum = burn::Tensor::<1>::ones([1], &device).sum().try_into_data();
        sum.map(|_| device).map_err(|error| error.to_string())
    });
    let device = started
        .map_err(|panic| {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason was given").to_owned()
        })
        .flatten()
        .map_err(|reason| DeviceError::NoCuda { number, reason })?;
    Ok(ComputeDevice {
        device,
        name: format!("NVIDIA GPU {number}"),
        backend: "CUDA".into(),
        software: false,
        note: None,
        accelerator: true,
        kernels: None,
    })
}

#[cfg(not(feature = "cuda"))]
fn cuda(_number: u32) -> Result<ComputeDevice, DeviceError> {
    Err(DeviceError::NotBuiltForCuda)
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
        let cuda = [DeviceChoice::Cuda(0), DeviceChoice::Cuda(3)];
        for choice in [DeviceChoice::Auto, DeviceChoice::Gpu, DeviceChoice::Cpu].into_iter().chain(cuda) {
            assert_eq!(choice.to_string().parse::<DeviceChoice>().unwrap(), choice);
            let stored = serde_json::to_string(&choice).unwrap();
            assert_eq!(stored, format!("\"{choice}\""));
            assert_eq!(serde_json::from_str::<DeviceChoice>(&stored).unwrap(), choice);
        }
        for wrong in ["tpu", "cuda:", "cuda:-1", "CPU"] {
            let error = wrong.parse::<DeviceChoice>().unwrap_err().to_string();
            assert!(error.contains(wrong) && error.contains("auto, gpu, cpu"), "{error}");
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_program_without_cuda_says_how_to_get_it() {
        let error = choose(DeviceChoice::Cuda(0)).unwrap_err().to_string();
        assert!(error.contains("--features cuda"), "{error}");
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
