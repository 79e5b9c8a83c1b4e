//! The sandwich: several passes of each person in one step (docs/METHOD.md, "Sandwich").

use crate::model::TokenBudget;
use crate::pose::Size;
use crate::train::config::MaskSection;

/// The passes that a step makes of each person.
pub struct SandwichPasses {
    /// All tokens and the fewest; `None` when a step makes only the planned pass.
    sandwich: Option<[Vec<usize>; 2]>,
}

impl SandwichPasses {
    /// For visual tokens in this grid.
    pub fn new(masks: &MaskSection, grid: Size) -> SandwichPasses {
        let fewest = TokenBudget::progressive(masks.ratio[0]);
        let smallest = || fewest.kept_tokens(grid);
        let all = (0..grid.area()).collect();
        SandwichPasses { sandwich: masks.sandwich.then(|| [all, smallest()]) }
    }

    /// The kept tokens of each pass of one person; `planned` are those of the batch's plan. In a sandwich the first pass keeps
    /// all tokens, and its heatmaps are the targets of the others; a second pass that keeps all tokens is left out.
    pub fn of<'a>(&'a self, planned: &'a [usize]) -> Vec<&'a [usize]> {
        let Some([all, smallest]) = &self.sandwich else { return vec![planned] };
        let mut passes = vec![all.as_slice()];
        for kept in [planned, smallest] {
            if kept.len() < all.len() {
                passes.push(kept);
            }
        }
        passes
    }

    /// The same for a batch whose persons keep the same number of tokens: for each pass, the kept tokens of each person.
    pub fn of_batch(&self, planned: &[Vec<usize>]) -> Vec<Vec<Vec<usize>>> {
        let persons: Vec<Vec<&[usize]>> = planned.iter().map(|kept| self.of(kept)).collect();
        let count = persons.first().map_or(0, Vec::len);
        (0..count).map(|i| persons.iter().map(|passes| passes[i].to_vec()).collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::KeepRatio;

    fn sandwich(sandwich: bool) -> SandwichPasses {
        SandwichPasses::new(
            &MaskSection { sandwich, ratio: [0.25, 0.8].map(KeepRatio::constant), ..MaskSection::default() },
            Size::square(4),
        )
    }

    #[test]
    fn a_sandwich_is_all_tokens_the_drawn_ones_and_the_fewest() {
        let all: Vec<usize> = (0..16).collect();
        let drawn = vec![0, 3, 5, 6, 9, 10];
        let fewest = TokenBudget::progressive(KeepRatio::new(0.25).unwrap()).kept_tokens(Size::square(4));
        let passes = sandwich(true);
        assert_eq!(passes.of(&drawn), [&all[..], &drawn, &fewest]);
        assert_eq!(passes.of(&all), [&all[..], &fewest]);
        assert_eq!(sandwich(false).of(&drawn), [&drawn[..]]);
    }

    #[test]
    fn a_batch_makes_each_pass_with_all_its_persons() {
        let drawn = vec![vec![1, 2, 3], vec![4, 5, 6]];
        let passes = sandwich(true).of_batch(&drawn);
        assert_eq!(
            passes.iter().map(|p| [p[0].len(), p[1].len()]).collect::<Vec<_>>(),
            [[16, 16], [3, 3], [4, 4]]
        );
        assert_eq!(passes[1], drawn);
    }
}
