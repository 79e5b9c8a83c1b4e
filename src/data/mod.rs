//! Training and test data: readers, teacher labels, augmentation, batches, cached features.

pub mod augment;
pub mod coco;
pub mod features;
pub mod mixture;
pub mod samples;
pub mod teacher;

pub use augment::{Augmentation, Sample, generator};
pub use coco::{CocoSet, DataError, Ignored, LoadReport, Person, Picture};
pub use features::{CacheKey, ChannelScale, FeatureCache};
pub use mixture::{Mixture, SampleRef, SetSpec};
pub use samples::{Samples, read_picture};
pub use teacher::{TeacherLabels, TeacherReport, TeacherRules};
