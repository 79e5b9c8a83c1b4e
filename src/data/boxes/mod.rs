//! Pictures with the boxes of all people in them, for a person detector: reader, augmentation, samples.

mod augment;
mod compose;
mod mixture;
mod set;

pub use augment::BoxAugmentation;
pub use compose::{ColorJitter, ComposedBoxes, Composition, PlacedImage};
pub use mixture::{BoxMixture, BoxSample, BoxSampleImage};
pub use set::{AnnotatedImage, BoxAnnotation, BoxSet};
