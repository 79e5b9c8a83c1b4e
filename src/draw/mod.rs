//! Drawing on pictures: skeletons and boxes, charts, contact sheets and their text.
//!
//! Everything runs on the CPU and draws into an [`image::RgbImage`]. The window draws with egui, in the same
//! colours.

mod bitmap_text;
mod chart;
mod contact_sheet;
mod outline_text;
mod palette;
mod skeleton;

pub use bitmap_text::{draw_text, text_size};
pub use chart::{Chart, Series};
pub use contact_sheet::{Tile, contact_sheet};
pub use palette::{edge_color, joint_color, joint_size, person_color, person_edge_color, person_joint_color};
pub use skeleton::{PoseColors, bone_width, draw_box, draw_person, draw_pose};
