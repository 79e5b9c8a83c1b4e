//! The window: it draws the newest result and sends settings; it never waits for the network and never computes a
//! pose.
//!
//! ```text
//! launch -> window -> panels -> actions, commands -> state
//!             |-----> execute -> services
//! ```
//! [`state`] is what the window knows, as data. A panel shows it, edits the settings that it shows, and adds an action
//! to the queue for everything else; menu, palette and keys use the [`commands`], one row each.
//! [`execute`] carries actions out; [`services`] are the threads that work beside the window.

mod actions;
mod automation;
mod commands;
mod execute;
mod launch;
mod overlay;
mod panels;
mod report;
mod sentence;
mod services;
mod state;
mod theme;
mod train;
mod widgets;
mod window;

pub use automation::Automation;
pub use launch::{AppError, TrainPanelOptions, WindowOptions, run};

#[cfg(test)]
mod tests;
