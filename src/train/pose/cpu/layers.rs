//! Layer norm and linear layer, forward and backward.

use super::kernels;
use super::network::{LinearParams, NormParams};
use crate::cpu::{Mat, OutputMode, multiply};
use std::ops::Range;

/// What the backward pass needs from a layer norm.
#[derive(Default)]
pub struct NormTrace {
    /// Its input, normalised, before gamma and beta.
    normed: Vec<f32>,
    /// 1 / standard deviation of each row.
    inv_std: Vec<f32>,
    /// Its output.
    pub out: Vec<f32>,
}

impl NormTrace {
    /// Normalises each row of `x`, with the weights `w`; the result is in `out`.
    pub fn forward(&mut self, w: &[f32], norm: &NormParams, x: &[f32]) {
        let d = norm.gamma.len();
        grow(&mut self.normed, x.len());
        grow(&mut self.out, x.len());
        grow(&mut self.inv_std, x.len() / d);
        let (gamma, beta) = (&w[norm.gamma.clone()], &w[norm.beta.clone()]);
        kernels::layer_norm(x, gamma, beta, &mut self.normed, &mut self.inv_std, &mut self.out);
    }

    /// From the output gradient `dout`, adds the input gradient to `dx` and that of gamma and beta to `g`.
    pub fn backward(&self, w: &[f32], g: &mut [f32], norm: &NormParams, dout: &[f32], dx: &mut [f32]) {
        let gamma = &w[norm.gamma.clone()];
        let (dgamma, dbeta) = split_two(g, &norm.gamma, &norm.beta);
        kernels::layer_norm_gradient(dout, &self.normed, &self.inv_std, gamma, dx, dgamma, dbeta);
    }
}

impl LinearParams {
    /// The weight as a matrix, [inputs, outputs].
    pub fn matrix<'a>(&self, w: &'a [f32]) -> Mat<'a> {
        Mat::new(&w[self.weight.clone()], self.inputs, self.outputs, self.outputs)
    }

    /// These columns of the weight as a matrix, [inputs, columns].
    pub fn part<'a>(&self, w: &'a [f32], columns: Range<usize>) -> Mat<'a> {
        let weight = &w[self.weight.clone()];
        Mat::new(&weight[columns.start..], self.inputs, columns.len(), self.outputs)
    }

    /// `out = x W`, without the bias.
    pub fn forward(&self, w: &[f32], x: &[f32], out: &mut Vec<f32>) {
        let rows = x.len() / self.inputs;
        grow(out, rows * self.outputs);
        multiply(
            Mat::new(x, rows, self.inputs, self.inputs),
            self.matrix(w),
            out,
            self.outputs,
            OutputMode::Replace,
        );
    }

    /// Adds the gradients of weight and bias to `g`, for input `x` and output gradient `dout`.
    pub fn gather(&self, g: &mut [f32], x: &[f32], dout: &[f32]) {
        let rows = x.len() / self.inputs;
        let (x, d) =
            (Mat::new(x, rows, self.inputs, self.inputs), Mat::new(dout, rows, self.outputs, self.outputs));
        multiply(x.t(), d, &mut g[self.weight.clone()], self.outputs, OutputMode::Add);
        if !self.bias.is_empty() {
            kernels::add_rows(&mut g[self.bias.clone()], dout);
        }
    }

    /// `dx = dout W^T`.
    pub fn backward(&self, w: &[f32], dout: &[f32], dx: &mut Vec<f32>) {
        let rows = dout.len() / self.outputs;
        grow(dx, rows * self.inputs);
        let d = Mat::new(dout, rows, self.outputs, self.outputs);
        multiply(d, self.matrix(w).t(), dx, self.inputs, OutputMode::Replace);
    }
}

/// Makes `v` exactly `len` long. Old numbers stay: the caller overwrites all of them.
pub fn grow(v: &mut Vec<f32>, len: usize) {
    v.resize(len, 0.0);
}

/// Makes `v` exactly `len` long, all zeros.
pub fn zeroed(v: &mut Vec<f32>, len: usize) {
    v.clear();
    v.resize(len, 0.0);
}

/// The disjoint ranges `a` and `b` of the gradient, whichever comes first.
fn split_two<'a>(g: &'a mut [f32], a: &Range<usize>, b: &Range<usize>) -> (&'a mut [f32], &'a mut [f32]) {
    if a.start < b.start {
        let (low, high) = g.split_at_mut(b.start);
        (&mut low[a.clone()], &mut high[..b.len()])
    } else {
        let (low, high) = g.split_at_mut(a.start);
        (&mut high[..a.len()], &mut low[b.clone()])
    }
}
