//! The middle: the picture with its layers, and messages over it.

use crate::app::commands::Command;
use crate::app::focus::PointerMode;
use crate::app::theme;
use crate::app::widgets::{Icon, card, clock, hint, icon_button, span};
use crate::app::window::Window;
use crate::live::{ModelStatus, SourceStatus};
use crate::weights;
use egui::{Align, Align2, Area, CentralPanel, Color32, Id, Layout, Order, Rect, RichText, Stroke, Ui, Vec2};

/// Draws the middle of the window.
pub fn show(ui: &mut Ui, window: &mut Window) {
    CentralPanel::no_frame().show(ui, |ui| {
        let area = ui.max_rect();
        let model = window.live.model();
        let layers = window.preferences.layers.clone();
        if let Some(gesture) = window.viewer.draw(ui, &layers, &model, window.focus.pointer) {
            window.gesture(gesture);
        }
        messages(ui, area, window, &model);
        if ui.ctx().input(|i| !i.raw.hovered_files.is_empty()) {
            drop_target(ui, area);
        }
    });
}

/// Errors and notes, stacked in the upper left corner of the picture.
fn messages(ui: &mut Ui, area: Rect, window: &mut Window, model: &ModelStatus) {
    let source = window.live.source();
    let width = (area.width() - 32.0).min(520.0);
    Area::new(Id::unique("messages"))
        .order(Order::Middle)
        .fixed_pos(area.left_top() + Vec2::splat(16.0))
        .constrain_to(area)
        .show(ui.ctx(), |ui| {
            ui.spacing_mut().item_spacing.y = 8.0;
            if let Some(notice) = window.notice.clone() {
                let color = if notice.error { theme::ERROR } else { theme::WARN };
                let close = card(ui, width, color, |ui| {
                    ui.horizontal_top(|ui| {
                        let size = Vec2::new(ui.available_width() - 36.0, 0.0);
                        ui.allocate_ui_with_layout(size, Layout::top_down(Align::Min), |ui| {
                            // Level with the button's middle while it is one line.
                            ui.add_space(5.0);
                            ui.label(&notice.text);
                        });
                        icon_button(ui, Icon::Close, "Dismiss", "Hide this message.", false).clicked()
                    })
                    .inner
                });
                if close {
                    window.notice = None;
                }
            }
            if let Some(status) = &source {
                trouble(ui, width, window, status);
            }
            pointer(ui, width, window);
            match model {
                ModelStatus::None => no_weights(ui, width, window),
                ModelStatus::Failed(reason) => {
                    card(ui, width, theme::ERROR, |ui| {
                        ui.label(reason);
                        open_weights(ui, window);
                    });
                }
                ModelStatus::Loading { done, of } => {
                    card(ui, width, theme::ACCENT, |ui| {
                        ui.label(super::model::preparing(*done, *of));
                        ui.label("The first time on a GPU this takes a while.");
                    });
                }
                ModelStatus::Ready(_) => {
                    if let Some(error) = window.live.measured().error {
                        card(ui, width, theme::ERROR, |ui| ui.label(error));
                    }
                }
            }
        });
}

/// What is wrong with the source, and what can be done.
fn trouble(ui: &mut Ui, width: f32, window: &mut Window, status: &SourceStatus) {
    let lost = status.info.as_ref().map_or("The source", |info| info.title.as_str());
    if let Some(outage) = &status.outage {
        let since = span(outage.since.elapsed());
        let headline = "Camera disconnected, trying again";
        let detail = format!("{}. Lost {since} ago; the last picture stays.", outage.reason);
        let retry = told(ui, width, theme::WARN, headline, &detail, &["Try now", "Close the source"]);
        match retry {
            Some(0) => window.live.retry(),
            Some(_) => run(ui, window, Command::CloseSource),
            None => {}
        }
    } else if let Some(silent) = status.silent {
        let headline = format!("{lost} has sent nothing for {}", span(silent));
        let actions = [Command::ReopenSource, Command::CloseSource];
        let texts = actions.map(Command::text);
        if let Some(n) = told(ui, width, theme::WARN, &headline, "It is still waited for.", &texts) {
            run(ui, window, actions[n]);
        }
    }
    if let Some(error) = status.error.as_ref().filter(|e| window.dismissed.as_ref() != Some(*e)) {
        let at = status.error_at.map(|at| format!("The last good picture is at {}.", clock(at)));
        let actions = [Command::ReopenSource.text(), "Dismiss"];
        match told(ui, width, theme::ERROR, error, at.as_deref().unwrap_or_default(), &actions) {
            Some(0) => run(ui, window, Command::ReopenSource),
            Some(_) => window.dismissed = Some(error.clone()),
            None => {}
        }
    }
    if status.opening {
        card(ui, width, theme::ACCENT, |ui| ui.label("Opening the source…"));
    }
}

/// What the pointer is expected to do.
fn pointer(ui: &mut Ui, width: f32, window: &Window) {
    let text = match window.focus.pointer {
        PointerMode::Free => return,
        PointerMode::Click => "Click on the person to follow. Esc follows everybody.",
        PointerMode::Draw => "Drag a box around the person to follow. Esc gives up.",
    };
    card(ui, width, theme::ACCENT, |ui| ui.label(text));
}

/// A message with buttons; the one that was pressed.
fn told(
    ui: &mut Ui,
    width: f32,
    color: Color32,
    headline: &str,
    detail: &str,
    actions: &[&str],
) -> Option<usize> {
    card(ui, width, color, |ui| {
        ui.label(RichText::new(headline).color(theme::BRIGHT));
        if !detail.is_empty() {
            hint(ui, detail);
        }
        ui.horizontal(|ui| {
            let pressed: Vec<bool> = actions.iter().map(|text| ui.button(*text).clicked()).collect();
            pressed.iter().position(|pressed| *pressed)
        })
        .inner
    })
}

fn run(ui: &Ui, window: &mut Window, command: Command) {
    let ctx = ui.ctx().clone();
    window.run(&ctx, command);
}

/// What to do without weights.
fn no_weights(ui: &mut Ui, width: f32, window: &mut Window) {
    card(ui, width, theme::ACCENT, |ui| {
        ui.label(RichText::new("No model is loaded").font(theme::strong_font(14.0)).color(theme::BRIGHT));
        ui.label(format!(
            "The picture runs without one; for skeletons a weights file is needed. {} comes with tmpose in its \
             weights folder: put it beside the program or into ./weights, name it in the variable \
             TMPOSE_WEIGHTS, or choose a file here. tmpose train makes your own, and tmpose import reads \
             published TokenPose, TMPose and PPT checkpoints.",
            weights::DEFAULT_FILE
        ));
        open_weights(ui, window);
    });
}

fn open_weights(ui: &mut Ui, window: &mut Window) {
    if ui.button(Command::OpenWeights.text()).clicked() {
        run(ui, window, Command::OpenWeights);
    }
}

fn drop_target(ui: &Ui, area: Rect) {
    let painter = ui.painter();
    painter.rect_filled(area, 0.0, Color32::from_black_alpha(170));
    let inner = area.shrink(14.0);
    painter.rect_stroke(inner, 8.0, Stroke::new(2.0, theme::ACCENT), egui::StrokeKind::Inside);
    let text = "Drop a video, pictures, a folder or weights";
    painter.text(area.center(), Align2::CENTER_CENTER, text, theme::strong_font(18.0), theme::BRIGHT);
}
