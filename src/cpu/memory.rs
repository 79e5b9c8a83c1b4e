//! Where maps lie in a run's memory: maps that are never needed at the same time share it.

use super::buffer::LINE;
use super::net::MapShape;
use super::operation::{Part, Term};
use super::step::MOST_PARTS;
use super::view::{Addend, View};

/// A map in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its first number.
    pub offset: usize,
    /// Its shape.
    pub shape: MapShape,
}

/// Maps, or their gradients, in memory.
#[derive(Clone, Copy)]
pub struct Maps<'a> {
    /// Where each begins.
    pub places: &'a [Placed],
    /// The memory.
    pub at: *mut f32,
}

impl Maps<'_> {
    /// A part of a map as kernels see it.
    pub fn view(&self, part: Part) -> View {
        let Placed { offset, shape } = self.places[part.map];
        View {
            // In the memory, as `place` placed it; a pointer to it alone is no access.
            at: self.at.wrapping_add(offset + part.first),
            step: shape.channels,
            height: shape.height,
            width: shape.width,
            channels: part.channels,
            up: part.up,
        }
    }

    /// The terms of a sum, and how many they are.
    ///
    /// # Panics
    /// When there are more than a kernel takes.
    pub fn addends(&self, terms: &[Term]) -> ([Addend; MOST_PARTS], usize) {
        assert!(terms.len() <= MOST_PARTS, "terms of a sum");
        let nothing = View { at: self.at, step: 0, height: 0, width: 0, channels: 0, up: 0 };
        let addend = |i: usize| {
            terms.get(i).map_or(Addend { view: nothing, times: 0.0 }, |term| Addend {
                view: self.view(term.part),
                times: term.times,
            })
        };
        (std::array::from_fn(addend), terms.len())
    }
}

/// The waves in which a map is needed, first and last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// The wave that writes it first.
    pub first: usize,
    /// The last wave that reads or writes it.
    pub last: usize,
}

impl Lifetime {
    fn meets(&self, other: &Lifetime) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// A place for each map, from the largest on at the lowest address that is free, and how long the arena is.
pub fn place(maps: &[(MapShape, Lifetime)]) -> (Vec<Placed>, usize) {
    let mut order: Vec<usize> = (0..maps.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(maps[i].0.numbers()));
    let mut placed: Vec<Option<usize>> = vec![None; maps.len()];
    let mut end = 0;
    for i in order {
        let (shape, lifetime) = &maps[i];
        let size = room(shape);
        let mut taken: Vec<(usize, usize)> = (0..maps.len())
            .filter(|&j| maps[j].1.meets(lifetime))
            .filter_map(|j| placed[j].map(|at| (at, at + room(&maps[j].0))))
            .collect();
        taken.sort_unstable();
        let mut at = 0;
        for (from, to) in taken {
            if from >= at + size {
                break;
            }
            at = at.max(to);
        }
        placed[i] = Some(at);
        end = end.max(at + size);
    }
    let placed = placed
        .iter()
        .zip(maps)
        .map(|(at, (shape, _))| Placed { offset: at.unwrap_or_default(), shape: *shape });
    (placed.collect(), end)
}

/// A map's numbers, filled up to whole cache lines.
fn room(shape: &MapShape) -> usize {
    shape.numbers().next_multiple_of(LINE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn maps_that_meet_have_memory_of_their_own(
            maps in prop::collection::vec((1usize..200, 0usize..20, 0usize..6), 1..40),
        ) {
            let maps: Vec<(MapShape, Lifetime)> = maps
                .into_iter()
                .map(|(channels, first, more)| {
                    let shape = MapShape { height: 1, width: 1, channels };
                    (shape, Lifetime { first, last: first + more })
                })
                .collect();
            let (placed, end) = place(&maps);
            for (i, (shape, lifetime)) in maps.iter().enumerate() {
                let own = placed[i].offset..placed[i].offset + shape.numbers();
                prop_assert!(own.end <= end && own.start.is_multiple_of(LINE));
                for j in (0..i).filter(|&j| maps[j].1.meets(lifetime)) {
                    let other = placed[j].offset..placed[j].offset + maps[j].0.numbers();
                    prop_assert!(own.end <= other.start || other.end <= own.start);
                }
            }
        }
    }
}
