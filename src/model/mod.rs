//! The token-masked pose transformer: backbone, tokenizer, mask, encoder and heatmap head.
//!
//! One forward pass is `backbone -> tokens (select, embed, place) -> encode -> head`; the four are
//! separate methods of [`TmPose`] so that each can be timed, and so that training can start from
//! cached backbone features.

pub mod backbone;
mod config;
mod conv;
mod encoder;
mod head;
mod keep_ratio;
mod kept_tokens;
mod macs;
mod mask;
mod names;
mod params;
mod pose_net;
mod positions;
mod tmpose;
mod token_budget;
mod token_selection;
mod variants;

pub use config::{BackboneKind, TmPoseConfig};
pub use conv::{filter, numbers, scale_and_shift};
pub use encoder::{Encoder, EncoderLayer, EncoderTrace};
pub use head::HeatmapHead;
pub use keep_ratio::{InvalidKeepRatio, KeepRatio};
pub use kept_tokens::{KeptTokens, PersonTokens, TokenStage};
pub use macs::{Counting, Macs};
pub use mask::{MaskKind, keep_count, kept_tokens, mirrored_tokens, progressive_ranking};
pub use names::{NameStyle, pytorch_name};
pub use params::{ParamInfo, fill_params, list_params};
pub use pose_net::{PoseNet, PoseNetConfig, PoseNetOutput};
pub use positions::sine_positions;
pub use tmpose::TmPose;
pub use token_budget::TokenBudget;
pub use token_selection::{PositionMode, TokenSelection};
pub use variants::{Family, Licence, Variant, VariantInfo};
