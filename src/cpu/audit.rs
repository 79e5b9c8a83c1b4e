//! Checks a plan cell by cell: nothing that runs at the same time may touch what another item writes, everything that
//! is read must have been written for that map and not been overwritten since, and nothing lies outside.

use super::net::Net;
use super::operation::{Operation, Part};
use super::pack::Packed;
use super::plan::{Item, Plan};
use super::step::Step;
use std::ops::Range;

/// Pixels and channels of a map.
struct Region {
    map: usize,
    rows: Range<usize>,
    columns: Range<usize>,
    channels: Range<usize>,
}

/// Asserts that `plan`, of `net`, is sound.
///
/// # Panics
/// When it is not.
pub fn audit(net: &Net, plan: &Plan) {
    // Whose map a cell of the arena holds, and which item of the present wave wrote or read it.
    let mut owner = vec![usize::MAX; plan.arena];
    for part in &plan.inputs {
        cells(plan, &whole(net, *part), |cell| owner[cell] = part.map);
    }
    let mut done: Vec<Vec<Item>> = vec![Vec::new(); plan.steps.len()];
    for (number, wave) in plan.waves.iter().enumerate() {
        let mut writer = vec![usize::MAX; plan.arena];
        for (i, item) in wave.items.iter().enumerate() {
            done[item.step].push(item.clone());
            for region in written(plan, item) {
                cells(plan, &region, |cell| {
                    assert_eq!(writer[cell], usize::MAX, "wave {number}: two items write one cell");
                    writer[cell] = i;
                });
            }
        }
        for (i, item) in wave.items.iter().enumerate() {
            for region in read(net, plan, item) {
                cells(plan, &region, |cell| {
                    assert!(
                        writer[cell] == usize::MAX || writer[cell] == i,
                        "wave {number}: read while written"
                    );
                    assert_eq!(owner[cell], region.map, "wave {number}: map {} is not there", region.map);
                });
            }
        }
        for item in &wave.items {
            for region in written(plan, item) {
                cells(plan, &region, |cell| owner[cell] = region.map);
            }
        }
        let shares = &wave.shares;
        assert!(shares[0] == 0 && shares[plan.members] == wave.items.len() && shares.is_sorted());
    }
    for part in &plan.outputs {
        cells(plan, &whole(net, *part), |cell| assert_eq!(owner[cell], part.map, "an output is not there"));
    }
}

/// Calls `visit` with every cell of the arena that lies in a region.
fn cells(plan: &Plan, region: &Region, mut visit: impl FnMut(usize)) {
    let placed = plan.maps[region.map];
    let shape = placed.shape;
    assert!(region.rows.end <= shape.height && region.columns.end <= shape.width);
    assert!(region.channels.end <= shape.channels, "a part of a map that has fewer channels");
    for row in region.rows.clone() {
        for column in region.columns.clone() {
            let pixel = placed.offset + (row * shape.width + column) * shape.channels;
            region.channels.clone().for_each(|channel| visit(pixel + channel));
        }
    }
}

fn whole(net: &Net, part: Part) -> Region {
    let shape = net.maps[part.map];
    region(part, 0..shape.height, 0..shape.width)
}

fn region(part: Part, rows: Range<usize>, columns: Range<usize>) -> Region {
    Region { map: part.map, rows, columns, channels: part.first..part.first + part.channels }
}

/// The pixels of the result that an item makes, as rectangles.
fn rectangles(plan: &Plan, item: &Item) -> Vec<(Range<usize>, Range<usize>)> {
    let step = &plan.steps[item.step];
    let shape = plan.maps[step.output().map].shape;
    match step {
        Step::Convolution { .. } => item
            .range
            .clone()
            .map(|pixel| {
                let (row, column) = (pixel / shape.width, pixel % shape.width);
                (row..row + 1, column..column + 1)
            })
            .collect(),
        Step::Winograd { side, .. } => {
            let across = shape.width.div_ceil(*side);
            let tile = |tile: usize| {
                let (top, left) = (tile / across * side, tile % across * side);
                (top..(top + side).min(shape.height), left..(left + side).min(shape.width))
            };
            item.range.clone().map(tile).collect()
        }
        Step::Gate { .. } => vec![(0..shape.height, 0..shape.width)],
        Step::Embed { first_row, .. } => {
            vec![(item.range.start + first_row..item.range.end + first_row, 0..1)]
        }
        _ => vec![(item.range.clone(), 0..shape.width)],
    }
}

/// The weights whose panels an item may make some of.
fn panels_of(step: &Step) -> Option<&Packed> {
    match step {
        Step::Winograd { packed, .. } => Some(packed),
        Step::NormLinear { packed, .. } => Some(packed),
        Step::Convolution { sources, .. } => Some(&sources[0].1),
        _ => None,
    }
}

fn normalised(operation: &Operation, part: &Part) -> bool {
    matches!(operation, Operation::NormLinear { input, .. } if input == part)
}

fn written(plan: &Plan, item: &Item) -> Vec<Region> {
    let step = &plan.steps[item.step];
    let all = |part: Part| {
        let part = match panels_of(step) {
            Some(packed) if packed.outputs == part.channels => {
                let (first, last) = (packed.panels[item.panels.0], packed.panels[item.panels.1 - 1]);
                let end = (last.first + last.vectors * plan.kernels.lanes).min(packed.outputs);
                part.channels(first.first, end - first.first)
            }
            _ => part,
        };
        rectangles(plan, item).into_iter().map(move |(rows, columns)| region(part, rows, columns))
    };
    let rectified = match step {
        Step::Sum { rectified, .. } => *rectified,
        _ => None,
    };
    std::iter::once(step.output()).chain(rectified).flat_map(all).collect()
}

fn read(net: &Net, plan: &Plan, item: &Item) -> Vec<Region> {
    let operation = &net.operations[item.step];
    let accesses = operation.accesses();
    let (kernel, stride) = match operation {
        Operation::Convolution { filter, stride, .. } => (filter.kernel, *stride),
        Operation::Separable { depthwise, stride, .. } => (depthwise.kernel, *stride),
        Operation::MaxPool { .. } => (5, 1),
        _ => (1, 1),
    };
    let reach = kernel / 2;
    let transposed = matches!(operation, Operation::Transpose { .. } | Operation::Attend { .. });
    let mut regions = Vec::new();
    for (rows, columns) in rectangles(plan, item) {
        for part in &accesses.same_pixel {
            let part = match panels_of(&plan.steps[item.step]) {
                // Not the rows that are normalised: all of their channels are read.
                Some(packed) if packed.outputs == part.channels && !normalised(operation, part) => {
                    let written = written(plan, item).remove(0).channels;
                    let output = plan.steps[item.step].output();
                    part.channels(written.start - output.first, written.len())
                }
                _ => *part,
            };
            regions.push(region(part, rows.clone(), columns.clone()));
        }
        for part in &accesses.reads {
            let shape = net.maps[part.map];
            let (height, width) = (shape.height << part.up, shape.width << part.up);
            let output = plan.maps[plan.steps[item.step].output().map].shape;
            let seen = |range: &Range<usize>, side: usize, made: usize| {
                // What is as small as a pixel's weights, doubled or gated is read as a whole.
                if transposed || side.div_ceil(stride) != made {
                    return 0..side >> part.up;
                }
                let first = (range.start * stride).saturating_sub(reach);
                let end = ((range.end - 1) * stride + reach + 1).min(side);
                first >> part.up..((end - 1) >> part.up) + 1
            };
            let (rows, columns) = (seen(&rows, height, output.height), seen(&columns, width, output.width));
            regions.push(region(*part, rows, columns));
        }
    }
    regions
}
