//! Pooling.

use super::kernels;
use super::map::Map;

/// The largest values within 5x5 pixels: along rows, then along columns.
pub fn largest_near(map: &Map) -> Map {
    let reach = 2;
    let pixel = |x: usize, y: usize| (y * map.width + x) * map.channels;
    let pass = |from: &Map, near: &dyn Fn(usize, usize) -> Vec<usize>| {
        let mut to = from.clone();
        for y in 0..map.height {
            for x in 0..map.width {
                let at = pixel(x, y);
                for other in near(x, y) {
                    let values = &from.values[other..other + map.channels];
                    kernels::larger(&mut to.values[at..at + map.channels], values);
                }
            }
        }
        to
    };
    let beside = |at: usize, end: usize| at.saturating_sub(reach)..(at + reach + 1).min(end);
    let rows = pass(map, &|x, y| beside(x, map.width).map(|x| pixel(x, y)).collect());
    pass(&rows, &|x, y| beside(y, map.height).map(|y| pixel(x, y)).collect())
}
