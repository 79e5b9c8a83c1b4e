//! The picture in the middle: which frame is on show, its layers, zoom and pan, and what the pointer does in it.

use super::focus::{self, PointerMode};
use super::overlay::{self, HeatmapLayer, PictureTransform, SkeletonPaint};
use super::preferences::{KeypointDisplay, LayerSettings, SkeletonColors};
use super::theme;
use crate::draw::PoseColors;
use crate::live::{LiveFrame, LiveResult, ModelStatus, Percentiles, Pipeline, Rate, RecentValues};
use crate::pose::Skeleton;
use crate::vision::BBox;
use egui::{
    Color32, ColorImage, CursorIcon, Painter, PointerButton, Pos2, Rect, Response, Sense, TextureHandle,
    TextureOptions, Ui, Vec2,
};
use std::time::{Duration, Instant};

/// Pictures whose age is kept.
const AGES: usize = 240;
/// A drawn box with a side below this, in pixels of the picture, was a slip of the hand.
const LEAST_BOX: f32 = 8.0;

/// What the user did in the picture, in its pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PictureGesture {
    /// Clicked on a person.
    Person([f32; 2]),
    /// Clicked where nobody is.
    Nobody,
    /// Drew a box.
    Box(BBox),
}

/// What the viewer shows.
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
    /// From a frame's capture to its way to the screen, for the last ones.
    ages: RecentValues<Duration>,
    /// Where the box that is being drawn began.
    corner: Option<Pos2>,
}

impl Default for Viewer {
    fn default() -> Self {
        Viewer {
            texture: None,
            frame: None,
            result: None,
            heatmaps: HeatmapLayer::default(),
            zoom: 1.0,
            pan: Vec2::ZERO,
            pictures: Rate::default(),
            ages: RecentValues::new(AGES),
            corner: None,
        }
    }
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
            self.ages.push(frame.captured.elapsed());
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
        let heatmaps = std::mem::take(&mut self.heatmaps);
        *self = Viewer { zoom: self.zoom, pan: self.pan, heatmaps, ..Viewer::default() };
    }

    /// The heatmap layer, which can draw from the network's own buffer.
    pub fn heatmaps(&mut self) -> &mut HeatmapLayer {
        &mut self.heatmaps
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

    /// How old the last frames were when they came to the screen; `None` before the first.
    pub fn ages(&self) -> Option<Percentiles> {
        Percentiles::of(self.ages.iter().copied())
    }

    /// New pictures on the screen a second.
    pub fn picture_rate(&self) -> f64 {
        self.pictures.per_second(Instant::now())
    }

    /// Draws picture and layers into the rest of `ui`; says what the pointer did.
    pub fn draw(
        &mut self,
        ui: &mut Ui,
        layers: &LayerSettings,
        model: &ModelStatus,
        pointer: PointerMode,
    ) -> Option<PictureGesture> {
        let (area, response) = ui.allocate_exact_size(ui.available_size(), Sense::click_and_drag());
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "picture"));
        let painter = ui.painter_at(area);
        painter.rect_filled(area, 0.0, theme::GROUND);
        let texture = self.texture.clone()?;
        let frame = self.frame.clone()?;
        let size = Vec2::new(frame.frame.pixels.width() as f32, frame.frame.pixels.height() as f32);
        self.zoom = self.zoom.max(1.0);
        let drawing = pointer == PointerMode::Draw;
        if response.double_clicked() && !drawing {
            self.zoom = 1.0;
            self.pan = Vec2::ZERO;
        }
        if !(drawing && response.dragged_by(PointerButton::Primary)) {
            self.pan += response.drag_delta();
        }
        if let Some(at) = response.hover_pos() {
            let scroll = ui.input(|i| (i.smooth_scroll_delta().y / 240.0).exp() * i.zoom_delta());
            self.zoom_around(area, at, scroll);
        }
        let place = self.place(area, size, layers.mirror);
        painter.image(texture.id(), place.rect, place.uv(), Color32::WHITE);

        if let (true, Some(truth)) = (layers.truth, &frame.frame.truth) {
            overlay::draw_truth(&painter, &place, truth);
        }
        if let ModelStatus::Ready(summary) = model {
            let config = &summary.info.config;
            // The crop may reach beyond the picture; what the network makes of nothing is not worth showing.
            let inside = painter.with_clip_rect(area.intersect(place.rect));
            let heatmap_wh = [config.heatmap[1], config.heatmap[0]];
            self.network(&inside, &painter, &place, layers, &summary.info.skeleton, heatmap_wh, config.grid);
            self.people(&painter, &place, layers, &summary.info.skeleton);
        }
        if drawing {
            self.draw_box(ui, &response, &painter, &place)
        } else {
            self.corner = None;
            self.point(ui, &response, &painter, &place)
        }
    }

    /// Heatmaps, kept tokens and crops.
    #[allow(clippy::too_many_arguments)] // One call site; a struct for it would only rename the fields.
    fn network(
        &mut self,
        inside: &Painter,
        painter: &Painter,
        place: &PictureTransform,
        layers: &LayerSettings,
        skeleton: &Skeleton,
        heatmap_wh: [usize; 2],
        grid: [usize; 2],
    ) {
        let Some(result) = &self.result else { return };
        if layers.heatmaps {
            self.heatmaps.draw(
                inside,
                place,
                &result.estimates,
                skeleton,
                result.number,
                layers.heatmap_joint,
                layers.heatmap_opacity,
            );
        }
        for estimate in &result.estimates {
            if layers.tokens {
                overlay::draw_tokens(inside, place, &estimate.crop, heatmap_wh, grid, &result.kept);
            }
            if layers.crop {
                overlay::draw_crop(painter, place, &estimate.crop, heatmap_wh);
            }
        }
    }

    /// Skeletons and numbers.
    fn people(
        &self,
        painter: &Painter,
        place: &PictureTransform,
        layers: &LayerSettings,
        skeleton: &Skeleton,
    ) {
        let Some(result) = &self.result else { return };
        let pose = |pose, paint| overlay::draw_pose(painter, place, pose, skeleton, layers.min_score, paint);
        for person in &result.people {
            if !layers.skeleton {
                break;
            }
            let paint = SkeletonPaint::Colors(match layers.colors {
                SkeletonColors::People => PoseColors::Person(person.id.0),
                SkeletonColors::Sides => PoseColors::Sides,
            });
            match layers.keypoints {
                KeypointDisplay::Smoothed => pose(&person.pose, paint),
                KeypointDisplay::Raw => pose(&person.raw, paint),
                KeypointDisplay::Both => {
                    pose(&person.pose, paint);
                    pose(&person.raw, SkeletonPaint::Ghost);
                }
            }
        }
        for person in result.people.iter().filter(|_| layers.numbers) {
            overlay::draw_number(painter, place, &focus::extent(person), person.id);
        }
    }

    /// A click on a person follows it; who would be followed is outlined under the pointer.
    fn point(
        &self,
        ui: &Ui,
        response: &Response,
        painter: &Painter,
        place: &PictureTransform,
    ) -> Option<PictureGesture> {
        let at = response.hover_pos().filter(|at| place.rect.contains(*at))?;
        let person = focus::person_at(self.result.as_ref()?, place.picture(at));
        if let Some(person) = person.filter(|_| !response.dragged()) {
            overlay::draw_outline(painter, overlay::box_rect(place, &person));
            ui.ctx().set_cursor_icon(CursorIcon::PointingHand);
        }
        let clicked = response.clicked() && !response.double_clicked();
        clicked.then(|| person.map_or(PictureGesture::Nobody, |_| PictureGesture::Person(place.picture(at))))
    }

    /// The box that is being drawn; ready when the button is let go.
    fn draw_box(
        &mut self,
        ui: &Ui,
        response: &Response,
        painter: &Painter,
        place: &PictureTransform,
    ) -> Option<PictureGesture> {
        if response.hovered() || response.dragged() {
            ui.ctx().set_cursor_icon(CursorIcon::Crosshair);
        }
        if response.drag_started_by(PointerButton::Primary) {
            self.corner = ui.input(|i| i.pointer.press_origin());
        }
        let (from, to) = (self.corner?, response.interact_pointer_pos()?);
        overlay::draw_outline(painter, Rect::from_two_pos(from, to));
        if !response.drag_stopped() {
            return None;
        }
        self.corner = None;
        let ([ax, ay], [bx, by]) = (place.picture(from), place.picture(to));
        let drawn = BBox { x: ax.min(bx), y: ay.min(by), w: (ax - bx).abs(), h: (ay - by).abs() };
        let inside = drawn.intersected(place.size.x as u32, place.size.y as u32)?;
        (inside.w >= LEAST_BOX && inside.h >= LEAST_BOX).then_some(PictureGesture::Box(inside))
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

    fn place(&mut self, area: Rect, size: Vec2, mirror: bool) -> PictureTransform {
        let fit = (area.size() / size).min_elem();
        let shown = size * fit * self.zoom;
        // At least a corner of the picture stays in sight.
        let most = (shown + area.size()) / 2.0 - Vec2::splat(40.0);
        self.pan = self.pan.clamp(-most.max(Vec2::ZERO), most.max(Vec2::ZERO));
        PictureTransform { rect: Rect::from_center_size(area.center() + self.pan, shown), size, mirror }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zooming_keeps_the_point_under_the_pointer() {
        let area = Rect::from_min_size(Pos2::ZERO, Vec2::new(800.0, 600.0));
        let mut viewer = Viewer::default();
        let size = Vec2::new(400.0, 300.0);
        let pointer = Pos2::new(600.0, 200.0);
        let under = |place: PictureTransform| (pointer - place.rect.min) / place.rect.size();
        let before = under(viewer.place(area, size, false));
        viewer.zoom_around(area, pointer, 3.0);
        let after = under(viewer.place(area, size, false));
        assert!((before - after).length() < 1e-5);
        viewer.zoom_around(area, pointer, 0.01);
        assert_eq!((viewer.zoom, viewer.pan), (1.0, Vec2::ZERO));
    }
}
