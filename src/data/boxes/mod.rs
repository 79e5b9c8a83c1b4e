//! Pictures with the boxes of all people in them, for a person detector: reader, augmentation, samples.

mod augment;
mod compose;
mod mixture;
mod read;
mod set;

pub use augment::BoxAugmentation;
pub use compose::{Composition, Placed, Tone};
pub use mixture::{BoxMixture, BoxSample, Drawn};
pub use set::{BoxLabel, BoxPicture, BoxReport, BoxSet};
