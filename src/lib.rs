//! Real-time human pose with a token-masked pose transformer.
//!
//! A *source* yields frames, a *detector* finds the people in them, a *tracker* knows who is who, and a *pose network*
//! estimates their joints. [`live::PeopleTracker`] is all of that for one frame after the other:
//!
//! ```
//! use tmpose::source::{MANNEQUIN_SIZE, MannequinSource, Source};
//! use tmpose::{detect::Detector, gpu::ComputeDevice, infer::Estimator, live::PeopleTracker};
//!
//! let device = ComputeDevice::cpu(); // or `gpu::choose(DeviceChoice::Auto)?` for a GPU
//! let estimator = Estimator::load("weights/tmpose-t-coco17.safetensors".as_ref(), device.clone())?;
//! let detector = Detector::load("weights/tmpose-detect.safetensors".as_ref(), device)?;
//! let mut people = PeopleTracker::new(estimator, Some(detector), Default::default());
//! let mut source = MannequinSource::new(1, MANNEQUIN_SIZE); // a figure whose joints are known
//! let frame = source.next_frame()?.ok_or("the mannequin has no end")?;
//! let found = people.process(&frame)?.people;
//! assert!(!found.is_empty());
//! for person in found {
//!     println!("person {}: {:?}", person.id.0, person.pose.keypoints);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/` has programs of at most 40 lines: a picture, a video, frames of your own, a training.
//!
//! # Modules
//!
//! | for | modules |
//! |---|---|
//! | poses in pictures and videos | [`source`], [`live`], [`infer`], [`detect`], [`track`], [`draw`] |
//! | networks and their files | [`model`], [`weights`], [`gpu`], [`cpu`] |
//! | training and measuring | [`data`], [`train`], [`eval`], [`synth`] |
//! | what all of them speak of | [`pose`], [`vision`], [`settings`] |
//!
//! They use each other in one direction only: `source -> live -> crop -> model -> decode`, and
//! `data -> train -> weights -> model`. `docs/ARCHITECTURE.md` has the table and a glossary, `docs/METHOD.md` says what the
//! networks compute.
//!
//! # Features
//!
//! Both are on by default; a program that only wants poses turns them off with `default-features = false`.
//!
//! - `window`: the window, module `app` (egui, rfd).
//! - `cli`: the command line, module `cli` (clap), and the program `tmpose`.
//! - `cuda`: Burn's CUDA backend; off by default.
#![warn(clippy::unwrap_used)]

#[cfg(feature = "window")]
pub mod app;
#[cfg(feature = "cli")]
pub mod cli;
pub mod cpu;
pub mod data;
pub mod detect;
pub mod draw;
pub mod eval;
pub mod files;
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
