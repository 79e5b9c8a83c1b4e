//! One map for each joint of a person.

use crate::pose::Size;

/// Heatmaps of one person, `[J, H, W]` row-major: value `(j, y, x)` lies at `(j * H + y) * W + x`.
#[derive(Clone, Debug, PartialEq)]
pub struct Heatmaps {
    /// All cells of all maps; about 1 at a joint, 0 far from it.
    pub values: Vec<f32>,
    /// Number of maps, J.
    pub joints: usize,
    /// Size of each map in cells.
    pub size: Size,
}

impl Heatmaps {
    /// Maps of zeros.
    pub fn zeros(joints: usize, size: Size) -> Heatmaps {
        Heatmaps { values: vec![0.0; joints * size.area()], joints, size }
    }

    /// The map of joint `j`, `[H, W]` row-major.
    ///
    /// # Panics
    /// When there is no joint `j`.
    pub fn map(&self, j: usize) -> &[f32] {
        let cells = self.size.area();
        &self.values[j * cells..(j + 1) * cells]
    }

    /// The maps of the mirrored picture brought back to the picture: columns reversed and left and
    /// right joints exchanged, without a shift (docs/METHOD.md, "Flip test"). `mirror` is
    /// [`Skeleton::mirror`](crate::pose::Skeleton::mirror).
    ///
    /// # Panics
    /// When `mirror` names a joint that is not there.
    pub fn mirrored(&self, mirror: &[usize]) -> Heatmaps {
        let mut values = Vec::with_capacity(self.values.len());
        for &j in mirror {
            if self.size.width > 0 {
                for row in self.map(j).chunks_exact(self.size.width as usize) {
                    values.extend(row.iter().rev());
                }
            }
        }
        Heatmaps { values, joints: mirror.len(), ..*self }
    }

    /// Replaces these maps by the mean of both (flip test).
    ///
    /// # Panics
    /// When the shapes differ.
    pub fn average(&mut self, other: &Heatmaps) {
        assert_eq!((self.joints, self.size), (other.joints, other.size), "averaged heatmaps have one shape");
        for (a, b) in self.values.iter_mut().zip(&other.values) {
            *a = (*a + *b) * 0.5;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pose::Skeleton;
    use proptest::prelude::*;

    #[test]
    fn mirroring_reverses_columns_and_exchanges_left_and_right() {
        let maps = Heatmaps { values: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], joints: 2, size: Size::new(3, 1) };
        assert_eq!(maps.mirrored(&[1, 0]).values, [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]);
    }

    #[test]
    fn the_average_of_two_maps_is_their_mean() {
        let mut a = Heatmaps::zeros(1, Size::new(2, 1));
        a.average(&Heatmaps { values: vec![1.0, 3.0], ..a.clone() });
        assert_eq!(a.values, [0.5, 1.5]);
    }

    proptest! {
        #[test]
        fn mirroring_twice_is_nothing(values in proptest::collection::vec(-1f32..1.0, 17 * 4 * 5)) {
            let maps = Heatmaps { values, joints: 17, size: Size::new(5, 4) };
            let mirror = Skeleton::coco17().mirror();
            prop_assert_eq!(maps.mirrored(&mirror).mirrored(&mirror), maps);
        }
    }
}
