//! The modelled figure: triangles with skin weights, made once a seed.

use super::anatomy;
use super::appearance::{Appearance, Hair, LowerGarment};
use super::interpolate::{lerp, smoothstep};
use super::outfit::Outfit;
use super::rig::*;
use super::solid::Solid;
use super::surface_nets::{Mesh, surface_nets};
use glam::{Affine3A, Vec3A, vec3a};

/// What a triangle is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Material {
    Skin,
    Top,
    Bottom,
    Shoe,
    Hair,
    Cap,
}

/// A point of the mesh with its skin weights.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vertex {
    /// Position (metres) and normal in the bind pose.
    pub rest: Vec3A,
    pub normal: Vec3A,
    pub bones: [u8; 4],
    pub weights: [f32; 4],
    /// Ambient occlusion: 1 sees the whole sky, 0 is buried in a fold.
    pub openness: f32,
}

/// Bones that move a point, and by how much.
type Weights = ([u8; 4], [f32; 4]);

/// A mesh on a skeleton, with the appearance that it was made from.
pub(super) struct Figure {
    pub appearance: Appearance,
    pub rig: Rig,
    pub vertices: Vec<Vertex>,
    /// Three vertices each.
    pub triangles: Vec<[u32; 3]>,
    /// One for each triangle.
    pub materials: Vec<Material>,
    /// From the bind pose to bone frames.
    pub to_local: [Affine3A; BONES],
}

/// Makes the mesh, surface by surface.
struct FigureBuilder<'a> {
    appearance: &'a Appearance,
    frames: [Affine3A; BONES],
    body: Solid,
    /// Body and shoes: what the skin hangs on.
    carrier: Solid,
    shoes: Solid,
    outfit: Outfit<'a>,
    scale: f32,
    vertices: Vec<Vertex>,
    triangles: Vec<[u32; 3]>,
    materials: Vec<Material>,
}

impl Figure {
    pub(super) fn new(seed: u64) -> Figure {
        let appearance = Appearance::new(seed);
        let rig = Rig::new(&appearance);
        let frames = rig.forward_kinematics(&Stance::bind());
        let (scale, head) = (appearance.scale, appearance.head);
        let body = Solid::new(anatomy::body(&appearance), &frames, scale, head);
        let mut all = anatomy::body(&appearance);
        all.extend(anatomy::shoes());
        let mut m = FigureBuilder {
            appearance: &appearance,
            frames,
            carrier: Solid::new(all, &frames, scale, head),
            shoes: Solid::new(anatomy::shoes(), &frames, scale, head),
            outfit: Outfit::new(&appearance, &rig, &body, &frames),
            body,
            scale,
            vertices: Vec::new(),
            triangles: Vec::new(),
            materials: Vec::new(),
        };
        m.skin();
        m.clothes();
        m.hair();
        let FigureBuilder { vertices, triangles, materials, .. } = m;
        let to_local = std::array::from_fn(|b| frames[b].inverse());
        Figure { rig, vertices, triangles, materials, to_local, appearance }
    }
}

impl FigureBuilder<'_> {
    fn local(&self, bone: usize, p: Vec3A) -> Vec3A {
        self.frames[bone].inverse().transform_point3a(p) / self.scale
    }

    /// A box around bones, with a margin, in metres.
    fn bounds(&self, bones: &[usize], margin: f32) -> (Vec3A, Vec3A) {
        let points = bones.iter().map(|&b| self.frames[b].translation);
        let low = points.clone().fold(Vec3A::INFINITY, Vec3A::min);
        let high = points.fold(Vec3A::NEG_INFINITY, Vec3A::max);
        let margin = Vec3A::splat(margin * self.scale);
        (low - margin, high + margin)
    }

    fn skin(&mut self) {
        let unit = self.scale;
        let limbs: Vec<usize> = (0..BONES).collect();
        let (low, high) = self.bounds(&limbs, 0.2);
        let mesh = surface_nets(low, high, 0.0135 * unit, |p| self.body.distance(p));
        let hidden = |m: &FigureBuilder, p: Vec3A| {
            let side = usize::from(p.x < 0.0);
            m.local(HEAD, p).y > -0.035
                || m.local(hand(side), p).y < -0.012 && m.local(hand(side), p).length() < 0.3
                || m.outfit.top(p) < -0.005
                || m.outfit.bottom(p) < -0.005
                || m.shoes.distance(p) < -0.006
        };
        self.add(mesh, Material::Skin, hidden, |_, _, w| w);

        let centre = self.frames[HEAD].translation;
        let low = centre + vec3a(-0.11, -0.09, -0.14) * unit;
        let high = centre + vec3a(0.11, 0.23, 0.15) * unit;
        let mesh = surface_nets(low, high, 0.0055 * unit, |p| self.body.distance(p));
        self.add(
            mesh,
            Material::Skin,
            |m, p| m.outfit.top(p) < -0.005,
            |m, p, w| {
                // A face does not bend.
                let q = m.local(HEAD, p);
                if q.y > 0.0 || (q.z > 0.05 && q.y > -0.07) { only(HEAD) } else { w }
            },
        );

        for side in 0..2 {
            let from = self.frames[hand(side)];
            let points =
                [vec3a(0.0, 0.03, 0.0), vec3a(0.0, -0.19, 0.0)].map(|p| from.transform_point3a(p * unit));
            let margin = Vec3A::splat(0.065 * unit);
            let (low, high) = (points[0].min(points[1]) - margin, points[0].max(points[1]) + margin);
            let mesh = surface_nets(low, high, 0.0058 * unit, |p| self.body.distance(p));
            let wrong = move |m: &FigureBuilder, p: Vec3A| {
                m.local(hand(side), p).y > 0.03 || m.outfit.top(p) < -0.005
            };
            self.add(mesh, Material::Skin, wrong, |_, _, w| w);
        }
    }

    fn clothes(&mut self) {
        let unit = self.scale;
        let arms = [PELVIS, NECK, hand(0), hand(1)];
        let (low, high) = self.bounds(&arms, 0.22);
        let mesh = surface_nets(low, high, 0.0125 * unit, |p| self.outfit.top(p));
        self.add(mesh, Material::Top, |_, _| false, |_, _, w| w);

        let (low, high) = self.bounds(&[SPINE, foot(0), foot(1)], 0.26);
        let mesh = surface_nets(low, high, 0.0125 * unit, |p| self.outfit.bottom(p));
        // What a long top covers can be left out, unless the top flares away from it.
        let covered = |m: &FigureBuilder, p: Vec3A| m.outfit.top(p) < -0.009;
        let skirt = self.appearance.lower == LowerGarment::Skirt;
        self.add(mesh, Material::Bottom, covered, move |m, p, w| if skirt { m.skirt_weights(p) } else { w });

        let (low, high) = self.bounds(&[foot(0), foot(1)], 0.22);
        let mesh = surface_nets(low, high, 0.0095 * unit, |p| {
            let side = usize::from(p.x < 0.0);
            let sole = -(self.local(foot(side), p).y + ANKLE) * unit;
            self.shoes.distance(p).max(sole)
        });
        self.add(mesh, Material::Shoe, |_, _| false, |_, _, w| w);
    }

    fn hair(&mut self) {
        let unit = self.scale;
        let centre = self.frames[HEAD].translation;
        if self.appearance.hair != Hair::Bald {
            let low = centre + vec3a(-0.15, -0.3, -0.2) * unit;
            let high = centre + vec3a(0.15, 0.28, 0.15) * unit;
            let mesh = surface_nets(low, high, 0.008 * unit, |p| self.outfit.hair(p));
            self.add(
                mesh,
                Material::Hair,
                |m, p| m.body.distance(p) < -0.01,
                |m, p, _| {
                    // Long hair rests on the back.
                    let fall = smoothstep(-0.03, -0.16, m.outfit.to_head(p).y);
                    if fall == 0.0 {
                        return only(HEAD);
                    }
                    ([HEAD as u8, CHEST as u8, 0, 0], [1.0 - 0.8 * fall, 0.8 * fall, 0.0, 0.0])
                },
            );
        }
        if self.appearance.hair == Hair::Cap {
            let low = centre + vec3a(-0.13, 0.05, -0.15) * unit;
            let high = centre + vec3a(0.13, 0.25, 0.2) * unit;
            let mesh = surface_nets(low, high, 0.0065 * unit, |p| self.outfit.cap(p));
            self.add(mesh, Material::Cap, |_, _| false, |_, _, _| only(HEAD));
        }
    }

    fn skirt_weights(&self, p: Vec3A) -> Weights {
        let q = self.local(PELVIS, p);
        let swing = 0.82 * smoothstep(0.04, -0.2, q.y);
        let left = smoothstep(-0.16, 0.16, q.x);
        let bones = [PELVIS as u8, thigh(0) as u8, thigh(1) as u8, SPINE as u8];
        (bones, [1.0 - swing, swing * left, swing * (1.0 - left), 0.0])
    }

    fn weights(&self, p: Vec3A) -> Weights {
        let distances = self.carrier.bone_distances(p);
        let nearest = distances.iter().copied().fold(f32::INFINITY, f32::min);
        let mut all: Vec<(usize, f32)> = (0..BONES)
            .map(|b| {
                let mut w = (-(distances[b] - nearest) / (0.02 * self.scale)).exp();
                if b >= 5 {
                    // A leg does not pull at the other leg's skin.
                    let side = sign((b - 5) / 7);
                    let leg = (b - 5) % 7 >= 4;
                    w *= if leg {
                        smoothstep(-0.03, 0.03, side * p.x)
                    } else {
                        smoothstep(-0.01, 0.05, side * p.x)
                    };
                }
                (b, w)
            })
            .collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        let sum: f32 = all[..4].iter().map(|a| a.1).sum();
        (std::array::from_fn(|i| all[i].0 as u8), std::array::from_fn(|i| all[i].1 / sum.max(1e-9)))
    }

    /// Everything solid, for the light that folds swallow.
    fn any(&self, p: Vec3A) -> f32 {
        self.body.distance(p).min(self.outfit.top(p)).min(self.outfit.bottom(p))
    }

    fn add(
        &mut self,
        mesh: Mesh,
        material: Material,
        hidden: impl Fn(&FigureBuilder, Vec3A) -> bool,
        reweigh: impl Fn(&FigureBuilder, Vec3A, Weights) -> Weights,
    ) {
        let gone: Vec<bool> = mesh.points.iter().map(|&p| hidden(self, p)).collect();
        let kept: Vec<[u32; 3]> =
            mesh.triangles.into_iter().filter(|t| t.iter().any(|&i| !gone[i as usize])).collect();
        let mut place = vec![u32::MAX; mesh.points.len()];
        for t in kept {
            let t = t.map(|i| {
                let i = i as usize;
                if place[i] == u32::MAX {
                    place[i] = self.vertices.len() as u32;
                    let (rest, normal) = (mesh.points[i], mesh.normals[i]);
                    let (bones, weights) = reweigh(self, rest, self.weights(rest));
                    let mut openness = 1.0;
                    for (reach, share) in [(0.025, 0.35), (0.07, 0.4), (0.14, 0.35)] {
                        let free = self.any(rest + normal * reach * self.scale) / (reach * self.scale);
                        openness *= lerp(1.0, free.clamp(0.0, 1.0), share);
                    }
                    self.vertices.push(Vertex { rest, normal, bones, weights, openness });
                }
                place[i]
            });
            self.triangles.push(t);
            self.materials.push(material);
        }
    }
}

fn only(bone: usize) -> Weights {
    ([bone as u8, 0, 0, 0], [1.0, 0.0, 0.0, 0.0])
}
