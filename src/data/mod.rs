//! Training and test data: readers, teacher labels, augmentation, batches, cached features.

pub mod augment;
pub mod coco;
pub mod features;
pub mod mixture;
pub mod teacher;

pub use augment::{Augmentation, Sample};
pub use coco::{CocoSet, DataError, LoadReport, Person, Picture};
pub use features::FeatureCache;
pub use mixture::{Mixture, SetSpec};
pub use teacher::{TeacherLabels, TeacherReport, TeacherRules};
