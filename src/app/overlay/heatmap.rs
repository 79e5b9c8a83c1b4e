//! The network's heatmaps as a coloured layer over the crop.

use super::{PictureTransform, tokens::crop_rect};
use crate::app::state::HeatmapJoint;
use crate::draw::joint_color;
use crate::gpu::kernels::{DeviceHeatmaps, HeatTexture, Kernels};
use crate::infer::{HeatmapBuffer, PoseEstimate};
use crate::pose::Skeleton;
use crate::vision::{Heatmaps, heat_layer};
use eframe::egui_wgpu::RenderState;
use egui::{Color32, ColorImage, Painter, TextureHandle, TextureId, TextureOptions};
use std::sync::Arc;

/// People whose heatmaps are drawn at most; the layer is for looking into the network, not for crowds.
const MAX_PEOPLE: usize = 8;

/// One texture a person, made anew when the result or the chosen joint changes.
#[derive(Default)]
pub struct HeatmapLayer {
    /// How the window draws, if it draws with the network's device.
    shared: Option<SharedRenderDevice>,
    /// `None` for a person whose heatmaps cannot be drawn here.
    textures: Vec<Option<HeatmapTexture>>,
    made_for: Option<(u64, HeatmapJoint)>,
}

/// The heatmaps of a result, and how they are shown.
pub struct HeatmapView<'a> {
    /// The people's estimates, with their heatmaps.
    pub estimates: &'a [PoseEstimate],
    /// The joints of the heatmaps.
    pub skeleton: &'a Skeleton,
    /// The result's number: the textures are made anew when it changes.
    pub result: u64,
    /// Which joints are shown.
    pub joint: HeatmapJoint,
    /// How much they cover the picture, 0 to 1.
    pub opacity: f32,
}

/// The device of window and network.
#[derive(Clone)]
struct SharedRenderDevice {
    render: RenderState,
    kernels: Arc<Kernels>,
}

#[allow(clippy::large_enum_variant)] // One of these exists per window.
enum HeatmapTexture {
    /// Coloured on the CPU.
    Uploaded(TextureHandle),
    /// Coloured on the GPU from the network's own buffer.
    Shared(DeviceTexture),
}

impl HeatmapTexture {
    fn id(&self) -> TextureId {
        match self {
            HeatmapTexture::Uploaded(handle) => handle.id(),
            HeatmapTexture::Shared(shared) => shared.id,
        }
    }
}

/// A texture of ours that egui knows; forgotten by egui when it is dropped.
struct DeviceTexture {
    device: SharedRenderDevice,
    heat: HeatTexture,
    id: TextureId,
}

impl DeviceTexture {
    fn new(device: &SharedRenderDevice, maps: &DeviceHeatmaps) -> DeviceTexture {
        let heat = device.kernels.heat_texture(maps);
        let render = &device.render;
        let filter = wgpu::FilterMode::Linear;
        let id = render.renderer.write().register_native_texture(&render.device, heat.view(), filter);
        DeviceTexture { device: device.clone(), heat, id }
    }
}

impl Drop for DeviceTexture {
    fn drop(&mut self) {
        self.device.render.renderer.write().free_texture(&self.id);
    }
}

impl HeatmapLayer {
    /// Sets how the window draws. Where that is with the network's own device, heatmaps need not be copied from it.
    pub fn draw_with(&mut self, render: &RenderState) {
        let shared = crate::gpu::shared_setup().filter(|shared| shared.kernels.draws_with(&render.device));
        self.shared = shared
            .map(|shared| SharedRenderDevice { render: render.clone(), kernels: shared.kernels.clone() });
    }

    /// Whether heatmaps are drawn from the network's own buffer.
    pub fn draws_on_device(&self) -> bool {
        self.shared.is_some()
    }

    /// Draws the heatmaps of a result. They are mapped to colours only when something has changed.
    pub fn draw(&mut self, painter: &Painter, transform: &PictureTransform, view: &HeatmapView<'_>) {
        let &HeatmapView { estimates, skeleton, result, joint, opacity } = view;
        let people: Vec<(&PoseEstimate, &HeatmapBuffer)> =
            estimates.iter().filter_map(|e| Some((e, e.heatmaps.as_ref()?))).take(MAX_PEOPLE).collect();
        if self.made_for != Some((result, joint)) {
            self.made_for = Some((result, joint));
            let mut old = std::mem::take(&mut self.textures).into_iter();
            let colors: Vec<[u8; 3]> = (0..skeleton.len()).map(|j| joint_color(skeleton, j)).collect();
            self.textures = people
                .iter()
                .map(|(_, maps)| self.colored(painter, maps, &colors, joint, old.next().flatten()))
                .collect();
        }
        let tint = Color32::WHITE.gamma_multiply(opacity);
        for ((estimate, maps), texture) in people.iter().zip(&self.textures) {
            let Some(texture) = texture else { continue };
            let rect = crop_rect(transform, &estimate.crop, maps.size());
            painter.image(texture.id(), rect, transform.uv(), tint);
        }
    }

    /// A person's layer, in the texture of the last time if that serves. `None` for heatmaps on a device
    /// that this window does not draw with, or of another skeleton than the colours are.
    fn colored(
        &self,
        painter: &Painter,
        maps: &HeatmapBuffer,
        colors: &[[u8; 3]],
        joint: HeatmapJoint,
        old: Option<HeatmapTexture>,
    ) -> Option<HeatmapTexture> {
        let joint = match joint {
            HeatmapJoint::All => None,
            HeatmapJoint::One(j) => Some(j),
        };
        match maps {
            HeatmapBuffer::Memory(maps) => {
                if maps.joints > colors.len() {
                    return None;
                }
                let image = image(maps, colors, joint);
                Some(HeatmapTexture::Uploaded(match old {
                    Some(HeatmapTexture::Uploaded(mut texture)) => {
                        texture.set(image, TextureOptions::LINEAR);
                        texture
                    }
                    _ => painter.ctx().load_texture("heatmaps", image, TextureOptions::LINEAR),
                }))
            }
            HeatmapBuffer::Device(maps) => {
                let device = self.shared.as_ref().filter(|_| maps.joints <= colors.len())?;
                let texture = match old {
                    Some(HeatmapTexture::Shared(texture)) if texture.heat.fits(maps) => texture,
                    _ => DeviceTexture::new(device, maps),
                };
                device.kernels.color(maps, colors, joint, &texture.heat);
                Some(HeatmapTexture::Shared(texture))
            }
        }
    }
}

/// The layer as egui's picture.
fn image(maps: &Heatmaps, colors: &[[u8; 3]], joint: Option<usize>) -> ColorImage {
    let pixels = heat_layer(maps, colors, joint);
    let pixels = pixels.iter().map(|&[r, g, b, a]| Color32::from_rgba_unmultiplied(r, g, b, a)).collect();
    ColorImage::new([maps.size.width as usize, maps.size.height as usize], pixels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{DeviceChoice, choose, shared_setup};
    use crate::pose::{Pose, Size};
    use crate::vision::{CropBox, Decoding, gaussian_targets};
    use burn::prelude::*;
    use eframe::egui_wgpu::{RendererOptions, WgpuSetup, WgpuSetupExisting};
    use egui::{Rect, Vec2, pos2};
    use egui_kittest::wgpu::{WgpuTestRenderer, create_render_state};

    #[test]
    fn a_peak_has_its_joints_colour_in_egui_too() {
        let skeleton = Skeleton::coco17();
        let colors: Vec<[u8; 3]> = (0..17).map(|j| joint_color(skeleton, j)).collect();
        let mut maps = Heatmaps::zeros(17, Size::new(3, 4));
        maps.values[9 * 12 + 5] = 1.0;
        let all = image(&maps, &colors, None);
        assert_eq!((all.size, all.pixels[0]), ([3, 4], Color32::TRANSPARENT));
        let [r, g, b] = colors[9];
        assert_eq!(all.pixels[5], Color32::from_rgb(r, g, b));
    }

    /// The layer in a window on the network's device; `shared` if the layer may know of that.
    fn shot(maps: &HeatmapBuffer, joint: HeatmapJoint, shared: bool) -> image::RgbaImage {
        let setup = shared_setup().unwrap().setup;
        let (instance, adapter, device, queue) = (setup.instance, setup.adapter, setup.device, setup.queue);
        let setup = WgpuSetup::Existing(WgpuSetupExisting { instance, adapter, device, queue });
        let render = create_render_state(setup, RendererOptions::PREDICTABLE);
        let mut layer = HeatmapLayer::default();
        if shared {
            layer.draw_with(&render);
            assert!(layer.draws_on_device());
        }
        let size = Vec2::new(192.0, 256.0);
        let transform =
            PictureTransform { rect: Rect::from_min_size(pos2(0.0, 0.0), size), size, mirror: false };
        let crop = CropBox { center: [95.5, 127.5], scale: [0.96, 1.28] };
        let pose = Pose { keypoints: Vec::new(), score: 0.0 };
        let estimates = [PoseEstimate { pose, crop, heatmaps: Some(maps.clone()) }];
        let draw = move |ui: &mut egui::Ui| {
            let skeleton = Skeleton::coco17();
            let view = HeatmapView { estimates: &estimates, skeleton, result: 1, joint, opacity: 0.9 };
            layer.draw(ui.painter(), &transform, &view);
        };
        let renderer = WgpuTestRenderer::from_render_state(render);
        egui_kittest::Harness::builder().with_size(size).renderer(renderer).build_ui(draw).render().unwrap()
    }

    #[test]
    fn the_layer_from_the_networks_buffer_looks_like_the_one_from_memory() {
        let device = choose(DeviceChoice::Gpu).expect("the tests need a Vulkan driver");
        let joints: Vec<[f32; 3]> =
            (0..17).map(|j| [3.0 + 2.5 * j as f32, 4.0 + 3.5 * j as f32, 1.0]).collect();
        let maps = gaussian_targets(&joints, Size::new(48, 64), 2.0).maps;
        let values = TensorData::new(maps.values.clone(), [1, 17, 64, 48]);
        let tensor = Tensor::<4>::from_data(values, &device.device);
        let found = device.kernels().unwrap().peaks(tensor, 1, Decoding::Plain).unwrap();
        let (memory, on_device) = (HeatmapBuffer::Memory(maps), HeatmapBuffer::Device(found[0].1.clone()));
        let nothing = shot(&on_device, HeatmapJoint::All, false);
        for joint in [HeatmapJoint::All, HeatmapJoint::One(5)] {
            let [expected, drawn] = [&memory, &on_device].map(|maps| shot(maps, joint, true));
            let far = |a: &image::RgbaImage, b: &image::RgbaImage| {
                a.iter().zip(b.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
            };
            assert_eq!(expected.dimensions(), drawn.dimensions());
            assert!(far(&expected, &drawn) <= 3, "{joint:?} differs by {}", far(&expected, &drawn));
            assert!(far(&nothing, &drawn) > 100, "a window on another device draws nothing of it");
        }
    }
}
