//! TMPose: real-time human pose with a token-masked pose transformer.
//!
//! The folders and the one direction in which they use each other are described in `docs/ARCHITECTURE.md`:
//! `source -> live -> crop -> model -> decode -> app`, and `data -> train -> weights -> model`.

#[cfg(feature = "window")]
pub mod app;
#[cfg(feature = "cli")]
pub mod cli;
pub mod cpu;
pub mod data;
pub mod detect;
pub mod draw;
pub mod eval;
pub mod gpu;
pub mod infer;
pub mod live;
pub mod model;
pub mod pose;
pub mod settings;
pub mod source;
pub mod synth;
pub mod track;
pub mod train;
pub mod vision;
pub mod weights;
