//! Training and test data: readers, teacher labels, augmentation, batches, cached features.

pub mod augment;
pub mod boxes;
mod error;
pub mod features;
mod findings;
pub mod formats;
pub mod health;
pub(crate) mod lenient;
mod mannequin;
pub mod mixture;
mod open;
pub mod samples;
mod set;
mod set_spec;
mod sides;
pub mod teacher;

pub use augment::{Augmentation, AugmentedCrop, generator};
pub use boxes::{AnnotatedImage, BoxAnnotation, BoxAugmentation, BoxMixture, BoxSample, BoxSet};
pub use error::DataError;
pub use features::{CacheKey, ChannelScale, FeatureCache};
pub use findings::{Finding, FindingKind};
pub use formats::{
    BOX_FORMATS, BoxFormat, DatasetFiles, Format, POSE_FORMATS, PoseFormat, find_poses, splits,
};
pub use health::Health;
pub use mannequin::MannequinSets;
pub use mixture::{Mixture, SampleRef};
pub use samples::{CropDataset, read_image};
pub use set::{DatasetImage, IgnoredAnnotation, LoadReport, PersonAnnotation, PoseSet};
pub use set_spec::{InvalidSet, SetSource, SetSpec};
pub use teacher::{TeacherJoint, TeacherLabels, TeacherReport, TeacherRules};
