//! Distillation: learning from another network, and from a pass of the same network with all tokens (docs/METHOD.md,
//! "Distillation" and "Sandwich"; our own design after the idea of DPPT, of which only the abstract is known).
//!
//! A *teacher* gets the same crop and keeps all its tokens. The loss compares the student's heatmaps, keypoint tokens and
//! attention with the teacher's, each with a weight. In a *sandwich* the heatmaps of the pass with all tokens are the
//! targets of the masked passes of the same step.

mod cpu_teacher;
mod loss;
mod targets;
mod teacher;

pub use loss::{DistillWeights, MIN_ATTENTION, autodiff_terms, squared_error};
pub use targets::{TeacherTargetParts, TeacherTargetsBatch, TeacherTargetsShape};
pub use teacher::Teacher;
