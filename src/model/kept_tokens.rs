//! Which visual tokens enter the transformer, and which positions they are given.

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

/// A name that is no [`PositionMode`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no position mode \"{0}\"; use gathered or prefix")]
pub struct UnknownPositionMode(pub String);

impl std::fmt::Display for PositionMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            PositionMode::Gathered => "gathered",
            PositionMode::Prefix => "prefix",
        })
    }
}

impl std::str::FromStr for PositionMode {
    type Err = UnknownPositionMode;

    fn from_str(text: &str) -> Result<PositionMode, UnknownPositionMode> {
        match text.to_lowercase().as_str() {
            "gathered" => Ok(PositionMode::Gathered),
            "prefix" => Ok(PositionMode::Prefix),
            _ => Err(UnknownPositionMode(text.to_owned())),
        }
    }
}

/// The kept tokens of a batch.
#[derive(Clone, Debug)]
pub struct KeptTokens {
    /// `[B,k]` token numbers, row-major over the grid; none keeps all tokens in order.
    pub indices: Option<Tensor<2, Int>>,
    pub positions: PositionMode,
}

impl KeptTokens {
    /// Every token, in order: the unmasked model.
    pub fn all() -> KeptTokens {
        KeptTokens { indices: None, positions: PositionMode::Gathered }
    }

    /// The same tokens for each of `batch` persons.
    pub fn same(indices: &[usize], batch: usize, device: &Device) -> KeptTokens {
        KeptTokens::from_flat(indices.repeat(batch), batch, indices.len(), device)
    }

    /// One row of tokens for each person; the rows have equal lengths.
    ///
    /// # Panics
    /// When the rows differ in length: their tokens cannot form one tensor.
    pub fn per_person(rows: &[Vec<usize>], device: &Device) -> KeptTokens {
        let kept = rows.first().map_or(0, Vec::len);
        assert!(rows.iter().all(|row| row.len() == kept), "every person keeps the same number of tokens");
        KeptTokens::from_flat(rows.concat(), rows.len(), kept, device)
    }

    /// The same tokens with other positions.
    pub fn with_positions(self, positions: PositionMode) -> KeptTokens {
        KeptTokens { positions, ..self }
    }

    fn from_flat(flat: Vec<usize>, batch: usize, kept: usize, device: &Device) -> KeptTokens {
        let flat: Vec<i32> = flat.into_iter().map(|i| i as i32).collect();
        let device = device.clone().without_autodiff();
        let indices = Tensor::from_data(TensorData::new(flat, [batch, kept]), &device);
        KeptTokens { indices: Some(indices), positions: PositionMode::default() }
    }
}
