//! Buttons with a drawn icon.

use crate::app::theme;
use egui::{Color32, Response, Sense, Ui, Vec2};

/// What an [`icon_button`] shows; drawn, so that no font decides how it looks.
#[derive(Clone, Copy, PartialEq)]
pub enum Icon {
    /// Starts playing.
    Play,
    /// Pauses.
    Pause,
    /// Goes to the previous frame.
    StepBack,
    /// Goes to the next frame.
    StepForward,
    /// Goes to the first frame.
    ToStart,
    /// Starts again at the end.
    Loop,
    /// Closes or removes something.
    Close,
    /// Chooses a file or folder.
    Folder,
}

/// A square button with a drawn icon and a name for tooltips, screen readers and tests.
pub fn icon_button(ui: &mut Ui, icon: Icon, name: &str, tip: &str, lit: bool) -> Response {
    sized_icon_button(ui, 26.0, icon, name, tip, lit)
}

/// An icon button as high as the fields of a row beside it.
pub fn row_icon_button(ui: &mut Ui, icon: Icon, name: &str, tip: &str) -> Response {
    sized_icon_button(ui, theme::ROW, icon, name, tip, false)
}

fn sized_icon_button(ui: &mut Ui, size: f32, icon: Icon, name: &str, tip: &str, lit: bool) -> Response {
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(size), Sense::click());
    let enabled = ui.is_enabled();
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, enabled, lit, name));
    let visuals = *ui.style().interact(&response);
    if response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, visuals.corner_radius, visuals.weak_bg_fill);
    }
    let color = if lit { theme::ACCENT } else { visuals.fg_stroke.color };
    draw_icon(ui.painter(), icon, rect.center(), color);
    response.on_hover_text(tip)
}

fn draw_icon(painter: &egui::Painter, icon: Icon, c: egui::Pos2, color: Color32) {
    let none = egui::Stroke::NONE;
    let line = egui::Stroke::new(1.6, color);
    let bar = |x: f32, w: f32| {
        painter.rect_filled(
            egui::Rect::from_center_size(c + Vec2::new(x, 0.0), Vec2::new(w, 11.0)),
            1.0,
            color,
        );
    };
    let arrow = |x: f32, size: f32| {
        let points =
            [Vec2::new(x - size / 2.0, -5.5), Vec2::new(x + size / 2.0, 0.0), Vec2::new(x - size / 2.0, 5.5)];
        painter.add(egui::Shape::convex_polygon(points.map(|p| c + p).to_vec(), color, none));
    };
    match icon {
        Icon::Play => arrow(1.0, 10.0),
        Icon::Pause => {
            bar(-3.2, 3.2);
            bar(3.2, 3.2);
        }
        Icon::StepForward => {
            arrow(-1.5, 8.0);
            bar(5.0, 2.2);
        }
        Icon::StepBack => {
            arrow(1.5, -8.0);
            bar(-5.0, 2.2);
        }
        Icon::ToStart => {
            arrow(4.0, -6.5);
            arrow(-2.0, -6.5);
            bar(-6.5, 1.8);
        }
        Icon::Loop => {
            // Most of a circle, with an arrow head at its end.
            let around = |t: f32| c + 5.2 * Vec2::angled(t);
            let points = (0..=20).map(|n| around(-1.0 + n as f32 * 0.26)).collect();
            painter.add(egui::Shape::line(points, line));
            let tip = around(-1.0);
            let head = [Vec2::new(-4.0, -1.0), Vec2::new(1.5, -4.5), Vec2::new(1.5, 1.5)];
            painter.add(egui::Shape::convex_polygon(head.map(|p| tip + p).to_vec(), color, none));
        }
        Icon::Folder => {
            let outline = [(-6.0, 4.5), (-6.0, -4.5), (-2.0, -4.5), (-0.5, -2.5), (6.0, -2.5), (6.0, 4.5)];
            let points = outline.map(|(x, y)| c + Vec2::new(x, y)).to_vec();
            painter.add(egui::Shape::closed_line(points, egui::Stroke::new(1.3, color)));
        }
        Icon::Close => {
            painter.line_segment([c + Vec2::new(-4.0, -4.0), c + Vec2::new(4.0, 4.0)], line);
            painter.line_segment([c + Vec2::new(-4.0, 4.0), c + Vec2::new(4.0, -4.0)], line);
        }
    }
}
