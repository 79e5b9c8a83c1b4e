//! The figure's shadow: a shadow map, that is the figure's depth as the lamp sees it, splatted from its vertices.

use super::interpolate::lerp;
use glam::Vec3A;

/// Cells along each side of the map.
const SIDE: usize = 224;
/// Metres a cell.
const CELL: f32 = 0.0125;

/// Depth of the figure along the direction of the light.
pub(super) struct ShadowMap {
    /// Axes of the map in the world.
    across: Vec3A,
    along: Vec3A,
    /// Unit vector towards the lamp.
    toward: Vec3A,
    /// The world's point in the middle of the map.
    centre: Vec3A,
    /// Metres that the nearest vertex of a cell lies towards the lamp from the centre; `f32::MIN` without one.
    near: Vec<f32>,
    /// Share of each cell that is in the shadow, blurred: for the ground.
    soft: Vec<f32>,
}

impl ShadowMap {
    /// For vertices in the world. `softness` from 0 to 1 widens the edge of the shadow on the ground.
    pub(super) fn new(points: &[Vec3A], toward: Vec3A, centre: Vec3A, softness: f32) -> ShadowMap {
        let across = toward.cross(Vec3A::X).normalize();
        let along = toward.cross(across);
        let mut shadow =
            ShadowMap { across, along, toward, centre, near: vec![f32::MIN; SIDE * SIDE], soft: Vec::new() };
        for &p in points {
            let [x, y] = shadow.cell(p);
            let (x, y) = (x as usize, y as usize);
            if x + 1 >= SIDE || y + 1 >= SIDE {
                continue;
            }
            let d = (p - centre).dot(toward);
            for i in [y * SIDE + x, y * SIDE + x + 1, (y + 1) * SIDE + x, (y + 1) * SIDE + x + 1] {
                shadow.near[i] = shadow.near[i].max(d);
            }
        }
        shadow.soft = shadow.near.iter().map(|&n| if n > f32::MIN { 1.0 } else { 0.0 }).collect();
        let radius = 2 + (softness * 7.0) as usize;
        for _ in 0..2 {
            blur(&mut shadow.soft, radius, 1, SIDE);
            blur(&mut shadow.soft, radius, SIDE, 1);
        }
        shadow
    }

    /// Column and row of the map under a point of the world, 0 or more.
    fn cell(&self, p: Vec3A) -> [f32; 2] {
        let q = p - self.centre;
        [self.across, self.along].map(|axis| (q.dot(axis) / CELL + SIDE as f32 * 0.5).max(0.0))
    }

    /// Light that reaches a point of the figure: 0 to 1.
    pub(super) fn on_figure(&self, p: Vec3A) -> f32 {
        let [x, y] = self.cell(p);
        let (xi, yi) = (x as usize, y as usize);
        if xi + 1 >= SIDE || yi + 1 >= SIDE {
            return 1.0;
        }
        let edge = (p - self.centre).dot(self.toward) + 0.03;
        let lit = |i: usize| 1.0 - ((self.near[i] - edge) / 0.04).clamp(0.0, 1.0);
        let i = yi * SIDE + xi;
        let (fx, fy) = (x - xi as f32, y - yi as f32);
        lerp(lerp(lit(i), lit(i + 1), fx), lerp(lit(i + SIDE), lit(i + SIDE + 1), fx), fy)
    }

    /// Light that reaches a point of the ground: 0 to 1.
    pub(super) fn on_ground(&self, p: Vec3A) -> f32 {
        let [x, y] = self.cell(p);
        let (xi, yi) = (x as usize, y as usize);
        if xi + 1 >= SIDE || yi + 1 >= SIDE {
            return 1.0;
        }
        let i = yi * SIDE + xi;
        let (fx, fy) = (x - xi as f32, y - yi as f32);
        let s = &self.soft;
        1.0 - lerp(lerp(s[i], s[i + 1], fx), lerp(s[i + SIDE], s[i + SIDE + 1], fx), fy)
    }
}

/// Box blur of every line of SIDE cells that are `step` apart, the lines `next` apart.
fn blur(cells: &mut [f32], radius: usize, step: usize, next: usize) {
    let scale = 1.0 / (2 * radius + 1) as f32;
    let mut line = [0.0f32; SIDE];
    for start in 0..SIDE {
        let at = |i: usize| start * next + i * step;
        for (i, value) in line.iter_mut().enumerate() {
            *value = cells[at(i)];
        }
        let mut sum: f32 = line[..radius].iter().sum();
        for i in 0..SIDE {
            if i + radius < SIDE {
                sum += line[i + radius];
            }
            if i > radius {
                sum -= line[i - radius - 1];
            }
            cells[at(i)] = sum * scale;
        }
    }
}
