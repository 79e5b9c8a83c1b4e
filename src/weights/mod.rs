//! Weight files: our safetensors with its header, and the importers of published files.

mod average;
mod checkpoint;
pub mod container;
mod error;
mod format;
mod import;
mod onnx;
mod record;
mod search;

pub use average::{AverageInput, average};
pub use container::{FORMAT, Precision};
pub use error::WeightsError;
pub use format::{load, read_info, save};
pub use import::{
    CheckpointKind, ImportOptions, ImportReport, ImportedNet, import, import_checkpoint, import_tinypose,
    load_tinypose_backbone,
};
pub use onnx::convolutions;
pub use record::{TrainingRecord, WeightsInfo};
pub use search::{DEFAULT_FILE, DETECTOR_FILE, default_detector, default_weights};
