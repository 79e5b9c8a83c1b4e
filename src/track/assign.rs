//! The best one-to-one assignment of two groups.

/// For each row the column it is paired with. The pairs have the largest total of `similarity[row][column]`; pairs
/// at or below 0 are not made. All rows have the same length.
///
/// The Hungarian method with potentials, O(n^3): Kuhn 1955, in the form that adds row after row along shortest
/// augmenting paths (Jonker and Volgenant 1987). Greedy pairing would be wrong where it matters most: when two
/// people pass each other, the best single pair can leave the other person with the wrong partner.
pub(super) fn assign(similarity: &[Vec<f64>]) -> Vec<Option<usize>> {
    let columns = similarity.first().map_or(0, Vec::len);
    // A square of costs; what is added to fill it costs nothing, like a pair that is not made.
    let n = similarity.len().max(columns);
    let gain = |row: usize, column: usize| {
        similarity.get(row).and_then(|r| r.get(column)).map_or(0.0, |v| v.max(0.0))
    };
    // Row and column 0 stand for "none", so rows and columns count from 1 in here.
    let mut row_potential = vec![0.0; n + 1];
    let mut column_potential = vec![0.0; n + 1];
    let mut row_of = vec![0; n + 1];
    for row in 1..=n {
        row_of[0] = row;
        let mut slack = vec![f64::INFINITY; n + 1];
        let mut came_from = vec![0; n + 1];
        let mut visited = vec![false; n + 1];
        let mut at = 0;
        loop {
            visited[at] = true;
            let here = row_of[at];
            let (mut nearest, mut step) = (0, f64::INFINITY);
            for column in 1..=n {
                if visited[column] {
                    continue;
                }
                let reduced = -gain(here - 1, column - 1) - row_potential[here] - column_potential[column];
                if reduced < slack[column] {
                    slack[column] = reduced;
                    came_from[column] = at;
                }
                if slack[column] < step {
                    (nearest, step) = (column, slack[column]);
                }
            }
            for column in 0..=n {
                if visited[column] {
                    row_potential[row_of[column]] += step;
                    column_potential[column] -= step;
                } else {
                    slack[column] -= step;
                }
            }
            at = nearest;
            if row_of[at] == 0 {
                break;
            }
        }
        // Along the path back every row moves to the next column.
        while at != 0 {
            row_of[at] = row_of[came_from[at]];
            at = came_from[at];
        }
    }
    let mut pairs = vec![None; similarity.len()];
    for (column, row) in row_of.into_iter().skip(1).map(|row| row - 1).enumerate() {
        if gain(row, column) > 0.0 {
            pairs[row] = Some(column);
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn total(similarity: &[Vec<f64>], pairs: &[Option<usize>]) -> f64 {
        similarity.iter().zip(pairs).filter_map(|(row, pair)| pair.map(|c| row[c])).sum()
    }

    /// The best total by trying everything.
    fn best(similarity: &[Vec<f64>], taken: &mut Vec<usize>) -> f64 {
        let Some((row, rest)) = similarity.split_first() else { return 0.0 };
        let mut most = best(rest, taken);
        for (c, v) in row.iter().enumerate() {
            if *v > 0.0 && !taken.contains(&c) {
                taken.push(c);
                most = most.max(v + best(rest, taken));
                taken.pop();
            }
        }
        most
    }

    #[test]
    fn the_best_single_pair_gives_way_to_the_best_whole() {
        let similarity = [vec![0.9, 0.8], vec![0.8, 0.1]];
        assert_eq!(assign(&similarity), [Some(1), Some(0)]);
        assert_eq!(assign(&[vec![0.0, -1.0]]), [None]);
        assert_eq!(assign(&[]), [] as [Option<usize>; 0]);
        assert_eq!(assign(&[vec![], vec![]]), [None, None]);
    }

    proptest! {
        #[test]
        fn no_other_assignment_is_better(
            rows in 0usize..6, columns in 0usize..6,
            values in proptest::collection::vec(prop_oneof![Just(0.0), -0.5f64..1.0], 36),
        ) {
            let similarity: Vec<Vec<f64>> =
                (0..rows).map(|r| values[r * 6..r * 6 + columns].to_vec()).collect();
            let pairs = assign(&similarity);
            prop_assert_eq!(pairs.len(), rows);
            let mut used: Vec<usize> = pairs.iter().flatten().copied().collect();
            used.sort_unstable();
            prop_assert!(used.windows(2).all(|w| w[0] != w[1]), "a column is taken twice: {:?}", pairs);
            prop_assert!(similarity.iter().zip(&pairs).all(|(row, pair)| pair.is_none_or(|c| row[c] > 0.0)));
            prop_assert!((total(&similarity, &pairs) - best(&similarity, &mut Vec::new())).abs() < 1e-9);
        }
    }
}
