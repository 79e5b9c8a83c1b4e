//! The token mask: which visual tokens enter the transformer, and what that saves.

use super::layers::slider;
use crate::app::actions::ActionQueue;
use crate::app::commands::AppCommand;
use crate::app::sentence::sentence;
use crate::app::state::State;
use crate::app::theme;
use crate::app::widgets::{check, choice, hint, row};
use crate::model::{
    Counting, KeepRatio, MaskKind, PoseNetConfig, PositionMode, Variant, keep_count, kept_tokens,
};
use crate::pose::{Size, Skeleton};
use crate::vision::Decoding;
use egui::{Color32, DragValue, Rect, RichText, Sense, Slider, Ui, Vec2};

/// Draws the section.
pub fn show(ui: &mut Ui, state: &mut State, _: &mut ActionQueue) {
    let config = match state.pipeline.ready_model() {
        Some(summary) => summary.info.config.clone(),
        // Without a model the mask can still be tried, on the grid of the model that comes with tmpose.
        None => PoseNetConfig::new(Variant::T, Skeleton::coco17()),
    };
    let preferences = &mut state.preferences;
    let tokens = config.tokens();
    let count = keep_count(preferences.mask, preferences.keep_ratio, tokens);
    let masked = preferences.mask != MaskKind::None;
    let percent = if masked { (preferences.keep_ratio.get() * 100.0).round() } else { 100.0 };

    ui.horizontal(|ui| {
        ui.vertical(|ui| {
            ui.set_width(ui.available_width() - 60.0);
            let text = format!("tokens kept {percent:.0} % ({count} of {tokens})");
            ui.label(RichText::new(text).font(theme::strong_font(12.5)).color(theme::BRIGHT));
            hint(ui, cost(&config, count));
        });
        let kept = kept_tokens(preferences.mask, preferences.keep_ratio, config.grid(), preferences.seed);
        grid(ui, config.grid(), config.patch(), &kept);
    });
    ui.add_space(2.0);
    let help = "Keep ratio: the share of visual tokens that enters the transformer. Fewer are faster and less accurate.";
    ui.add_enabled_ui(masked, |ui| {
        let mut shown = percent;
        let kept = row(ui, "Keep", help, |ui| {
            slider(ui, Slider::new(&mut shown, 1.0..=100.0).step_by(1.0).fixed_decimals(0).suffix(" %"))
        });
        if kept.changed() {
            preferences.keep_ratio = KeepRatio::new(shown / 100.0).unwrap_or_default();
        }
    });
    row(ui, "Mask", &sentence(preferences.mask.description()), |ui| {
        choice(ui, "mask", &mut preferences.mask, &MaskKind::ALL, |m| m.to_string())
    });
    if preferences.mask == MaskKind::Random {
        row(ui, "Seed", "Seed of the random mask.", |ui| {
            ui.add(DragValue::new(&mut preferences.seed).speed(0.1))
        });
    }
    let [gathered, prefix] = [PositionMode::Gathered, PositionMode::Prefix]
        .map(|mode| sentence(&format!("{mode}: {}", mode.description())));
    row(ui, "Positions", &format!("{gathered} {prefix}"), |ui| {
        choice(ui, "positions", &mut preferences.positions, &PositionMode::ALL, |p| p.to_string())
    });
    let help =
        sentence(&format!("How keypoints are found in the heatmaps: {}", preferences.decoding.description()));
    row(ui, "Decoding", &help, |ui| {
        choice(ui, "decoding", &mut preferences.decoding, &[Decoding::DARK, Decoding::Plain], |d| {
            d.to_string()
        })
    });
    let tip = AppCommand::ToggleFlipTest.hint(ui.ctx());
    check(ui, &mut preferences.flip_test, AppCommand::ToggleFlipTest.name(), &tip);
}

/// The network's multiply-adds, and those with all tokens.
fn cost(config: &PoseNetConfig, kept: usize) -> String {
    let giga = |count: usize| config.macs(count, Counting::default()).total() as f64 / 1e9;
    let (now, all) = (giga(kept), giga(config.tokens()));
    format!("{now:.2} of {all:.2} GMAC ({:.0} %)", now / all * 100.0)
}

/// A small picture of the crop's grid: kept tokens are lit, the others dark.
fn grid(ui: &mut Ui, grid: Size, patch: Size, kept: &[usize]) {
    let ([rows, columns], [height, width]) = (grid.hw(), patch.hw());
    // Cells have the shape of a token's patch, so that the grid has the shape of the crop, and whole points
    // as sides, so that they all look alike.
    let cell = Vec2::new(width as f32, height as f32) * (68 / (rows * height)).max(1) as f32;
    let size = Vec2::new(cell.x * columns as f32, cell.y * rows as f32);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    response.on_hover_text("Which visual tokens of the crop are kept.");
    let painter = ui.painter();
    painter.rect_filled(rect.expand(1.0), 2.0, theme::BACKGROUND);
    let mut lit = vec![false; rows * columns];
    for &token in kept {
        if let Some(cell) = lit.get_mut(token) {
            *cell = true;
        }
    }
    for (token, &on) in lit.iter().enumerate() {
        let corner = rect.min + cell * Vec2::new((token % columns) as f32, (token / columns) as f32);
        let color: Color32 = if on { theme::ACCENT } else { theme::RAISED };
        painter.rect_filled(Rect::from_min_size(corner, cell - Vec2::splat(1.0)), 0.0, color);
    }
}
