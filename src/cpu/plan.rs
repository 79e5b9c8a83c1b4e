//! A network made ready to run on one picture: weights packed, operations divided into items, maps placed.

use super::memory::{Lifetime, Placed, place};
use super::net::{Net, Tokens};
use super::operation::{Accesses, Part};
use super::simd::KernelTable;
use super::step::{Packs, Step, Unit, prepare};
use std::ops::Range;

/// A part of an operation's result, done by one thread at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Which of [`Plan::steps`].
    pub step: usize,
    /// Pixels, rows or tiles of the result.
    pub range: Range<usize>,
    /// Panels of output channels, first and end.
    pub panels: (usize, usize),
    /// Where in the result its middle lies, 0 to 1: who made what it reads has it in the cache.
    position: f32,
    /// Multiply-adds, about.
    work: usize,
}

/// Items that depend on none of each other.
#[derive(Clone, Debug)]
pub struct Wave {
    /// Member by member, the largest first.
    pub items: Vec<Item>,
    /// Where each member's items begin, and the end.
    pub shares: Vec<usize>,
}

/// Items of a wave for each member: enough that nobody waits long for the slowest.
const ITEMS_A_MEMBER: usize = 8;
/// Least and most multiply-adds of an item, about: handing one out costs some, and it should stay in a core's cache.
const ITEM_WORK: (usize, usize) = (60_000, 1_500_000);
/// Pixels that an item is made of: a multiple of every tile's height.
const PIXELS: usize = 24;
/// Most tiles of Winograd's algorithm in an item, of 4x4 and of 2x2: their transformed pixels stay in the cache.
pub const TILES: (usize, usize) = (12, 48);

/// A network made ready for an instruction set and a number of threads.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The kernels that run it.
    pub kernels: &'static KernelTable,
    /// What is done.
    pub steps: Vec<Step>,
    /// In which order.
    pub waves: Vec<Wave>,
    /// Where maps lie.
    pub maps: Vec<Placed>,
    /// Numbers of the arena.
    pub arena: usize,
    /// Numbers of each member's scratch memory.
    pub scratch: usize,
    /// Threads for which the waves are shared out.
    pub members: usize,
    /// See [`Net::inputs`].
    pub inputs: Vec<Part>,
    /// See [`Net::outputs`].
    pub outputs: Vec<Part>,
    /// See [`Net::tokens`].
    pub tokens: Option<Tokens>,
    /// The waves with which the stages behind the first begin, see [`Net::marks`].
    pub marks: Vec<usize>,
}

impl Plan {
    /// A plan of `net` for `members` threads.
    pub fn new(net: &Net, kernels: &'static KernelTable, members: usize) -> Plan {
        Plan::with_packs(net, kernels, members, &Packs::default())
    }

    /// [`Plan::new`] with weights that other plans have packed for the same kernels.
    pub fn with_packs(net: &Net, kernels: &'static KernelTable, members: usize, packs: &Packs) -> Plan {
        let accesses: Vec<Accesses> = net.operations.iter().map(|op| op.accesses()).collect();
        let levels = levels(&accesses);
        let lifetimes = lifetimes(net, &accesses, &levels);
        let shapes: Vec<_> = net.maps.iter().copied().zip(lifetimes).collect();
        let (maps, arena) = place(&shapes);
        let steps = prepare(net, kernels, packs);
        let waves = levels.iter().max().map_or(0, |last| last + 1);
        let marks = net.marks.iter().map(|&operation| levels[operation]).collect();
        let mut plan = Plan {
            kernels,
            steps,
            waves: Vec::with_capacity(waves),
            maps,
            arena,
            scratch: 0,
            members: members.max(1),
            inputs: net.inputs.clone(),
            outputs: net.outputs.clone(),
            tokens: net.tokens,
            marks,
        };
        for wave in 0..waves {
            let steps: Vec<usize> = (0..levels.len()).filter(|&i| levels[i] == wave).collect();
            let wave = plan.wave(&steps);
            plan.waves.push(wave);
        }
        let scratch = |item: &Item| {
            let step = &plan.steps[item.step];
            step.scratch(item.range.len(), plan.maps[step.output().map].shape.width)
        };
        plan.scratch = plan.waves.iter().flat_map(|wave| &wave.items).map(scratch).max().unwrap_or(0);
        plan
    }

    /// Bytes of a run's memory: the maps, and the scratch memory of all members.
    pub fn bytes(&self) -> usize {
        size_of::<f32>() * (self.arena + self.members * self.scratch)
    }

    /// The wave in which these steps run.
    fn wave(&self, steps: &[usize]) -> Wave {
        let work: usize = steps.iter().map(|&i| self.work(i)).sum();
        let grain = (work / (ITEMS_A_MEMBER * self.members)).clamp(ITEM_WORK.0, ITEM_WORK.1);
        let mut items: Vec<Item> = steps.iter().flat_map(|&i| self.divide(i, grain)).collect();
        let owner = |item: &Item| ((item.position * self.members as f32) as usize).min(self.members - 1);
        items.sort_by_key(|item| (owner(item), std::cmp::Reverse(item.work)));
        let shares = (0..=self.members).map(|m| items.partition_point(|item| owner(item) < m)).collect();
        Wave { items, shares }
    }

    /// Pixels, rows or tiles of a step's result, and its width.
    fn units(&self, step: usize) -> (usize, usize) {
        let shape = self.maps[self.steps[step].output().map].shape;
        let units = match (self.steps[step].unit(), &self.steps[step]) {
            (Unit::Pixels, _) => shape.pixels(),
            (Unit::Rows, _) => shape.height,
            (Unit::Tiles, Step::Winograd { side, .. }) => {
                shape.height.div_ceil(*side) * shape.width.div_ceil(*side)
            }
            (Unit::Tokens, _) => self.tokens.map_or(0, |tokens| tokens.count),
            (Unit::Tiles | Unit::Whole, _) => 1,
        };
        (units, shape.width)
    }

    fn work(&self, step: usize) -> usize {
        let (units, width) = self.units(step);
        units * self.steps[step].work(width)
    }

    /// Items of about `grain` multiply-adds.
    fn divide(&self, index: usize, grain: usize) -> Vec<Item> {
        let step = &self.steps[index];
        let (units, width) = self.units(index);
        let unit_work = step.work(width).max(1);
        let wanted = (grain / unit_work).max(1);
        let (most, panels) = match step {
            Step::Convolution { .. } | Step::NormLinear { .. } => {
                let most = wanted.next_multiple_of(PIXELS);
                // Few rows of many outputs: members share the outputs too.
                let few = units.div_ceil(most) < self.members;
                (most, if few { (units * unit_work / grain).clamp(1, step.divisions()) } else { 1 })
            }
            Step::Embed { .. } | Step::Attend { .. } => (wanted.next_multiple_of(PIXELS), 1),
            Step::Winograd { side, .. } => {
                let most = if *side == 4 { TILES.0 } else { TILES.1 };
                // Where one item holds all tiles, members share the panels instead.
                (most, if units <= most { step.panels() } else { 1 })
            }
            _ => (wanted, 1),
        };
        let mut items = Vec::new();
        for from in (0..units).step_by(most) {
            let range = from..(from + most).min(units);
            for panel in 0..panels {
                let work = unit_work * range.len() / panels;
                let (position, panels) = if panels > 1 {
                    let share = |n: usize| step.panels() * n / panels;
                    ((panel as f32 + 0.5) / panels as f32, (share(panel), share(panel + 1)))
                } else {
                    ((range.start + range.end) as f32 / (2 * units) as f32, (0, step.panels()))
                };
                items.push(Item { step: index, range: range.clone(), panels, position, work });
            }
        }
        items
    }
}

/// The wave of each operation: the one behind the last that it must wait for.
fn levels(accesses: &[Accesses]) -> Vec<usize> {
    let touches = |a: &[Part], b: &[Part]| a.iter().any(|a| b.iter().any(|b| a.overlaps(b)));
    let waits = |later: &Accesses, earlier: &Accesses| {
        touches(&later.reads, &earlier.writes)
            || touches(&later.same_pixel, &earlier.writes)
            || touches(&later.writes, &earlier.writes)
            || touches(&later.writes, &earlier.reads)
            || touches(&later.writes, &earlier.same_pixel)
    };
    let mut levels: Vec<usize> = Vec::with_capacity(accesses.len());
    for (i, later) in accesses.iter().enumerate() {
        let earlier = accesses[..i].iter().zip(&levels).filter(|(earlier, _)| waits(later, earlier));
        let level = earlier.map(|(_, level)| level + 1).max().unwrap_or(0);
        levels.push(level);
    }
    levels
}

/// When each map is needed. Inputs are there from the beginning, outputs until the end.
fn lifetimes(net: &Net, accesses: &[Accesses], levels: &[usize]) -> Vec<Lifetime> {
    let end = levels.iter().max().map_or(0, |last| last + 1);
    let mut lifetimes = vec![Lifetime { first: usize::MAX, last: 0 }; net.maps.len()];
    let mut needed = |part: &Part, level: usize| {
        let lifetime = &mut lifetimes[part.map];
        lifetime.first = lifetime.first.min(level);
        lifetime.last = lifetime.last.max(level);
    };
    for (access, &level) in accesses.iter().zip(levels) {
        let parts = access.reads.iter().chain(&access.same_pixel).chain(&access.writes);
        parts.for_each(|part| needed(part, level));
    }
    net.inputs.iter().for_each(|part| needed(part, 0));
    net.outputs.iter().for_each(|part| needed(part, end));
    // A map that nobody uses.
    lifetimes.iter_mut().filter(|l| l.first > l.last).for_each(|l| l.first = l.last);
    lifetimes
}
