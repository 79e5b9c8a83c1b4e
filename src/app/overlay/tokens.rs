//! The crop that the network sees, and which of its visual tokens are kept.

use super::PictureTransform;
use crate::app::theme;
use crate::pose::Size;
use crate::vision::{Affine, CropBox};
use egui::{Color32, Mesh, Painter, Rect, Shape, Stroke, StrokeKind};

/// The screen rectangle of a grid of `cells` that spans the crop.
pub(super) fn crop_rect(transform: &PictureTransform, crop: &CropBox, cells: Size) -> Rect {
    let to_picture = Affine::from_crop(crop, 0.0, cells).inverse();
    let corner = |x: f64, y: f64| {
        let [x, y] = to_picture.apply([x, y]);
        transform.at(x as f32, y as f32)
    };
    Rect::from_two_pos(
        corner(-0.5, -0.5),
        corner(f64::from(cells.width) - 0.5, f64::from(cells.height) - 0.5),
    )
}

/// Outlines the crop.
pub fn draw_crop(painter: &Painter, transform: &PictureTransform, crop: &CropBox, heatmap: Size) {
    let rect = crop_rect(transform, crop, heatmap);
    painter.rect_stroke(rect, 2.0, Stroke::new(3.0, Color32::from_black_alpha(90)), StrokeKind::Middle);
    painter.rect_stroke(rect, 2.0, Stroke::new(1.2, theme::ACCENT), StrokeKind::Middle);
}

/// Darkens the visual tokens that are left out and draws the grid's lines.
pub fn draw_tokens(
    painter: &Painter,
    transform: &PictureTransform,
    crop: &CropBox,
    heatmap: Size,
    grid: Size,
    kept: &[usize],
) {
    let rect = crop_rect(transform, crop, heatmap);
    let [rows, columns] = grid.hw();
    let mut keep = vec![false; rows * columns];
    kept.iter().for_each(|&token| {
        if let Some(cell) = keep.get_mut(token) {
            *cell = true;
        }
    });
    let cell = rect.size() / egui::vec2(columns as f32, rows as f32);
    let dropped = Color32::from_rgba_unmultiplied(8, 10, 14, 190);
    let mut mesh = Mesh::default();
    for (token, _) in keep.iter().enumerate().filter(|(_, kept)| !**kept) {
        let (row, column) = (token / columns, token % columns);
        let column = if transform.mirror { columns - 1 - column } else { column };
        let min = rect.min + cell * egui::vec2(column as f32, row as f32);
        mesh.add_colored_rect(Rect::from_min_size(min, cell), dropped);
    }
    painter.add(Shape::mesh(mesh));
    let line = Stroke::new(0.6, Color32::from_white_alpha(46));
    for column in 0..=columns {
        painter.vline(rect.left() + cell.x * column as f32, rect.y_range(), line);
    }
    for row in 0..=rows {
        painter.hline(rect.x_range(), rect.top() + cell.y * row as f32, line);
    }
}
