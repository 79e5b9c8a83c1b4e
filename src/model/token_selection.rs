//! Which visual tokens enter the transformer, and which positions they are given.

use crate::pose::{UnknownName, find_by_name};
use burn::prelude::*;
use serde::{Deserialize, Serialize};

/// Which row of the position table a kept token gets (docs/METHOD.md, "Positions of kept tokens").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PositionMode {
    /// Its own. The result does not depend on the order of the kept tokens.
    #[default]
    Gathered,
    /// The k-th kept token gets row k, as the reference code of TMPose does; for weights trained by it.
    Prefix,
}

impl PositionMode {
    /// Every mode.
    pub const ALL: [PositionMode; 2] = [PositionMode::Gathered, PositionMode::Prefix];

    /// The name used in flags and files.
    pub fn name(self) -> &'static str {
        match self {
            PositionMode::Gathered => "gathered",
            PositionMode::Prefix => "prefix",
        }
    }

    /// What it does, for people.
    pub fn description(self) -> &'static str {
        match self {
            PositionMode::Gathered => "a kept token has its own position",
            PositionMode::Prefix => {
                "the k-th kept token gets the k-th position, as TMPose's reference code does; for weights trained by it"
            }
        }
    }
}

impl std::fmt::Display for PositionMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for PositionMode {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<PositionMode, UnknownName> {
        find_by_name("position mode", &PositionMode::ALL, PositionMode::name, text)
    }
}

/// The kept tokens of a batch in the form that a network selects them by: a tensor.
#[derive(Clone, Debug)]
pub struct TokenSelection {
    /// `[B,k]` token numbers, row-major over the grid; none keeps all tokens in order.
    pub indices: Option<Tensor<2, Int>>,
    /// The positions that they are given.
    pub positions: PositionMode,
}

impl TokenSelection {
    /// Every token, in order: the unmasked model.
    pub fn all() -> TokenSelection {
        TokenSelection { indices: None, positions: PositionMode::Gathered }
    }

    /// What `budget`'s positions and `kept` of `tokens` tokens select for each of `batch` persons. All tokens in their order
    /// need no selection; it is skipped.
    pub fn of_kept(
        kept: &[usize],
        tokens: usize,
        positions: PositionMode,
        batch: usize,
        device: &Device,
    ) -> TokenSelection {
        if kept.len() == tokens && kept.is_sorted() {
            return TokenSelection::all();
        }
        TokenSelection::same(kept, batch, device).with_positions(positions)
    }

    /// The same tokens for each of `batch` persons.
    pub fn same(indices: &[usize], batch: usize, device: &Device) -> TokenSelection {
        TokenSelection::from_flat(indices.repeat(batch), batch, indices.len(), device)
    }

    /// One row of tokens for each person; the rows have equal lengths.
    ///
    /// # Panics
    /// When the rows differ in length: their tokens cannot form one tensor.
    pub fn per_person(rows: &[Vec<usize>], device: &Device) -> TokenSelection {
        let kept = rows.first().map_or(0, Vec::len);
        assert!(rows.iter().all(|row| row.len() == kept), "every person keeps the same number of tokens");
        TokenSelection::from_flat(rows.concat(), rows.len(), kept, device)
    }

    /// The same tokens with other positions.
    pub fn with_positions(self, positions: PositionMode) -> TokenSelection {
        TokenSelection { positions, ..self }
    }

    fn from_flat(flat: Vec<usize>, batch: usize, kept: usize, device: &Device) -> TokenSelection {
        let flat: Vec<i32> = flat.into_iter().map(|i| i as i32).collect();
        let device = device.clone().without_autodiff();
        let indices = Tensor::from_data(TensorData::new(flat, [batch, kept]), &device);
        TokenSelection { indices: Some(indices), positions: PositionMode::default() }
    }
}
