//! The picture in the middle: which frame is on show, its layers, zoom and pan.

use super::overlay::{self, HeatmapLayer, Place};
use super::preferences::Layers;
use super::theme;
use crate::live::{LiveFrame, LiveResult, ModelStatus, Pipeline, Rate};
use crate::pose::Skeleton;
use egui::{Color32, ColorImage, Pos2, Rect, Sense, TextureHandle, TextureOptions, Ui, Vec2};
use std::time::{Duration, Instant};

/// What the viewer shows.
#[derive(Default)]
pub struct Viewer {
    texture: Option<TextureHandle>,
    /// The frame in the texture.
    frame: Option<LiveFrame>,
    /// The newest poses of the same source.
    result: Option<LiveResult>,
    heatmaps: HeatmapLayer,
    /// Magnification on top of fitting, 1 or more.
    zoom: f32,
    /// Shift of the picture's centre in points.
    pan: Vec2,
    /// New pictures on the screen a second.
    pictures: Rate,
    /// From a frame's capture to its way to the screen, for the last one.
    age: Duration,
}

impl Viewer {
    /// Takes what the pipeline has; never waits. Returns a result that was not seen before.
    pub fn update(
        &mut self,
        ctx: &egui::Context,
        live: &Pipeline,
        source: u64,
        newest: bool,
    ) -> Option<LiveResult> {
        let ready = matches!(live.model(), ModelStatus::Ready(_));
        let together = ready && !newest && live.measured().error.is_none();
        if !ready {
            self.result = None;
        }
        let fresh = live.take_result().filter(|r| ready && r.frame.source == source);
        let preview = live.take_preview().filter(|f| f.source == source);
        if let Some(result) = &fresh {
            if together {
                self.show(ctx, result.frame.clone());
            }
            self.result = Some(result.clone());
        }
        if let (false, Some(frame)) = (together, preview) {
            self.show(ctx, frame);
        }
        fresh
    }

    fn show(&mut self, ctx: &egui::Context, frame: LiveFrame) {
        // A settings change estimates the same frame again: its pixels are in the texture already.
        let same = self
            .frame
            .as_ref()
            .is_some_and(|old| std::sync::Arc::ptr_eq(&old.frame.pixels, &frame.frame.pixels));
        if !same {
            self.age = frame.captured.elapsed();
            self.pictures.tick(Instant::now());
            let pixels = &frame.frame.pixels;
            let size = [pixels.width() as usize, pixels.height() as usize];
            let image = ColorImage::from_rgb(size, pixels.as_raw());
            match &mut self.texture {
                Some(texture) => texture.set(image, TextureOptions::LINEAR),
                None => self.texture = Some(ctx.load_texture("picture", image, TextureOptions::LINEAR)),
            }
        }
        self.frame = Some(frame);
    }

    /// Forgets the picture of a source that was replaced.
    pub fn clear(&mut self) {
        *self = Viewer { zoom: self.zoom, pan: self.pan, ..Viewer::default() };
    }

    /// Shows the whole picture.
    pub fn fit(&mut self) {
        self.zoom = 1.0;
        self.pan = Vec2::ZERO;
    }

    /// The poses on show.
    pub fn result(&self) -> Option<&LiveResult> {
        self.result.as_ref()
    }

    /// The frame on show.
    #[cfg(test)]
    pub fn frame(&self) -> Option<&LiveFrame> {
        self.frame.as_ref()
    }

    /// How old the frame was when it came to the screen.
    pub fn age(&self) -> Duration {
        self.age
    }

    /// New pictures on the screen a second.
    pub fn picture_rate(&self) -> f64 {
        self.pictures.per_second(Instant::now())
    }

    /// Draws picture and layers into the rest of `ui`.
    pub fn draw(&mut self, ui: &mut Ui, layers: &Layers, model: &ModelStatus) {
        let (area, response) = ui.allocate_exact_size(ui.available_size(), Sense::click_and_drag());
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "picture"));
        let painter = ui.painter_at(area);
        painter.rect_filled(area, 0.0, theme::GROUND);
        let (Some(texture), Some(frame)) = (self.texture.clone(), self.frame.clone()) else { return };
        let size = Vec2::new(frame.frame.pixels.width() as f32, frame.frame.pixels.height() as f32);
        self.zoom = self.zoom.max(1.0);
        if response.double_clicked() {
            self.zoom = 1.0;
            self.pan = Vec2::ZERO;
        }
        self.pan += response.drag_delta();
        if let Some(pointer) = response.hover_pos() {
            let scroll = ui.input(|i| (i.smooth_scroll_delta().y / 240.0).exp() * i.zoom_delta());
            self.zoom_around(area, pointer, scroll);
        }
        let place = self.place(area, size, layers.mirror);
        painter.image(texture.id(), place.rect, place.uv(), Color32::WHITE);

        if let (true, Some(truth)) = (layers.truth, &frame.frame.truth) {
            overlay::draw_truth(&painter, &place, truth);
        }
        let (Some(result), ModelStatus::Ready(summary)) = (&self.result, model) else { return };
        let (config, skeleton): (_, &Skeleton) = (&summary.info.config, &summary.info.skeleton);
        let heatmap_wh = [config.heatmap[1], config.heatmap[0]];
        // The crop may reach beyond the picture; what the network makes of nothing is not worth showing.
        let inside = painter.with_clip_rect(area.intersect(place.rect));
        if layers.heatmaps {
            self.heatmaps.draw(
                &inside,
                &place,
                &result.estimates,
                skeleton,
                result.number,
                layers.heatmap_joint,
                layers.heatmap_opacity,
            );
        }
        for estimate in &result.estimates {
            if layers.tokens {
                overlay::draw_tokens(&inside, &place, &estimate.crop, heatmap_wh, config.grid, &result.kept);
            }
            if layers.crop {
                overlay::draw_crop(&painter, &place, &estimate.crop, heatmap_wh);
            }
        }
        if layers.skeleton {
            for estimate in &result.estimates {
                overlay::draw_pose(&painter, &place, &estimate.pose, skeleton, layers.min_score);
            }
        }
    }

    fn zoom_around(&mut self, area: Rect, pointer: Pos2, factor: f32) {
        let zoom = (self.zoom * factor).clamp(1.0, 40.0);
        // The point under the pointer stays where it is.
        let from_centre = pointer - area.center() - self.pan;
        self.pan -= from_centre * (zoom / self.zoom - 1.0);
        self.zoom = zoom;
        if zoom == 1.0 {
            self.pan = Vec2::ZERO;
        }
    }

    fn place(&mut self, area: Rect, size: Vec2, mirror: bool) -> Place {
        let fit = (area.size() / size).min_elem();
        let shown = size * fit * self.zoom;
        // At least a corner of the picture stays in sight.
        let most = (shown + area.size()) / 2.0 - Vec2::splat(40.0);
        self.pan = self.pan.clamp(-most.max(Vec2::ZERO), most.max(Vec2::ZERO));
        Place { rect: Rect::from_center_size(area.center() + self.pan, shown), size, mirror }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zooming_keeps_the_point_under_the_pointer() {
        let area = Rect::from_min_size(Pos2::ZERO, Vec2::new(800.0, 600.0));
        let mut viewer = Viewer { zoom: 1.0, ..Viewer::default() };
        let size = Vec2::new(400.0, 300.0);
        let pointer = Pos2::new(600.0, 200.0);
        let under = |place: Place| (pointer - place.rect.min) / place.rect.size();
        let before = under(viewer.place(area, size, false));
        viewer.zoom_around(area, pointer, 3.0);
        let after = under(viewer.place(area, size, false));
        assert!((before - after).length() < 1e-5);
        viewer.zoom_around(area, pointer, 0.01);
        assert_eq!((viewer.zoom, viewer.pan), (1.0, Vec2::ZERO));
    }
}
