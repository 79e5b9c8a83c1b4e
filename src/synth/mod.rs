//! The mannequin: a drawn person whose true joints are known.
//!
//! It is what people see before they have chosen a source, and an endless labelled training and
//! test set. [`Mannequin::render`] is a pure function of (seed, size, time): a seed fixes build,
//! clothes, hair, the order of actions and scenes; time moves through them.
//!
//! How it is made: primitives on bones are joined into solids ([`anatomy`], [`outfit`], [`solid`]), which
//! [`surface_nets`] turns into triangles once a seed ([`figure`]). For each picture the skeleton moves ([`rig`],
//! [`actions`], [`motion`]) and the mesh follows it ([`skinning`]); its triangles are drawn into a buffer that says
//! which is in front ([`visibility`]), textured and shaded ([`texture`], [`shade`], [`shadow_map`]) before a ray-traced
//! [`environment`] ([`scene`], [`background`]), and turned into bytes as a camera does ([`camera_response`]).

mod actions;
mod anatomy;
mod appearance;
mod background;
mod camera;
mod camera_response;
mod color;
mod crowd;
mod environment;
mod environment_kind;
mod figure;
mod furnishing;
mod interpolate;
mod mannequin;
mod motion;
mod noise;
mod outfit;
mod prop;
mod random;
mod rig;
mod scene;
mod set;
mod shade;
mod shadow_map;
mod skinning;
mod solid;
mod surface_nets;
mod texture;
mod truth;
mod visibility;
mod wall_fixtures;

#[cfg(test)]
mod tests;

pub use crowd::{Crowd, MAX_FIGURES, crowd_boxes};
pub use mannequin::{Mannequin, RenderedPicture};
pub use set::{KeptPicture, RenderedSet, SetError, SetPlan, render_set};
pub use truth::{FigureTruth, TruePerson};
