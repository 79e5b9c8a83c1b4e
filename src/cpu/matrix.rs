//! Views of row-major numbers as matrices, and their product.

/// A matrix inside a slice: element (r, c) lies at `r * row_step + c * column_step`.
#[derive(Clone, Copy)]
pub struct Mat<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_step: usize,
    column_step: usize,
}

impl<'a> Mat<'a> {
    /// `rows` x `columns`, rows `row_step` numbers apart.
    ///
    /// # Panics
    /// When the slice is too short.
    pub fn new(data: &'a [f32], rows: usize, columns: usize, row_step: usize) -> Mat<'a> {
        let mat = Mat { data, rows, columns, row_step, column_step: 1 };
        assert!(
            mat.end() <= data.len(),
            "a {rows}x{columns} matrix does not fit into {} numbers",
            data.len()
        );
        mat
    }

    /// The transposed view.
    pub fn t(self) -> Mat<'a> {
        Mat {
            rows: self.columns,
            columns: self.rows,
            row_step: self.column_step,
            column_step: self.row_step,
            ..self
        }
    }

    fn end(&self) -> usize {
        if self.rows == 0 || self.columns == 0 {
            0
        } else {
            (self.rows - 1) * self.row_step + (self.columns - 1) * self.column_step + 1
        }
    }
}

/// What a product does with the numbers that are already there.
#[derive(Clone, Copy, PartialEq)]
pub enum OutputMode {
    /// The product takes the place of what was there.
    Replace,
    /// The product is added to what was there.
    Add,
}

/// `out = a b` or `out += a b`; the rows of `out` lie `row_step` numbers apart.
///
/// # Panics
/// When the shapes do not fit each other or `out`.
pub fn multiply(a: Mat, b: Mat, out: &mut [f32], row_step: usize, mode: OutputMode) {
    assert_eq!(a.columns, b.rows, "inner sizes of a matrix product");
    let (m, n, k) = (a.rows, b.columns, a.columns);
    if m == 0 || n == 0 {
        return;
    }
    assert!(row_step >= n && (m - 1) * row_step + n <= out.len(), "the product does not fit");
    let add = mode == OutputMode::Add;
    // SAFETY: `Mat::new` checked that every element of `a` and `b` lies in its slice, the assertion
    // above the same of `out`, whose rows do not overlap since a step is at least a row; `out` is
    // borrowed mutably, so it overlaps neither input.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            row_step as isize,
            add,
            a.data.as_ptr(),
            a.column_step as isize,
            a.row_step as isize,
            b.data.as_ptr(),
            b.column_step as isize,
            b.row_step as isize,
            if add { 1.0 } else { 0.0 },
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_views_and_their_transposes() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let whole = Mat::new(&a, 2, 3, 3);
        let mut out = [10.0; 4];
        multiply(whole, whole.t(), &mut out, 2, OutputMode::Replace);
        assert_eq!(out, [14.0, 32.0, 32.0, 77.0]);
        multiply(whole, whole.t(), &mut out, 2, OutputMode::Add);
        assert_eq!(out, [28.0, 64.0, 64.0, 154.0]);
        // Columns 1 and 2 of both rows, times themselves, into a wider matrix.
        let right = Mat::new(&a[1..], 2, 2, 3);
        let mut wide = [0.0; 5];
        multiply(right.t(), right, &mut wide, 3, OutputMode::Replace);
        assert_eq!(wide, [29.0, 36.0, 0.0, 36.0, 45.0]);
    }
}
