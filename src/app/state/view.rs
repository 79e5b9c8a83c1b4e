//! Which frame and which people the picture shows, and how far it is zoomed in.

use crate::live::{LiveFrame, LiveResult, Percentiles, Rate, RecentValues};
use egui::{Pos2, Rect, Vec2};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many frames' ages are kept.
const AGE_HISTORY: usize = 240;
/// The largest magnification.
const MAX_ZOOM: f32 = 40.0;
/// How much of the picture stays inside its area however far it is moved, in points.
const MIN_VISIBLE: f32 = 40.0;

/// The picture on display.
pub struct PictureView {
    frame: Option<LiveFrame>,
    /// The newest people of the same source.
    result: Option<LiveResult>,
    /// Magnification on top of fitting, 1 or more.
    zoom: f32,
    /// Shift of the picture's centre in points.
    pan: Vec2,
    /// Where the box that is being drawn began, on the screen.
    pub box_corner: Option<Pos2>,
    /// New frames on the screen a second.
    frames: Rate,
    /// The age of the last frames when they were handed to the screen.
    ages: RecentValues<Duration>,
}

impl Default for PictureView {
    fn default() -> Self {
        PictureView {
            frame: None,
            result: None,
            zoom: 1.0,
            pan: Vec2::ZERO,
            box_corner: None,
            frames: Rate::default(),
            ages: RecentValues::new(AGE_HISTORY),
        }
    }
}

impl PictureView {
    /// Shows a frame.
    pub fn set_frame(&mut self, frame: LiveFrame) {
        // A settings change estimates the same frame again; it is no new picture.
        let same = self.frame.as_ref().is_some_and(|old| Arc::ptr_eq(&old.frame.pixels, &frame.frame.pixels));
        if !same {
            self.ages.push(frame.captured.elapsed());
            self.frames.tick(Instant::now());
        }
        self.frame = Some(frame);
    }

    /// Shows the people of a result; `None` shows no people.
    pub fn set_result(&mut self, result: Option<LiveResult>) {
        self.result = result;
    }

    /// Forgets the picture of a source that was replaced.
    pub fn clear(&mut self) {
        *self = PictureView { zoom: self.zoom, pan: self.pan, ..PictureView::default() };
    }

    /// The frame on display.
    pub fn frame(&self) -> Option<&LiveFrame> {
        self.frame.as_ref()
    }

    /// The people on display.
    pub fn result(&self) -> Option<&LiveResult> {
        self.result.as_ref()
    }

    /// The age of the last frames when they were handed to the screen; `None` before the first.
    pub fn ages(&self) -> Option<Percentiles> {
        Percentiles::of(self.ages.iter().copied())
    }

    /// New frames on the screen a second.
    pub fn frame_rate(&self) -> f64 {
        self.frames.per_second(Instant::now())
    }

    /// Shows the whole picture.
    pub fn fit(&mut self) {
        self.zoom = 1.0;
        self.pan = Vec2::ZERO;
    }

    /// Moves the picture by so many points.
    pub fn move_by(&mut self, delta: Vec2) {
        self.pan += delta;
    }

    /// Magnifies by a factor; the point under the pointer stays where it is.
    pub fn zoom_around(&mut self, area: Rect, pointer: Pos2, factor: f32) {
        let zoom = (self.zoom * factor).clamp(1.0, MAX_ZOOM);
        let from_centre = pointer - area.center() - self.pan;
        self.pan -= from_centre * (zoom / self.zoom - 1.0);
        self.zoom = zoom;
        if zoom == 1.0 {
            self.pan = Vec2::ZERO;
        }
    }

    /// The rectangle in which a picture of `size` pixels is drawn. A part of it always stays inside `area`.
    pub fn picture_rect(&mut self, area: Rect, size: Vec2) -> Rect {
        let fit = (area.size() / size).min_elem();
        let drawn = size * fit * self.zoom;
        let most = ((drawn + area.size()) / 2.0 - Vec2::splat(MIN_VISIBLE)).max(Vec2::ZERO);
        self.pan = self.pan.clamp(-most, most);
        Rect::from_center_size(area.center() + self.pan, drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zooming_keeps_the_point_under_the_pointer() {
        let area = Rect::from_min_size(Pos2::ZERO, Vec2::new(800.0, 600.0));
        let mut view = PictureView::default();
        let size = Vec2::new(400.0, 300.0);
        let pointer = Pos2::new(600.0, 200.0);
        let under = |rect: Rect| (pointer - rect.min) / rect.size();
        let before = under(view.picture_rect(area, size));
        view.zoom_around(area, pointer, 3.0);
        let after = under(view.picture_rect(area, size));
        assert!((before - after).length() < 1e-5);
        view.zoom_around(area, pointer, 0.01);
        assert_eq!((view.zoom, view.pan), (1.0, Vec2::ZERO));
    }
}
