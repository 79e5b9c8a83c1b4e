//! Feature maps of one picture, pixel by pixel with all channels of a pixel together, so that a row of pixels is one
//! piece of memory: threads share a map without overlapping, and a convolution of single pixels is one matrix product.

/// Height x width x channels.
#[derive(Clone, Debug)]
pub struct Map {
    pub values: Vec<f32>,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

impl Map {
    /// All zero.
    pub fn new([height, width]: [usize; 2], channels: usize) -> Map {
        Map { values: vec![0.0; height * width * channels], height, width, channels }
    }

    /// Height and width.
    pub fn size(&self) -> [usize; 2] {
        [self.height, self.width]
    }

    /// All channels.
    pub fn whole(&self) -> Part<'_> {
        self.part(0, self.channels)
    }

    /// `channels` channels from `first` on.
    pub fn part(&self, first: usize, channels: usize) -> Part<'_> {
        debug_assert!(first + channels <= self.channels);
        Part { map: self, first, channels }
    }
}

/// Some neighbouring channels of a map.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    pub map: &'a Map,
    pub first: usize,
    pub channels: usize,
}

impl<'a> Part<'a> {
    /// From the first channel of pixel (`row`, 0) on; a pixel is [`Part::step`] numbers long.
    pub fn row(&self, row: usize) -> &'a [f32] {
        &self.map.values[row * self.map.width * self.map.channels + self.first..]
    }

    /// Numbers from one pixel to the next.
    pub fn step(&self) -> usize {
        self.map.channels
    }
}

/// Writes `part` into the channels of `to` from `first` on, every pixel `times` x `times` times.
pub fn copy(part: Part, to: &mut Map, first: usize, times: usize) {
    debug_assert_eq!(to.size(), part.map.size().map(|side| side * times));
    let (width, channels) = (to.width, to.channels);
    for (y, row) in to.values.chunks_exact_mut(width * channels).enumerate() {
        let from = part.row(y / times);
        for (x, pixel) in row.chunks_exact_mut(channels).enumerate() {
            let at = x / times * part.step();
            pixel[first..first + part.channels].copy_from_slice(&from[at..at + part.channels]);
        }
    }
}
