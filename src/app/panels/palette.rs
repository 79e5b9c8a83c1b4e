//! The command palette: type a piece of a command's name, choose with the arrow keys, run with Enter.

use super::commands::Command;
use super::theme;
use egui::{Align2, Context, Key, Modifiers, RichText, Vec2};

/// Open or not, what was typed, and which line is chosen.
#[derive(Default)]
pub struct Palette {
    open: bool,
    query: String,
    chosen: usize,
}

impl Palette {
    /// Opens the palette empty, or closes it.
    pub fn toggle(&mut self) {
        *self = Palette { open: !self.open, ..Palette::default() };
    }

    /// Draws the palette while it is open; returns the command to run.
    pub fn show(&mut self, ctx: &Context) -> Option<Command> {
        if !self.open {
            return None;
        }
        let (up, down, enter, escape) = ctx.input_mut(|i| {
            let mut pressed = |key| i.consume_key(Modifiers::NONE, key);
            (pressed(Key::ArrowUp), pressed(Key::ArrowDown), pressed(Key::Enter), pressed(Key::Escape))
        });
        let found = matching(&self.query);
        self.chosen = (self.chosen + usize::from(down)).min(found.len().saturating_sub(1));
        self.chosen = self.chosen.saturating_sub(usize::from(up));
        let mut run = found.get(self.chosen).copied().filter(|_| enter);
        let area = egui::Modal::default_area(egui::Id::unique("palette"))
            .anchor(Align2::CENTER_TOP, Vec2::new(0.0, 80.0));
        let modal = egui::Modal::new(egui::Id::unique("palette")).area(area).show(ctx, |ui| {
            ui.set_width(440.0);
            let field = egui::TextEdit::singleline(&mut self.query)
                .hint_text("Find a command")
                .desired_width(f32::INFINITY)
                .margin(egui::Margin::symmetric(10, 6));
            let field = ui.add(field);
            field.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Find a command"));
            field.request_focus();
            if field.changed() {
                self.chosen = 0;
            }
            ui.add_space(2.0);
            egui::ScrollArea::vertical().max_height(320.0).show(ui, |ui| {
                for (n, &command) in found.iter().enumerate() {
                    let keys = command.keys(ctx);
                    let button = egui::Button::selectable(n == self.chosen, command.text())
                        .shortcut_text(RichText::new(keys).color(theme::MUTED))
                        .min_size(Vec2::new(ui.available_width(), 26.0));
                    let line = ui.add(button).on_hover_text(command.tooltip());
                    if n == self.chosen && (up || down) {
                        line.scroll_to_me(None);
                    }
                    if line.clicked() {
                        run = Some(command);
                    }
                }
                if found.is_empty() {
                    ui.label(RichText::new("No command is called that").color(theme::MUTED));
                }
            });
        });
        if run.is_some() || escape || modal.should_close() {
            self.open = false;
        }
        run
    }
}

/// The commands whose name has every typed word in it.
fn matching(query: &str) -> Vec<Command> {
    let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
    let has_all = |c: &&Command| words.iter().all(|w| c.text().to_lowercase().contains(w));
    Command::ALL.iter().filter(|c| **c != Command::Palette).filter(has_all).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_may_be_typed_in_any_order() {
        assert_eq!(matching("tokens fewer"), [Command::FewerTokens]);
        assert_eq!(matching("").len(), Command::ALL.len() - 1);
        assert!(matching("xyzzy").is_empty());
    }
}
