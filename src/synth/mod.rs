//! The mannequin: a drawn person whose true joints are known.
//!
//! It is what people see before they have chosen a source, and an endless labelled training and
//! test set. [`Mannequin::render`] is a pure function of (seed, size, time): a seed fixes build,
//! clothes, hair, the order of actions and places; time moves through them.
//!
//! How it is made: rounded shapes on bones melt into a body ([`anatomy`], [`outfit`]), which
//! [`surface`] turns into triangles once a seed. Each frame bends them with the skeleton ([`rig`],
//! [`actions`], [`motion`]), draws them into a depth buffer ([`raster`]), paints and lights them
//! ([`paint`], [`shade`], [`develop`]) before a ray-traced place ([`backdrop`], [`furniture`], [`scene`]).

mod actions;
mod anatomy;
mod backdrop;
mod behind;
mod camera;
mod crowd;
mod develop;
mod dice;
mod figure;
mod furniture;
mod look;
mod motion;
mod outfit;
mod paint;
mod picture;
mod raster;
mod rig;
mod scene;
mod set;
mod shade;
mod shadow;
mod solid;

mod surface;
mod truth;

#[cfg(test)]
mod tests;

use crate::pose::Size;
pub use crowd::{Crowd, MOST_FIGURES, crowd_places};
use figure::Figure;
use image::RgbImage;
use scene::Scene;
pub use set::{DrawnSet, KeptPicture, SetError, SetPlan, draw_set};
use std::sync::{Arc, Mutex, PoisonError};

pub use truth::{TrueFigure, TruePerson};

/// A figure in its places. Cheap to keep, about a tenth of a second to make.
pub struct Mannequin {
    seed: u64,
    size: Size,
    figure: Figure,
    /// Places that were needed last, by number: making one costs more than a frame may.
    places: Mutex<Vec<(u64, Arc<Scene>)>>,
}

/// A picture with everything that is known about it.
pub struct Drawn {
    pub pixels: RgbImage,
    pub person: TrueFigure,
}

impl Mannequin {
    /// The figure of `seed`, drawn in pictures of `size` in pixels (each side is at least 16: smaller ones are
    /// raised).
    pub fn new(seed: u64, size: Size) -> Mannequin {
        let size = Size::new(size.width.max(16), size.height.max(16));
        Mannequin { seed, size, figure: Figure::new(seed), places: Mutex::new(Vec::new()) }
    }

    /// Size of the pictures in pixels.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The picture `t` seconds into the performance, and the person in it: COCO-17 joints in
    /// pixels, score 2 seen, 1 hidden by the own body, 0 outside the picture. No person when none of
    /// it is in the picture.
    pub fn render(&self, t: f64) -> (RgbImage, Vec<TruePerson>) {
        let drawn = self.draw(t);
        (drawn.pixels, drawn.person.person.into_iter().collect())
    }

    /// As [`Mannequin::render`], with the silhouette.
    pub fn draw(&self, t: f64) -> Drawn {
        picture::draw(self, t)
    }

    fn place(&self, index: u64) -> Arc<Scene> {
        // A panic elsewhere cannot leave a half-made place in the list.
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, scene)) = places.iter().find(|(i, _)| *i == index) {
            return scene.clone();
        }
        let scene = Arc::new(Scene::new(self.seed, index));
        places.retain(|(i, _)| i.abs_diff(index) <= 1);
        places.push((index, scene.clone()));
        scene
    }
}
