//! Heatmaps as a texture that the window draws, without their coming back to the CPU.

use super::{DeviceHeatmaps, Kernels, constant};
use crate::vision::{HEAT_FLOOR, HEAT_SCALE, HEAT_STOPS, HEAT_WEAKEST};
use wgpu::{
    BindingResource, BufferUsages, Extent3d, Texture, TextureDescriptor, TextureDimension, TextureFormat,
    TextureUsages, TextureView,
};

/// A texture of one texel for each cell of a heatmap, premultiplied RGBA as egui wants it.
#[derive(Debug)]
pub struct HeatTexture {
    texture: Texture,
    view: TextureView,
}

impl HeatTexture {
    /// What a window shows.
    pub fn view(&self) -> &TextureView {
        &self.view
    }

    /// Whether heatmaps of this size fit.
    pub fn fits(&self, maps: &DeviceHeatmaps) -> bool {
        (self.texture.width(), self.texture.height()) == (maps.size.width, maps.size.height)
    }
}

impl Kernels {
    /// An empty texture for heatmaps of this size.
    pub fn heat_texture(&self, maps: &DeviceHeatmaps) -> HeatTexture {
        let texture = self.device.create_texture(&TextureDescriptor {
            label: Some("heat layer"),
            size: Extent3d { width: maps.size.width, height: maps.size.height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: TextureDimension::D2,
            format: TextureFormat::Rgba8Unorm,
            usage: TextureUsages::STORAGE_BINDING | TextureUsages::TEXTURE_BINDING | TextureUsages::COPY_SRC,
            view_formats: &[],
        });
        let view = texture.create_view(&Default::default());
        HeatTexture { texture, view }
    }

    /// Colours a person's heatmaps into a texture that [fits](HeatTexture::fits), as
    /// [`crate::vision::heat_layer`] does. Submits the work and does not wait for it: what is drawn from
    /// the texture later is drawn after it.
    ///
    /// # Panics
    /// When `colors` has fewer colours than there are joints.
    pub fn color(&self, maps: &DeviceHeatmaps, colors: &[[u8; 3]], joint: Option<usize>, into: &HeatTexture) {
        assert!(colors.len() >= maps.joints, "one colour for each joint");
        let joint = joint.filter(|&j| j < maps.joints);
        let highest = joint.map_or(1.0, |j| maps.highest[j].max(HEAT_WEAKEST));
        let [height, width] = maps.size.hw();
        let numbers = [
            maps.person * maps.joints * height * width,
            width,
            height,
            maps.joints,
            joint.unwrap_or(maps.joints),
        ];
        let mut params: Vec<u32> = numbers.iter().map(|&n| n as u32).collect();
        params.extend([1.0 / highest, HEAT_FLOOR, HEAT_SCALE].map(f32::to_bits));
        params.extend(HEAT_STOPS.as_flattened().iter().map(|v| v.to_bits()));
        let params = constant(&self.device, bytemuck::cast_slice(&params), BufferUsages::UNIFORM);
        let packed: Vec<u32> = colors.iter().map(|&[r, g, b]| u32::from_le_bytes([r, g, b, 0])).collect();
        let packed = constant(&self.device, bytemuck::cast_slice(&packed), BufferUsages::STORAGE);
        let mut commands = self.device.create_command_encoder(&Default::default());
        self.heat.run(
            &self.device,
            &mut commands,
            [
                params.as_entire_binding(),
                maps.buffer.binding(),
                packed.as_entire_binding(),
                BindingResource::TextureView(&into.view),
            ],
            [maps.size.width.div_ceil(8), maps.size.height.div_ceil(8), 1],
        );
        self.queue.submit([commands.finish()]);
    }
}
