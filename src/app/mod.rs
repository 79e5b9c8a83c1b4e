//! The window: draws the latest result and sends settings; it never waits for the network and never
//! computes a pose.

mod accuracy;
mod automation;
mod background;
mod commands;
mod focus;
mod overlay;
mod palette;
mod panels;
mod preferences;
mod report;
mod run;
mod theme;
mod train;
mod viewer;
mod widgets;
mod window;

pub use automation::Automation;
pub use run::{AppError, TrainPanelOptions, WindowOptions, run};

#[cfg(test)]
mod tests;
