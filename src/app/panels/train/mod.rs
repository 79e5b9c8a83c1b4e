//! The training panel, in place of the right panel: settings on one page, progress on the other.

mod closing;
mod curves;
mod footer;
mod form;
mod progress;

pub use closing::show_closing;

use crate::app::actions::{ActionQueue, AppAction};
use crate::app::state::State;
use crate::app::theme;
use crate::app::train::{TrainTab, TrainingState};
use crate::app::widgets::{Icon, icon_button};
use egui::{Align, Button, Frame, Layout, Margin, Panel, RichText, ScrollArea, Ui, Vec2};

/// Height of the buttons along the bottom.
const BUTTON: f32 = 28.0;

/// Draws the panel.
pub fn show(ui: &mut Ui, state: &mut State, actions: &mut ActionQueue) {
    let training = &mut state.training;
    // The picture keeps a third of the window.
    let most = (ui.available_width() * 0.66).clamp(320.0, 640.0);
    let panel = Panel::right("train").default_size(400.0).min_size(320.0).max_size(most);
    panel.frame(Frame::new().fill(theme::PANEL)).show(ui, |ui| {
        let bar =
            Frame::new().fill(theme::PANEL).inner_margin(Margin { left: 12, right: 6, top: 5, bottom: 5 });
        Panel::top("train head").frame(bar).show(ui, |ui| head(ui, training, actions));
        let bar = Frame::new().fill(theme::PANEL).inner_margin(Margin::symmetric(12, 10));
        Panel::bottom("train foot").frame(bar).show(ui, |ui| match training.tab {
            TrainTab::Settings => footer::settings(ui, training, actions),
            TrainTab::Progress => footer::progress(ui, training, actions),
        });
        ScrollArea::vertical().id_salt(training.tab as u8).auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 4.0;
            match training.tab {
                TrainTab::Settings => form::show(ui, training, actions),
                TrainTab::Progress => progress::show(ui, training),
            }
        });
    });
}

/// The title, the two pages, and the button that closes the panel.
fn head(ui: &mut Ui, training: &mut TrainingState, actions: &mut ActionQueue) {
    ui.horizontal(|ui| {
        ui.label(RichText::new("Train").font(theme::strong_font(14.0)).color(theme::BRIGHT));
        ui.add_space(8.0);
        ui.spacing_mut().item_spacing.x = 2.0;
        for (tab, text) in [(TrainTab::Settings, "Settings"), (TrainTab::Progress, "Progress")] {
            let button = Button::selectable(training.tab == tab, text).min_size(Vec2::new(76.0, 24.0));
            if ui.add(button).clicked() {
                training.tab = tab;
            }
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let tip = "Close this panel; a training that is running continues.";
            if icon_button(ui, Icon::Close, "Close the training panel", tip, false).clicked() {
                actions.push(AppAction::ShowTraining(false));
            }
        });
    });
}

/// The size of one of two buttons that fill a row.
fn half_width(ui: &Ui) -> Vec2 {
    Vec2::new((ui.available_width() - ui.spacing().item_spacing.x) / 2.0, BUTTON)
}
