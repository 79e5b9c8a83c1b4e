//! The fixed 2-D sine embedding of token positions (docs/METHOD.md, "Positions").

use super::{PositionMode, TmPoseConfig, TokenSelection};
use crate::pose::Size;
use burn::prelude::*;
use std::f64::consts::TAU;

/// Temperature T of the frequencies.
const TEMPERATURE: f64 = 10_000.0;

/// A row of `dim` values for each cell of the grid, row-major: the first half of a row encodes the
/// grid row, the second half the column.
pub fn sine_positions(grid: Size, dim: usize) -> Vec<f32> {
    let half = dim / 2;
    let part = |index: usize, count: usize| {
        let angle = TAU * (index + 1) as f64 / (count as f64 + 1e-6);
        (0..half).map(move |i| {
            let phase = angle / TEMPERATURE.powf((2 * (i / 2)) as f64 / half as f64);
            (if i % 2 == 0 { phase.sin() } else { phase.cos() }) as f32
        })
    };
    let mut table = Vec::with_capacity(grid.area() * dim);
    let [rows, columns] = grid.hw();
    for row in 0..rows {
        for column in 0..columns {
            table.extend(part(row, rows));
            table.extend(part(column, columns));
        }
    }
    table
}

/// The table as a tensor `[N, dim]`.
pub(super) fn table(config: &TmPoseConfig, device: &Device) -> Tensor<2> {
    let data = TensorData::new(sine_positions(config.grid, config.dim), [config.tokens(), config.dim]);
    // A constant: it must not take part in autodiff even when the model trains.
    Tensor::from_data(data, &device.clone().without_autodiff())
}

/// Rows of the table for the kept tokens: `[B,k,dim]`, or `[1,k,dim]` where all persons share them.
/// `count` is k.
pub(super) fn kept_rows(table: Tensor<2>, keep: &TokenSelection, count: usize) -> Tensor<3> {
    let [_, dim] = table.dims();
    match (&keep.indices, keep.positions) {
        (Some(indices), PositionMode::Gathered) => {
            let [batch, kept] = indices.dims();
            table.select(0, indices.clone().reshape([batch * kept])).reshape([batch, kept, dim])
        }
        _ => table.narrow(0, 0, count).unsqueeze(),
    }
}
