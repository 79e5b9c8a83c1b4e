//! Learning from another network, and from oneself (METHOD 8 and 11; our own design after the idea of DPPT,
//! of which only the abstract is known).
//!
//! A *teacher* sees the same crop with its own backbone and all its tokens. The student comes near to its
//! heatmaps, to its keypoint tokens and to what these look at, each with a weight. In a *sandwich* the pass
//! with all tokens teaches the masked ones of the same step.

mod loss;
mod targets;
mod teacher;

pub use loss::{DistillWeights, autodiff_terms, squared_error};
pub use targets::{TeacherTargetsBatch, TeacherTargetsShape};
pub use teacher::Teacher;
