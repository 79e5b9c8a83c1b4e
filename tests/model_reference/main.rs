//! The model against the numbers of the public reference implementation (see tests/fixtures), and what
//! must hold of every masked model.

#[path = "../common/mod.rs"]
mod common;
mod counts;
mod masks;
mod outputs;
mod properties;
mod weights;
