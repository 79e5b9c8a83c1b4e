//! What the graphics card holds of the picture and its heatmaps.

use super::HeatmapLayer;
use crate::live::LiveFrame;
use egui::{ColorImage, Context, TextureHandle, TextureId, TextureOptions};
use image::RgbImage;
use std::sync::Arc;

/// The textures of the picture on display.
#[derive(Default)]
pub struct PictureTextures {
    /// The texture, and the pixels that are in it.
    picture: Option<(TextureHandle, Arc<RgbImage>)>,
    /// The textures of the heatmaps.
    pub heatmaps: HeatmapLayer,
}

impl PictureTextures {
    /// The texture with a frame's pixels; they are uploaded once.
    pub fn picture(&mut self, ctx: &Context, frame: &LiveFrame) -> TextureId {
        let pixels = &frame.frame.pixels;
        let image = || {
            let size = [pixels.width() as usize, pixels.height() as usize];
            ColorImage::from_rgb(size, pixels.as_raw())
        };
        match &mut self.picture {
            Some((texture, uploaded)) => {
                if !Arc::ptr_eq(uploaded, pixels) {
                    texture.set(image(), TextureOptions::LINEAR);
                    *uploaded = pixels.clone();
                }
                texture.id()
            }
            None => {
                let texture = ctx.load_texture("picture", image(), TextureOptions::LINEAR);
                self.picture.insert((texture, pixels.clone())).0.id()
            }
        }
    }

    /// Frees the picture of a source that was closed.
    pub fn clear_picture(&mut self) {
        self.picture = None;
    }
}
