//! Learning from another network, and from oneself (docs/METHOD.md, "Distillation" and "Sandwich"; our own
//! design after the idea of DPPT, of which only the abstract is known).
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
