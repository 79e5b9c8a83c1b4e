//! The masks of docs/METHOD.md, "Masks".

use crate::common::Fixture;
use proptest::prelude::*;
use tmpose::model::{KeepRatio, MaskKind, keep_count, kept_tokens, mirrored_tokens, progressive_ranking};
use tmpose::pose::Size;

fn keep(share: f64) -> KeepRatio {
    KeepRatio::new(share).unwrap()
}

const GRID: Size = Size::square(16);
const RATIOS: [(&str, f64); 3] = [("08", 0.8), ("06", 0.6), ("04", 0.4)];

#[test]
fn uniform_and_block_are_the_reference_s() {
    let fixture = Fixture::open("masks");
    for (key, ratio) in RATIOS {
        assert_eq!(
            kept_tokens(MaskKind::Block, keep(ratio), GRID, 0),
            fixture.indices(&format!("block.{key}"))
        );
    }
    let more = [("01", 0.1), ("025", 0.25), ("03", 0.3), ("05", 0.5), ("07", 0.7), ("09", 0.9), ("10", 1.0)];
    for (key, ratio) in RATIOS.into_iter().chain(more) {
        assert_eq!(
            kept_tokens(MaskKind::Uniform, keep(ratio), GRID, 0),
            fixture.indices(&format!("uniform.{key}")),
            "ratio {ratio}"
        );
    }
}

#[test]
fn the_counts_are_those_of_the_reference() {
    let counts = |kind| RATIOS.map(|(_, ratio)| keep_count(kind, keep(ratio), 256));
    for kind in [MaskKind::Random, MaskKind::Uniform, MaskKind::Progressive] {
        assert_eq!(counts(kind), [204, 153, 102]);
    }
    assert_eq!(counts(MaskKind::Block), [204, 152, 100]);
    assert_eq!(counts(MaskKind::None), [256; 3]);
    assert_eq!(keep_count(MaskKind::Random, keep(0.3), 256), 76);
    assert_eq!(keep_count(MaskKind::Random, keep(0.7), 256), 179);
}

#[test]
fn a_seed_makes_the_random_mask_repeatable() {
    let mask = |seed| kept_tokens(MaskKind::Random, keep(0.5), GRID, seed);
    assert_eq!(mask(7), mask(7));
    assert_ne!(mask(7), mask(8));
}

/// So that stored settings and trained weights keep their meaning.
#[test]
fn the_progressive_order_stays_what_it_is() {
    let ranking = progressive_ranking(GRID);
    assert_eq!(ranking[..8], [116, 123, 196, 203, 52, 59, 146, 157]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_mask_keeps_its_count_of_distinct_tokens_in_order(
        ratio in 0.001f64..=1.0, rows in 1usize..20, columns in 1usize..20, seed: u64,
    ) {
        for kind in MaskKind::ALL {
            let kept = kept_tokens(kind, keep(ratio), Size::from_hw([rows, columns]), seed);
            prop_assert_eq!(kept.len(), keep_count(kind, keep(ratio), rows * columns));
            prop_assert!(kept.is_sorted_by(|a, b| a < b));
            prop_assert!(kept.iter().all(|&token| token < rows * columns));
        }
    }

    #[test]
    fn progressive_is_nested(low in 0.01f64..=1.0, high in 0.01f64..=1.0) {
        let (low, high) = (low.min(high), low.max(high));
        let more = kept_tokens(MaskKind::Progressive, keep(high), GRID, 0);
        prop_assert!(kept_tokens(MaskKind::Progressive, keep(low), GRID, 0).iter().all(|t| more.contains(t)));
    }

    #[test]
    fn progressive_is_mirror_symmetric(count in 1usize..=256, rows in 1usize..20, half in 1usize..10) {
        let grid = Size::from_hw([rows, 2 * half]);
        let count = count.min(rows * 2 * half);
        let mut kept = progressive_ranking(grid)[..count].to_vec();
        kept.sort_unstable();
        let mirrored = mirrored_tokens(&kept, grid);
        let lonely = kept.iter().filter(|token| !mirrored.contains(token)).count();
        prop_assert_eq!(lonely, count % 2);
    }
}
