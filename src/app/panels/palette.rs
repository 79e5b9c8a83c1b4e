//! The command palette: type part of a command's name, choose with the arrow keys, run with Enter.

use super::push;
use crate::app::actions::ActionQueue;
use crate::app::commands::AppCommand;
use crate::app::state::{PaletteState, State};
use crate::app::theme;
use egui::{Align2, Context, Id, Key, Modal, Modifiers, RichText, ScrollArea, TextEdit, Ui, Vec2};

/// The keys of the palette that were pressed.
struct PaletteKeys {
    up: bool,
    down: bool,
    enter: bool,
    escape: bool,
}

/// Draws the palette while it is open.
pub fn show(ctx: &Context, state: &mut State, actions: &mut ActionQueue) {
    if !state.palette.open {
        return;
    }
    let keys = ctx.input_mut(|i| {
        let mut pressed = |key| i.consume_key(Modifiers::NONE, key);
        PaletteKeys {
            up: pressed(Key::ArrowUp),
            down: pressed(Key::ArrowDown),
            enter: pressed(Key::Enter),
            escape: pressed(Key::Escape),
        }
    });
    let palette = &mut state.palette;
    let matches = matching(&palette.query);
    palette.chosen = (palette.chosen + usize::from(keys.down)).min(matches.len().saturating_sub(1));
    palette.chosen = palette.chosen.saturating_sub(usize::from(keys.up));
    let entered = matches.get(palette.chosen).copied().filter(|_| keys.enter);
    let id = Id::unique("palette");
    let area = Modal::default_area(id).anchor(Align2::CENTER_TOP, Vec2::new(0.0, 80.0));
    let modal = Modal::new(id).area(area).show(ctx, |ui| {
        ui.set_width(440.0);
        query(ui, palette);
        ui.add_space(2.0);
        list(ui, palette, &matches, keys.up || keys.down)
    });
    let command = entered.or(modal.inner);
    if command.is_some() || keys.escape || modal.should_close() {
        palette.open = false;
    }
    if let Some(command) = command {
        push(command, state, actions);
    }
}

fn query(ui: &mut Ui, palette: &mut PaletteState) {
    let field = TextEdit::singleline(&mut palette.query)
        .hint_text("Find a command")
        .desired_width(f32::INFINITY)
        .margin(egui::Margin::symmetric(10, 6));
    let field = ui.add(field);
    field.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Find a command"));
    field.request_focus();
    if field.changed() {
        palette.chosen = 0;
    }
}

/// The commands that match; the one that was clicked.
fn list(ui: &mut Ui, palette: &PaletteState, matches: &[AppCommand], moved: bool) -> Option<AppCommand> {
    let mut clicked = None;
    ScrollArea::vertical().max_height(320.0).show(ui, |ui| {
        for (n, &command) in matches.iter().enumerate() {
            let keys = command.keys(ui.ctx());
            let button = egui::Button::selectable(n == palette.chosen, command.name())
                .shortcut_text(RichText::new(keys).color(theme::MUTED))
                .min_size(Vec2::new(ui.available_width(), 26.0));
            let line = ui.add(button).on_hover_text(command.tooltip());
            if n == palette.chosen && moved {
                line.scroll_to_me(None);
            }
            if line.clicked() {
                clicked = Some(command);
            }
        }
        if matches.is_empty() {
            ui.label(RichText::new("No command has this name").color(theme::MUTED));
        }
    });
    clicked
}

/// The commands whose name has every typed word in it.
fn matching(query: &str) -> Vec<AppCommand> {
    let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
    let has_all = |c: &&AppCommand| words.iter().all(|w| c.name().to_lowercase().contains(w));
    AppCommand::ALL.iter().filter(|c| **c != AppCommand::Palette).filter(has_all).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_may_be_typed_in_any_order() {
        assert_eq!(matching("tokens fewer"), [AppCommand::FewerTokens]);
        assert_eq!(matching("").len(), AppCommand::ALL.len() - 1);
        assert!(matching("xyzzy").is_empty());
    }
}
