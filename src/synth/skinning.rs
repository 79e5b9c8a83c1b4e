//! Linear blend skinning: the figure's mesh follows its bones.

use super::camera::Camera;
use super::figure::Figure;
use super::rig::BONES;
use glam::{Affine3A, Vec3A};

/// Weights below this do not move a vertex.
const LEAST_WEIGHT: f32 = 0.004;

/// The figure's vertices at one moment, in the order of [`Figure::vertices`].
pub(super) struct SkinnedMesh {
    /// Positions in the world, in metres.
    pub world: Vec<Vec3A>,
    /// Normals in the world, not normalised.
    pub normals: Vec<Vec3A>,
    /// Pixel column, pixel row, and depth along the view in metres.
    pub screen: Vec<Vec3A>,
}

/// Moves each vertex by the weighted sum of what its bones do, from the bind pose to the bones' `frames`.
pub(super) fn skin(figure: &Figure, frames: &[Affine3A; BONES], camera: &Camera) -> SkinnedMesh {
    let moves: [Affine3A; BONES] = std::array::from_fn(|b| frames[b] * figure.to_local[b]);
    let count = figure.vertices.len();
    let mut mesh = SkinnedMesh {
        world: Vec::with_capacity(count),
        normals: Vec::with_capacity(count),
        screen: Vec::with_capacity(count),
    };
    for v in &figure.vertices {
        let (mut p, mut n) = (Vec3A::ZERO, Vec3A::ZERO);
        for (&b, &w) in v.bones.iter().zip(&v.weights) {
            if w > LEAST_WEIGHT {
                let m = &moves[b as usize];
                p += m.transform_point3a(v.rest) * w;
                n += m.transform_vector3a(v.normal) * w;
            }
        }
        let sum: f32 = v.weights.iter().filter(|w| **w > LEAST_WEIGHT).sum();
        let p = p / sum;
        mesh.world.push(p);
        mesh.normals.push(n);
        mesh.screen.push(camera.project(p));
    }
    mesh
}
