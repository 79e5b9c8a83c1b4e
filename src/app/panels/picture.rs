//! The middle of the window: the picture, and what the pointer does in it.

use super::layer_painter::LayerPainter;
use super::messages;
use crate::app::actions::{ActionQueue, AppAction};
use crate::app::overlay::{self, PictureTextures, PictureTransform};
use crate::app::state::{FollowChoice, PointerMode, State, person_at};
use crate::app::theme;
use crate::pose::Size;
use crate::track::FollowMode;
use crate::vision::BBox;
use egui::{
    Align2, CentralPanel, Color32, CursorIcon, Painter, PointerButton, Rect, Response, Sense, Stroke, Ui,
    Vec2,
};

/// A drawn box with a shorter side, in pixels of the picture, was drawn by accident.
const MIN_BOX_SIDE: f32 = 8.0;

/// Draws the middle of the window.
pub fn show(ui: &mut Ui, state: &mut State, textures: &mut PictureTextures, actions: &mut ActionQueue) {
    CentralPanel::no_frame().show(ui, |ui| {
        let area = ui.max_rect();
        picture(ui, state, textures, actions);
        messages::show(ui, area, state, actions);
        if ui.ctx().input(|i| !i.raw.hovered_files.is_empty()) {
            drop_target(ui, area);
        }
    });
}

fn picture(ui: &mut Ui, state: &mut State, textures: &mut PictureTextures, actions: &mut ActionQueue) {
    let (area, response) = ui.allocate_exact_size(ui.available_size(), Sense::click_and_drag());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "picture"));
    let painter = ui.painter_at(area);
    painter.rect_filled(area, 0.0, theme::BACKGROUND);
    let Some(frame) = state.view.frame().cloned() else {
        textures.clear_picture();
        return;
    };
    let drawing = state.selection.pointer == PointerMode::Draw;
    zoom_and_move(ui, &response, area, state, drawing);
    let size = Vec2::new(frame.frame.pixels.width() as f32, frame.frame.pixels.height() as f32);
    let layers = &state.preferences.layers;
    let rect = state.view.picture_rect(area, size);
    let transform = PictureTransform { rect, size, mirror: layers.mirror };
    let texture = textures.picture(ui.ctx(), &frame);
    painter.image(texture, transform.rect, transform.uv(), Color32::WHITE);
    let layers = LayerPainter { painter: &painter, transform, layers };
    layers.draw(&frame, state.view.result(), state.pipeline.ready_model(), textures);
    if drawing {
        draw_box(ui, &response, &painter, &transform, state, actions);
    } else {
        state.view.box_corner = None;
        point(ui, &response, &painter, &transform, state, actions);
    }
}

/// Moves the picture while it is dragged and magnifies it with the wheel; a double click shows all of it.
fn zoom_and_move(ui: &Ui, response: &Response, area: Rect, state: &mut State, drawing: bool) {
    if response.double_clicked() && !drawing {
        state.view.fit();
    }
    if !(drawing && response.dragged_by(PointerButton::Primary)) {
        state.view.move_by(response.drag_delta());
    }
    if let Some(at) = response.hover_pos() {
        let scroll = ui.input(|i| (i.smooth_scroll_delta().y / 240.0).exp() * i.zoom_delta());
        state.view.zoom_around(area, at, scroll);
    }
}

/// A click on a person follows that person; the person under the pointer is outlined. A click elsewhere follows everybody
/// again.
fn point(
    ui: &Ui,
    response: &Response,
    painter: &Painter,
    transform: &PictureTransform,
    state: &State,
    actions: &mut ActionQueue,
) {
    let Some(at) = response.hover_pos().filter(|at| transform.rect.contains(*at)) else { return };
    let Some(result) = state.view.result() else { return };
    let point = transform.picture(at);
    let person = person_at(result, point);
    if let Some(person) = person.filter(|_| !response.dragged()) {
        overlay::draw_outline(painter, overlay::box_rect(transform, &person));
        ui.ctx().set_cursor_icon(CursorIcon::PointingHand);
    }
    if response.clicked() && !response.double_clicked() {
        if person.is_some() {
            actions.push(AppAction::FollowPoint(point));
        } else if state.selection.target.is_some() {
            actions.push(AppAction::Follow(FollowChoice::Automatic(FollowMode::All)));
        }
    }
}

/// The box that is being drawn; its person is followed when the button is released.
fn draw_box(
    ui: &Ui,
    response: &Response,
    painter: &Painter,
    transform: &PictureTransform,
    state: &mut State,
    actions: &mut ActionQueue,
) {
    if response.hovered() || response.dragged() {
        ui.ctx().set_cursor_icon(CursorIcon::Crosshair);
    }
    let corner = &mut state.view.box_corner;
    if response.drag_started_by(PointerButton::Primary) {
        *corner = ui.input(|i| i.pointer.press_origin());
    }
    let (Some(from), Some(to)) = (*corner, response.interact_pointer_pos()) else { return };
    overlay::draw_outline(painter, Rect::from_two_pos(from, to));
    if !response.drag_stopped() {
        return;
    }
    *corner = None;
    let ([ax, ay], [bx, by]) = (transform.picture(from), transform.picture(to));
    let drawn = BBox { x: ax.min(bx), y: ay.min(by), w: (ax - bx).abs(), h: (ay - by).abs() };
    let inside = drawn.intersected(Size::new(transform.size.x as u32, transform.size.y as u32));
    if let Some(inside) = inside.filter(|b| b.w >= MIN_BOX_SIDE && b.h >= MIN_BOX_SIDE) {
        actions.push(AppAction::FollowBox(inside));
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
