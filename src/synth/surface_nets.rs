//! From a signed distance to triangles: naive surface nets (Gibson 1998) on a grid that skips empty blocks.

use glam::{UVec3, Vec3A, uvec3};

/// Triangles, with one vertex in each cell that the surface crosses.
#[derive(Clone, Debug, Default)]
pub(super) struct Mesh {
    pub points: Vec<Vec3A>,
    pub normals: Vec<Vec3A>,
    pub triangles: Vec<[u32; 3]>,
}

/// Cells along each side of a block.
const BLOCK: usize = 6;

/// The zero surface of `distance` inside the box `low`..`high`, in cells of `cell` metres.
pub(super) fn surface_nets(low: Vec3A, high: Vec3A, cell: f32, distance: impl Fn(Vec3A) -> f32) -> Mesh {
    let count = ((high - low) / cell).ceil().as_uvec3() + UVec3::ONE;
    let (nx, ny, nz) = (count.x as usize + 1, count.y as usize + 1, count.z as usize + 1);
    let at = |x: usize, y: usize, z: usize| (z * ny + y) * nx + x;
    let mut values = vec![1f32; nx * ny * nz];
    let mut near = vec![false; nx.div_ceil(BLOCK) * ny.div_ceil(BLOCK) * nz.div_ceil(BLOCK)];
    let point = |x: usize, y: usize, z: usize| low + Vec3A::new(x as f32, y as f32, z as f32) * cell;
    let mut block = 0;
    for bz in (0..nz).step_by(BLOCK) {
        for by in (0..ny).step_by(BLOCK) {
            for bx in (0..nx).step_by(BLOCK) {
                let middle = point(bx, by, bz) + Vec3A::splat(cell * BLOCK as f32 / 2.0);
                let d = distance(middle);
                // Half the diagonal, and some, because joined distances are not exact.
                near[block] = d.abs() < cell * BLOCK as f32 * 1.3;
                for z in bz..(bz + BLOCK).min(nz) {
                    for y in by..(by + BLOCK).min(ny) {
                        for x in bx..(bx + BLOCK).min(nx) {
                            values[at(x, y, z)] = if near[block] { distance(point(x, y, z)) } else { d };
                        }
                    }
                }
                block += 1;
            }
        }
    }
    connect(&values, uvec3(nx as u32, ny as u32, nz as u32), low, cell)
}

/// Vertices of the cells that have both signs at their corners, and two triangles for each edge that the surface
/// crosses. `values` holds the distances at the grid's points, x fastest.
fn connect(values: &[f32], size: UVec3, low: Vec3A, cell: f32) -> Mesh {
    let (nx, ny, nz) = (size.x as usize, size.y as usize, size.z as usize);
    let stride = [1, nx, nx * ny];
    let mut mesh = Mesh::default();
    let mut index = vec![u32::MAX; values.len()];
    for z in 0..nz - 1 {
        for y in 0..ny - 1 {
            for x in 0..nx - 1 {
                let base = x + y * stride[1] + z * stride[2];
                let corner =
                    |c: usize| values[base + (c & 1) + (c >> 1 & 1) * stride[1] + (c >> 2) * stride[2]];
                let inside = (0..8).filter(|&c| corner(c) < 0.0).count();
                if inside == 0 || inside == 8 {
                    continue;
                }
                let (mut sum, mut crossings) = (Vec3A::ZERO, 0.0);
                for a in 0..8usize {
                    for axis in 0..3 {
                        let b = a | (1 << axis);
                        if a == b || (corner(a) < 0.0) == (corner(b) < 0.0) {
                            continue;
                        }
                        let mut p = Vec3A::new((a & 1) as f32, (a >> 1 & 1) as f32, (a >> 2) as f32);
                        p[axis] += corner(a) / (corner(a) - corner(b));
                        sum += p;
                        crossings += 1.0;
                    }
                }
                index[base] = mesh.points.len() as u32;
                let offset = Vec3A::new(x as f32, y as f32, z as f32) + sum / crossings;
                mesh.points.push(low + offset * cell);
            }
        }
    }
    for z in 1..nz - 1 {
        for y in 1..ny - 1 {
            for x in 1..nx - 1 {
                let base = x + y * stride[1] + z * stride[2];
                for axis in 0..3 {
                    let (a, b) = (values[base] < 0.0, values[base + stride[axis]] < 0.0);
                    if a == b {
                        continue;
                    }
                    let (u, v) = (stride[(axis + 1) % 3], stride[(axis + 2) % 3]);
                    let quad = [index[base - u - v], index[base - v], index[base], index[base - u]];
                    if quad.contains(&u32::MAX) {
                        continue;
                    }
                    let [p, q, r, s] = quad;
                    if a {
                        mesh.triangles.extend([[p, q, r], [p, r, s]]);
                    } else {
                        mesh.triangles.extend([[p, r, q], [p, s, r]]);
                    }
                }
            }
        }
    }
    mesh.normals = normals(&mesh);
    mesh
}

/// The normal of each vertex: the sum of its triangles', by their area.
fn normals(mesh: &Mesh) -> Vec<Vec3A> {
    let mut sum = vec![Vec3A::ZERO; mesh.points.len()];
    for t in &mesh.triangles {
        let [a, b, c] = t.map(|i| mesh.points[i as usize]);
        let n = (b - a).cross(c - a);
        for &i in t {
            sum[i as usize] += n;
        }
    }
    sum.into_iter().map(|n| n.normalize_or(Vec3A::Y)).collect()
}
