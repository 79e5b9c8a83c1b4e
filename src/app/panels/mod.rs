//! The panels, one file each. A panel shows the state and edits the settings that it shows; for everything else it adds
//! an action to the queue. A new section of a side panel is a file here, its line in [`LEFT`] or [`RIGHT`], and its
//! state, if it has any.

mod accuracy;
mod layer_painter;
mod layers;
mod menu;
mod messages;
mod model;
mod palette;
mod people;
mod picture;
mod smoothing;
mod source;
mod status;
mod timings;
mod tokens;
mod train;
mod transport;

use super::actions::ActionQueue;
use super::commands::AppCommand;
use super::overlay::PictureTextures;
use super::state::State;
use super::theme;
use super::widgets::foldable;
use egui::{Frame, Panel, ScrollArea, Ui};

/// A foldable section of a side panel.
struct PanelSection {
    title: &'static str,
    /// Whether it is unfolded until the user folds it.
    open: bool,
    show: fn(&mut Ui, &mut State, &mut ActionQueue),
    /// Whether there is anything to show.
    visible: fn(&State) -> bool,
}

impl PanelSection {
    const fn new(title: &'static str, show: fn(&mut Ui, &mut State, &mut ActionQueue)) -> PanelSection {
        PanelSection { title, open: true, show, visible: |_| true }
    }

    const fn folded(self) -> PanelSection {
        PanelSection { open: false, ..self }
    }

    const fn visible_when(self, visible: fn(&State) -> bool) -> PanelSection {
        PanelSection { visible, ..self }
    }
}

/// The input, from top to bottom.
const LEFT: [PanelSection; 5] = [
    PanelSection::new("Source", source::show),
    PanelSection::new("Model", model::show),
    PanelSection::new("People", people::show),
    PanelSection::new("Smoothing", smoothing::show).folded(),
    PanelSection::new("Layers", layers::show),
];

/// The results, from top to bottom.
const RIGHT: [PanelSection; 3] = [
    PanelSection::new("Visual tokens", tokens::show),
    PanelSection::new("Timings", timings::show),
    PanelSection::new("Accuracy", accuracy::show).visible_when(|state| state.accuracy.now().is_some()),
];

/// Draws the whole window.
pub fn draw(ui: &mut Ui, state: &mut State, textures: &mut PictureTextures, actions: &mut ActionQueue) {
    let ctx = ui.ctx().clone();
    menu::show(ui, state, actions);
    status::show(ui, state, actions);
    if state.preferences.left_panel {
        side(ui, Panel::left("left"), 264.0, &LEFT, state, actions);
    }
    if state.training.open {
        train::show(ui, state, actions);
    } else if state.preferences.right_panel {
        side(ui, Panel::right("right"), 296.0, &RIGHT, state, actions);
    }
    transport::show(ui, state, actions);
    picture::show(ui, state, textures, actions);
    train::show_closing(&ctx, &state.training, actions);
    palette::show(&ctx, state, actions);
}

fn side(
    ui: &mut Ui,
    panel: Panel,
    width: f32,
    sections: &[PanelSection],
    state: &mut State,
    actions: &mut ActionQueue,
) {
    let panel = panel.default_size(width).min_size(220.0).max_size(440.0);
    panel.frame(Frame::new().fill(theme::PANEL)).show(ui, |ui| {
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 4.0;
            for each in sections {
                if (each.visible)(state) {
                    foldable(ui, each.title, each.open, |ui| (each.show)(ui, state, actions));
                }
            }
        });
    });
}

/// Adds the action of a command to the queue.
fn push(command: AppCommand, state: &State, actions: &mut ActionQueue) {
    actions.push(command.action(state));
}
