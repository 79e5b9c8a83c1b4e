//! What a teacher says about crops: one row of numbers for each, on disk where the backbone is frozen.

use crate::pose::Size;
use burn::prelude::*;
use std::ops::Range;

/// Where the parts of a teacher's row lie; a part that is not asked for is empty.
#[derive(Clone, Debug, PartialEq)]
pub struct TeacherTargetsShape {
    pub joints: usize,
    /// Height and width of a map.
    pub heatmap: Size,
    /// Layers of the student.
    pub layers: usize,
    /// Width of a token.
    pub dim: usize,
    /// Visual tokens N.
    pub tokens: usize,
    /// Which of heatmaps, keypoint tokens and attention are there.
    pub parts: [bool; 3],
}

impl TeacherTargetsShape {
    fn lengths(&self) -> [usize; 3] {
        let maps = self.joints * self.heatmap.area();
        let rows = self.layers * self.joints;
        let lengths = [maps, rows * self.dim, rows * self.tokens];
        std::array::from_fn(|i| if self.parts[i] { lengths[i] } else { 0 })
    }

    /// The shape as text, for the key of a cache; caches of earlier versions hold the same words.
    pub fn cache_key(&self) -> String {
        let TeacherTargetsShape { joints, heatmap, layers, dim, tokens, parts } = self;
        let hw = heatmap.hw();
        format!(
            "LessonShape {{ joints: {joints}, hw: {hw:?}, layers: {layers}, dim: {dim}, tokens: {tokens}, \
             parts: {parts:?} }}"
        )
    }

    /// Heatmaps, [J, H, W].
    pub fn maps(&self) -> Range<usize> {
        0..self.lengths()[0]
    }

    /// Keypoint tokens for each layer of the student, [layers, J, dim].
    pub fn keypoints(&self) -> Range<usize> {
        let [maps, keypoints, _] = self.lengths();
        maps..maps + keypoints
    }

    /// Shares of attention for each layer of the student, [layers, J, N], times N: as large as half
    /// precision likes them.
    pub fn attention(&self) -> Range<usize> {
        let [maps, keypoints, attention] = self.lengths();
        maps + keypoints..maps + keypoints + attention
    }

    /// Numbers of a row.
    pub fn len(&self) -> usize {
        self.lengths().iter().sum()
    }
}

/// A batch of lessons on the device, without recording.
pub struct TeacherTargetsBatch {
    /// [B, numbers of a row].
    pub rows: Tensor<2>,
    pub shape: TeacherTargetsShape,
}

impl TeacherTargetsBatch {
    /// From rows one after the other.
    pub fn new(rows: Vec<f32>, shape: TeacherTargetsShape, device: &Device) -> TeacherTargetsBatch {
        let size = [rows.len() / shape.len().max(1), shape.len()];
        TeacherTargetsBatch { rows: Tensor::from_data(TensorData::new(rows, size), device), shape }
    }

    /// [B, J, H, W].
    pub fn maps(&self) -> Option<Tensor<4>> {
        let [height, width] = self.shape.heatmap.hw();
        let maps = self.part(self.shape.maps())?;
        Some(maps.reshape([-1, self.shape.joints as i32, height as i32, width as i32]))
    }

    /// For the student's layer `layer`, [B, J, dim].
    pub fn keypoints(&self, layer: usize) -> Option<Tensor<3>> {
        self.of_layer(self.shape.keypoints(), layer)
    }

    /// For the student's layer `layer`, [B, J, N]; see [`TeacherTargetsShape::attention`].
    pub fn attention(&self, layer: usize) -> Option<Tensor<3>> {
        self.of_layer(self.shape.attention(), layer)
    }

    fn of_layer(&self, range: Range<usize>, layer: usize) -> Option<Tensor<3>> {
        let size = range.len() / self.shape.layers;
        let start = range.start + layer * size;
        let part = self.part(start..start + size)?;
        Some(part.reshape([-1, self.shape.joints as i32, (size / self.shape.joints) as i32]))
    }

    fn part(&self, range: Range<usize>) -> Option<Tensor<2>> {
        (!range.is_empty()).then(|| self.rows.clone().narrow(1, range.start, range.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_cut_into_its_parts() {
        let mut shape = TeacherTargetsShape {
            joints: 2,
            heatmap: Size::new(3, 1),
            layers: 2,
            dim: 4,
            tokens: 5,
            parts: [true; 3],
        };
        assert_eq!((shape.maps(), shape.keypoints(), shape.attention()), (0..6, 6..22, 22..42));
        let rows: Vec<f32> = (0..84).map(|i| i as f32).collect();
        let batch = TeacherTargetsBatch::new(rows.clone(), shape.clone(), &Device::flex());
        let numbers = |t: Tensor<3>| t.into_data().iter::<f32>().collect::<Vec<_>>();
        assert_eq!(batch.maps().unwrap().dims(), [2, 2, 1, 3]);
        let second = numbers(batch.keypoints(1).unwrap());
        assert_eq!(second, [&rows[14..22], &rows[56..64]].concat());
        assert_eq!(numbers(batch.attention(0).unwrap())[..10], rows[22..32]);
        let key =
            "LessonShape { joints: 2, hw: [1, 3], layers: 2, dim: 4, tokens: 5, parts: [true, true, true] }";
        assert_eq!(shape.cache_key(), key, "a cache of an earlier version is still this one's");
        shape.parts = [false, true, false];
        assert_eq!((shape.keypoints(), shape.len()), (0..16, 16));
        assert!(TeacherTargetsBatch::new(rows[..32].to_vec(), shape, &Device::flex()).maps().is_none());
    }
}
