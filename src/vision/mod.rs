//! Boxes, affine crops, colour, heatmap decoding and targets (METHOD 5).
