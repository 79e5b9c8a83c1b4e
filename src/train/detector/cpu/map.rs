//! Feature maps of one picture.

/// Height x width x channels, the channels of a pixel together.
#[derive(Clone, Debug, Default)]
pub struct FeatureMap {
    pub values: Vec<f32>,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

impl FeatureMap {
    /// All zero.
    pub fn new(height: usize, width: usize, channels: usize) -> FeatureMap {
        FeatureMap { values: vec![0.0; height * width * channels], height, width, channels }
    }

    /// Of `[channels, side, side]`.
    pub fn of_square(values: &[f32], channels: usize) -> FeatureMap {
        let cells = values.len() / channels;
        let side = cells.isqrt();
        let mut map = FeatureMap::new(side, side, channels);
        for (channel, plane) in values.chunks_exact(cells).enumerate() {
            for (pixel, value) in map.values.chunks_exact_mut(channels).zip(plane) {
                pixel[channel] = *value;
            }
        }
        map
    }

    pub fn cells(&self) -> usize {
        self.height * self.width
    }
}
