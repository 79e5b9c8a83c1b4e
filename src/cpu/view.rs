//! Maps as kernels see them.

/// A map of pixels with all their channels together, or some neighbouring channels of one.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// The first of the channels in the pixel at the top left.
    pub at: *mut f32,
    /// Numbers from one pixel to the next.
    pub step: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Channels that belong to the view.
    pub channels: usize,
    /// Read at (row >> up, column >> up): nearest up-sampling by 2^up that nobody has to execute.
    pub up: u32,
}

impl View {
    /// All channels of a map without gaps.
    pub fn of(values: &mut [f32], height: usize, width: usize, channels: usize) -> View {
        assert!(values.len() >= height * width * channels, "the map is larger than its memory");
        View { at: values.as_mut_ptr(), step: channels, height, width, channels, up: 0 }
    }

    /// Numbers from one row to the next.
    pub fn row_step(&self) -> usize {
        self.width * self.step
    }

    /// Where the pixel at (row, column) begins, both of the up-sampled map.
    ///
    /// # Safety
    /// The pixel lies in the map.
    #[inline(always)]
    pub unsafe fn pixel(&self, row: usize, column: usize) -> *mut f32 {
        // SAFETY: the caller's pixel lies in the map's memory.
        unsafe { self.at.add(((row >> self.up) * self.width + (column >> self.up)) * self.step) }
    }
}

/// Something that is added to a result before its activation, `times` as it is.
#[derive(Clone, Copy, Debug)]
pub struct Addend {
    /// Of the result's channels, at the result's size after up-sampling.
    pub view: View,
    /// Its factor.
    pub times: f32,
}

/// What is done to a sum of products before it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// `max(x, 0)`.
    Relu,
    /// `x / (1 + e^-x)`.
    Silu,
    /// `x` times the normal distribution's share below x (the exact GELU).
    Gelu,
}
