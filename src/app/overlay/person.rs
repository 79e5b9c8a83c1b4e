//! A person's number, and the outline of the person under the pointer.

use super::PictureTransform;
use crate::app::theme;
use crate::draw::person_color;
use crate::track::TrackId;
use crate::vision::BBox;
use egui::{Align2, Color32, CornerRadius, Painter, Rect, Stroke, StrokeKind, Vec2, pos2};

/// The screen rectangle of a box of the picture.
pub fn box_rect(transform: &PictureTransform, b: &BBox) -> Rect {
    // A box covers pixels from edge to edge; a point of the picture is a pixel's centre.
    let (left, top) = (b.x - 0.5, b.y - 0.5);
    Rect::from_two_pos(transform.at(left, top), transform.at(left + b.w, top + b.h))
}

/// Writes a person's number at the upper left corner of its box, inside the picture.
pub fn draw_number(painter: &Painter, transform: &PictureTransform, at: &BBox, id: TrackId) {
    let [r, g, b] = person_color(id.0);
    let dark = Color32::from_rgb(12, 14, 20);
    let text = painter.layout_no_wrap(id.0.to_string(), theme::strong_font(11.0), dark);
    let size = text.size() + Vec2::new(10.0, 2.0);
    let corner = box_rect(transform, at).left_top() - Vec2::new(0.0, size.y + 3.0);
    let most = (transform.rect.max - size).max(transform.rect.min);
    let corner =
        pos2(corner.x.clamp(transform.rect.left(), most.x), corner.y.clamp(transform.rect.top(), most.y));
    let pill = Rect::from_min_size(corner, size);
    painter.rect_filled(pill, CornerRadius::same(4), Color32::from_rgb(r, g, b));
    let inside = Align2::CENTER_CENTER.align_size_within_rect(text.size(), pill);
    painter.galley(inside.min, text, dark);
}

/// Outlines a person who can be clicked on, or the box that is being drawn.
pub fn draw_outline(painter: &Painter, rect: Rect) {
    painter.rect_stroke(rect, 4.0, Stroke::new(3.0, Color32::from_black_alpha(110)), StrokeKind::Middle);
    painter.rect_stroke(rect, 4.0, Stroke::new(1.4, theme::BRIGHT), StrokeKind::Middle);
}
