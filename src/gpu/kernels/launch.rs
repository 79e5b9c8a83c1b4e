//! Starting a kernel.

use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindingResource, CommandEncoder, ComputePassDescriptor,
    ComputePipeline, ComputePipelineDescriptor, Device, ShaderModuleDescriptor, ShaderSource,
};

/// A compiled kernel: the function `main` of a shader.
#[derive(Debug)]
pub(super) struct ComputeKernel {
    name: &'static str,
    pipeline: ComputePipeline,
}

impl ComputeKernel {
    pub(super) fn new(device: &Device, name: &'static str, wgsl: &'static str) -> ComputeKernel {
        let source = ShaderSource::Wgsl(wgsl.into());
        let module = device.create_shader_module(ShaderModuleDescriptor { label: Some(name), source });
        let pipeline = device.create_compute_pipeline(&ComputePipelineDescriptor {
            label: Some(name),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: Default::default(),
            cache: None,
        });
        ComputeKernel { name, pipeline }
    }

    /// Adds a run to `commands`; `resources` are bindings 0, 1, ... of group 0.
    pub(super) fn run<const N: usize>(
        &self,
        device: &Device,
        commands: &mut CommandEncoder,
        resources: [BindingResource<'_>; N],
        workgroups: [u32; 3],
    ) {
        let bound = self.bind(device, resources);
        let label = Some(self.name);
        let mut pass = commands.begin_compute_pass(&ComputePassDescriptor { label, timestamp_writes: None });
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &bound, &[]);
        let [x, y, z] = workgroups;
        pass.dispatch_workgroups(x, y, z);
    }

    fn bind<const N: usize>(&self, device: &Device, resources: [BindingResource<'_>; N]) -> BindGroup {
        let mut binding = 0;
        let entries = resources.map(|resource| {
            binding += 1;
            BindGroupEntry { binding: binding - 1, resource }
        });
        device.create_bind_group(&BindGroupDescriptor {
            label: Some(self.name),
            layout: &self.pipeline.get_bind_group_layout(0),
            entries: &entries,
        })
    }
}
