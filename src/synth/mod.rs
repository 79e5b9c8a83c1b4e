//! The mannequin: a drawn person whose true joints are known.
//!
//! It is what people see before they have chosen a source, and an endless labelled training and
//! test set. [`Mannequin::render`] is a pure function of (seed, size, time): a seed fixes build,
//! clothes, hair, the order of actions and scenes; time moves through them.
//!
//! How it is made: primitives on bones are joined into solids ([`anatomy`], [`outfit`], [`solid`]), which
//! [`surface_nets`] turns into triangles once a seed ([`figure`]). For each picture the skeleton moves ([`rig`],
//! [`actions`], [`motion`]) and the mesh follows it ([`skinning`]); its triangles are drawn into a buffer that says
//! which is in front ([`visibility`]), textured and shaded ([`texture`], [`shade`], [`shadow_map`]) before a ray-traced
//! [`environment`] ([`scene`], [`background`]), and turned into bytes as a camera does ([`camera_response`]).

mod actions;
mod anatomy;
mod appearance;
mod background;
mod camera;
mod camera_response;
mod color;
mod crowd;
mod environment;
mod environment_kind;
mod figure;
mod furnishing;
mod interpolate;
mod motion;
mod noise;
mod outfit;
mod prop;
mod random;
mod render;
mod rig;
mod scene;
mod set;
mod shade;
mod shadow_map;
mod skinning;
mod solid;
mod surface_nets;
mod texture;
mod truth;
mod visibility;
mod wall_fixtures;

#[cfg(test)]
mod tests;

pub use crowd::{Crowd, MAX_FIGURES, crowd_boxes};
pub use set::{KeptPicture, RenderedSet, SetError, SetPlan, render_set};
pub use truth::{GroundTruth, TruePerson};

use crate::pose::Size;
use figure::Figure;
use image::RgbImage;
use scene::Scene;
use std::sync::{Arc, Mutex, PoisonError};

/// A figure in its scenes. Cheap to keep, about a tenth of a second to make.
pub struct Mannequin {
    seed: u64,
    size: Size,
    figure: Figure,
    /// Scenes that were needed last, by number: making one costs more than a frame may.
    scenes: Mutex<Vec<(u64, Arc<Scene>)>>,
}

/// A picture with everything that is known about it.
pub struct RenderedPicture {
    /// The picture, in sRGB.
    pub pixels: RgbImage,
    /// What it shows of the figure.
    pub truth: GroundTruth,
}

impl Mannequin {
    /// The figure of `seed`, drawn in pictures of `size` in pixels (each side is at least 16: smaller ones are
    /// raised).
    pub fn new(seed: u64, size: Size) -> Mannequin {
        let size = Size::new(size.width.max(16), size.height.max(16));
        Mannequin { seed, size, figure: Figure::new(seed), scenes: Mutex::new(Vec::new()) }
    }

    /// Size of the pictures in pixels.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The picture `t` seconds into the performance, and the person in it: COCO-17 joints in
    /// pixels, score 2 seen, 1 hidden by the own body, 0 outside the picture. No person when none of
    /// it is in the picture.
    pub fn render(&self, t: f64) -> (RgbImage, Vec<TruePerson>) {
        let drawn = self.render_with_truth(t);
        (drawn.pixels, drawn.truth.person.into_iter().collect())
    }

    /// As [`Mannequin::render`], with the silhouette.
    pub fn render_with_truth(&self, t: f64) -> RenderedPicture {
        render::render(self, t)
    }

    fn scene(&self, index: u64) -> Arc<Scene> {
        // A panic elsewhere cannot leave a half-made scene in the list.
        let mut scenes = self.scenes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, scene)) = scenes.iter().find(|(i, _)| *i == index) {
            return scene.clone();
        }
        let scene = Arc::new(Scene::new(self.seed, index));
        scenes.retain(|(i, _)| i.abs_diff(index) <= 1);
        scenes.push((index, scene.clone()));
        scene
    }
}
