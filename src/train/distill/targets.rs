//! The targets that a teacher computes for crops: one row of numbers for each, kept on disk where the backbone is frozen.

use crate::pose::Size;
use burn::prelude::*;
use std::ops::Range;

/// What of a teacher a student learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TeacherTargetParts {
    /// Its heatmaps.
    pub maps: bool,
    /// Its keypoint tokens.
    pub keypoints: bool,
    /// The attention of its keypoint tokens.
    pub attention: bool,
}

/// Where the parts of a teacher's row lie; a part that is not learnt from is empty.
#[derive(Clone, Debug, PartialEq)]
pub struct TeacherTargetsShape {
    /// Joints J of the student.
    pub joints: usize,
    /// Size of a heatmap in cells.
    pub heatmap: Size,
    /// Transformer layers of the student.
    pub layers: usize,
    /// Numbers of a token.
    pub dim: usize,
    /// Visual tokens N of a crop.
    pub tokens: usize,
    /// The parts that a row has.
    pub parts: TeacherTargetParts,
}

impl TeacherTargetsShape {
    /// Lengths of heatmaps, keypoint tokens and attention.
    fn lengths(&self) -> [usize; 3] {
        let maps = self.joints * self.heatmap.area();
        let rows = self.layers * self.joints;
        let length = |part, length| if part { length } else { 0 };
        let TeacherTargetParts { maps: with_maps, keypoints, attention } = self.parts;
        [length(with_maps, maps), length(keypoints, rows * self.dim), length(attention, rows * self.tokens)]
    }

    /// The shape as text, for the key of a cache. The text is that of earlier versions, so that their caches stay valid.
    pub fn cache_key(&self) -> String {
        let TeacherTargetsShape { joints, heatmap, layers, dim, tokens, parts } = self;
        let hw = heatmap.hw();
        let parts = [parts.maps, parts.keypoints, parts.attention];
        format!(
            "LessonShape {{ joints: {joints}, hw: {hw:?}, layers: {layers}, dim: {dim}, tokens: {tokens}, \
             parts: {parts:?} }}"
        )
    }

    /// Place of the heatmaps in a row, [J, H, W].
    pub fn maps(&self) -> Range<usize> {
        0..self.lengths()[0]
    }

    /// Place of the keypoint tokens in a row, for each layer of the student, [layers, J, dim].
    pub fn keypoints(&self) -> Range<usize> {
        let [maps, keypoints, _] = self.lengths();
        maps..maps + keypoints
    }

    /// Place of the attention in a row, for each layer of the student, [layers, J, N]. It is multiplied by N, so that half
    /// precision keeps its digits.
    pub fn attention(&self) -> Range<usize> {
        let [maps, keypoints, attention] = self.lengths();
        maps + keypoints..maps + keypoints + attention
    }

    /// Number of numbers in a row.
    pub fn len(&self) -> usize {
        self.lengths().iter().sum()
    }
}

/// The targets of a batch on the device, without autodiff.
pub struct TeacherTargetsBatch {
    /// A row for each crop, [B, numbers of a row].
    pub rows: Tensor<2>,
    /// Where the parts of a row lie.
    pub shape: TeacherTargetsShape,
}

impl TeacherTargetsBatch {
    /// From the numbers of all rows, one after the other.
    pub fn new(rows: Vec<f32>, shape: TeacherTargetsShape, device: &Device) -> TeacherTargetsBatch {
        let size = [rows.len() / shape.len().max(1), shape.len()];
        TeacherTargetsBatch { rows: Tensor::from_data(TensorData::new(rows, size), device), shape }
    }

    /// The heatmaps, [B, J, H, W].
    pub fn maps(&self) -> Option<Tensor<4>> {
        let [height, width] = self.shape.heatmap.hw();
        let maps = self.part(self.shape.maps())?;
        Some(maps.reshape([-1, self.shape.joints as i32, height as i32, width as i32]))
    }

    /// The keypoint tokens for the student's layer `layer`, [B, J, dim].
    pub fn keypoints(&self, layer: usize) -> Option<Tensor<3>> {
        self.of_layer(self.shape.keypoints(), layer)
    }

    /// The attention for the student's layer `layer`, [B, J, N]; see [`TeacherTargetsShape::attention`].
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
            parts: TeacherTargetParts { maps: true, keypoints: true, attention: true },
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
        shape.parts = TeacherTargetParts { maps: false, keypoints: true, attention: false };
        assert_eq!((shape.keypoints(), shape.len()), (0..16, 16));
        assert!(TeacherTargetsBatch::new(rows[..32].to_vec(), shape, &Device::flex()).maps().is_none());
    }
}
