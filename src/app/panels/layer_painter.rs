//! What is drawn over the picture: heatmaps, tokens, crops, skeletons, numbers and true joints.

use crate::app::overlay::{self, HeatmapView, PictureTextures, PictureTransform, SkeletonPaint};
use crate::app::state::{KeypointDisplay, LayerSettings, SkeletonColors, person_bounds};
use crate::draw::PoseColors;
use crate::live::{LiveFrame, LiveResult, ModelSummary};
use egui::Painter;

/// Draws the layers of a frame.
pub struct LayerPainter<'a> {
    /// Draws on the picture's area of the window.
    pub painter: &'a Painter,
    /// From the picture to the screen.
    pub transform: PictureTransform,
    /// Which layers are drawn, and how.
    pub layers: &'a LayerSettings,
}

impl LayerPainter<'_> {
    /// Draws everything that the settings ask for.
    pub fn draw(
        &self,
        frame: &LiveFrame,
        result: Option<&LiveResult>,
        model: Option<&ModelSummary>,
        textures: &mut PictureTextures,
    ) {
        if let (true, Some(truth)) = (self.layers.truth, &frame.frame.truth) {
            overlay::draw_truth(self.painter, &self.transform, truth);
        }
        if let (Some(result), Some(model)) = (result, model) {
            self.draw_heatmaps(result, model, textures);
            self.draw_crops(result, model);
            self.draw_people(result, model);
        }
    }

    /// The crop may reach beyond the picture; what the network sees there is only padding.
    fn clipped(&self) -> Painter {
        let clip = self.painter.clip_rect().intersect(self.transform.rect);
        self.painter.with_clip_rect(clip)
    }

    fn draw_heatmaps(&self, result: &LiveResult, model: &ModelSummary, textures: &mut PictureTextures) {
        if self.layers.heatmaps {
            let view = HeatmapView {
                estimates: &result.estimates,
                skeleton: &model.info.skeleton,
                result: result.number,
                joint: self.layers.heatmap_joint,
                opacity: self.layers.heatmap_opacity,
            };
            textures.heatmaps.draw(&self.clipped(), &self.transform, &view);
        }
    }

    /// Kept tokens and outlines of the crops.
    fn draw_crops(&self, result: &LiveResult, model: &ModelSummary) {
        let config = &model.info.config;
        let heatmap = config.heatmap();
        let clipped = self.clipped();
        for (person, estimate) in result.estimates.iter().enumerate() {
            if self.layers.tokens {
                let (crop, kept) = (&estimate.crop, result.kept.of(person));
                overlay::draw_tokens(&clipped, &self.transform, crop, heatmap, config.grid(), kept);
            }
            if self.layers.crop {
                overlay::draw_crop(self.painter, &self.transform, &estimate.crop, heatmap);
            }
        }
    }

    /// Skeletons and numbers.
    fn draw_people(&self, result: &LiveResult, model: &ModelSummary) {
        let (skeleton, min_score) = (&model.info.skeleton, self.layers.min_score);
        let pose = |pose, paint| {
            overlay::draw_pose(self.painter, &self.transform, pose, skeleton, min_score, paint);
        };
        for person in result.people.iter().filter(|_| self.layers.skeleton) {
            let paint = SkeletonPaint::Colors(match self.layers.colors {
                SkeletonColors::People => PoseColors::Person(person.id.0),
                SkeletonColors::Sides => PoseColors::Sides,
            });
            match self.layers.keypoints {
                KeypointDisplay::Smoothed => pose(&person.pose, paint),
                KeypointDisplay::Raw => pose(&person.raw, paint),
                KeypointDisplay::Both => {
                    pose(&person.pose, paint);
                    pose(&person.raw, SkeletonPaint::Ghost);
                }
            }
        }
        for person in result.people.iter().filter(|_| self.layers.numbers) {
            overlay::draw_number(self.painter, &self.transform, &person_bounds(person), person.id);
        }
    }
}
