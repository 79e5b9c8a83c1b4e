//! Training and test data: readers, teacher labels, augmentation, batches, cached features.

pub mod augment;
pub mod boxes;
mod coco;
mod coco_file;
mod error;
pub mod features;
mod findings;
pub mod health;
mod images;
mod lenient;
mod locate;
pub mod mixture;
mod mpii;
pub mod samples;
mod set;
mod sides;
pub mod teacher;

pub use augment::{Augmentation, AugmentedCrop, generator};
pub use boxes::{AnnotatedImage, BoxAnnotation, BoxAugmentation, BoxMixture, BoxSample, BoxSet};
pub use error::DataError;
pub use features::{CacheKey, ChannelScale, FeatureCache};
pub use findings::{Finding, FindingKind};
pub use health::Health;
pub use locate::{DatasetFiles, locate, splits};
pub use mixture::{Mixture, SampleRef, SetSpec};
pub use samples::{CropDataset, read_image};
pub use set::{DatasetFormat, DatasetImage, IgnoredAnnotation, LoadReport, PersonAnnotation, PoseSet};
pub use teacher::{TeacherLabels, TeacherReport, TeacherRules};
