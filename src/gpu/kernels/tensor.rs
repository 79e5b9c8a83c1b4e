//! The wgpu buffer behind a tensor.

use super::KernelError;
use crate::pose::Size;
use burn::backend::Wgpu;
use burn::prelude::*;
use burn::tensor::DType;
use burn_cubecl::cubecl::server::BufferBinding;
use burn_cubecl::cubecl::wgpu::{AutoCompiler, WgpuResource, WgpuServer};
use burn_cubecl::{CubeBackend, kernel::into_contiguous};
use std::sync::Arc;

/// The memory of an f32 tensor in row-major order. While this lives the memory is neither moved nor given
/// to another tensor.
#[derive(Debug)]
pub(super) struct TensorBuffer {
    resource: WgpuResource,
    _pin: BufferBinding,
}

impl TensorBuffer {
    /// Computes the tensor, submits that work, and finds its memory.
    ///
    /// # Errors
    /// The tensor is not of 32-bit floats on a wgpu device, or computing it failed.
    pub(super) fn new<const D: usize>(tensor: Tensor<D>) -> Result<TensorBuffer, KernelError> {
        let failed = |reason: &dyn std::fmt::Display| KernelError(reason.to_string());
        let lazy =
            tensor.try_into_primitive::<Wgpu>().map_err(|e| failed(&format!("no wgpu tensor: {e:?}")))?;
        let client = lazy.client.clone();
        let tensor = into_contiguous(client.resolve_tensor_float::<CubeBackend>(lazy));
        if tensor.dtype != DType::F32 {
            return Err(failed(&format!("the kernels read f32 and not {:?}", tensor.dtype)));
        }
        let pin = tensor.handle.clone().binding();
        let found = tensor.client.get_resource::<WgpuServer<AutoCompiler>>(tensor.handle);
        let resource = found.map_err(|e| failed(&e))?.resource().clone();
        tensor.client.flush().map_err(|e| failed(&e))?;
        Ok(TensorBuffer { resource, _pin: pin })
    }

    pub(super) fn binding(&self) -> wgpu::BindingResource<'_> {
        self.resource.as_wgpu_bind_resource()
    }
}

/// A person's heatmaps where the network drew them. Clones share the memory, which is kept until the last
/// of them is gone.
#[derive(Clone, Debug)]
pub struct DeviceHeatmaps {
    pub(super) buffer: Arc<TensorBuffer>,
    pub(super) person: usize,
    /// The highest value of each map.
    pub(super) highest: Arc<[f32]>,
    /// Number of maps, J.
    pub joints: usize,
    /// Size of each map in cells.
    pub size: Size,
}
