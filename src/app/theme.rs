//! Colours, type and spacing of the window: one dark theme, used through names.

use egui::{
    Color32, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Margin, Shadow, Stroke, TextStyle,
    Vec2,
};
use std::sync::Arc;

/// The window's background.
pub const BACKGROUND: Color32 = Color32::from_rgb(13, 16, 19);
/// Panels on the background.
pub const PANEL: Color32 = Color32::from_rgb(21, 25, 29);
/// Section headers and bars on panels.
pub const RAISED: Color32 = Color32::from_rgb(29, 34, 39);
/// Widgets at rest.
pub const WIDGET: Color32 = Color32::from_rgb(38, 44, 51);
/// Lines between things.
pub const LINE: Color32 = Color32::from_rgb(44, 51, 58);
/// Text.
pub const TEXT: Color32 = Color32::from_rgb(211, 220, 227);
/// Labels and secondary text.
pub const MUTED: Color32 = Color32::from_rgb(134, 147, 158);
/// Headings and values that matter.
pub const BRIGHT: Color32 = Color32::from_rgb(244, 248, 250);
/// What is chosen, playing or kept.
pub const ACCENT: Color32 = Color32::from_rgb(64, 148, 255);
/// The accent behind text.
pub const ACCENT_DEEP: Color32 = Color32::from_rgb(27, 72, 130);
/// Things that work but should be known.
pub const WARN: Color32 = Color32::from_rgb(240, 179, 70);
/// Things that do not work.
pub const ERROR: Color32 = Color32::from_rgb(240, 98, 92);
/// Things that are as they should be.
pub const GOOD: Color32 = Color32::from_rgb(87, 196, 132);

/// The stages of a frame in the order of `FrameTimes::stages`.
pub const STAGES: [Color32; 8] = [
    Color32::from_rgb(240, 206, 92),
    Color32::from_rgb(128, 140, 153),
    Color32::from_rgb(64, 148, 255),
    Color32::from_rgb(72, 202, 188),
    Color32::from_rgb(168, 124, 255),
    Color32::from_rgb(240, 150, 90),
    Color32::from_rgb(226, 105, 156),
    Color32::from_rgb(142, 204, 96),
];

/// Height of a row of a panel.
pub const ROW: f32 = 22.0;
/// Height of a row that only shows text.
pub const LOW_ROW: f32 = 17.0;
/// Width of the label column of a panel.
pub const LABELS: f32 = 92.0;

/// The semi-bold face, for headings and values.
pub fn strong() -> FontFamily {
    FontFamily::Name("strong".into())
}

/// Semi-bold text of a size in points.
pub fn strong_font(size: f32) -> FontId {
    FontId::new(size, strong())
}

/// Sets fonts and style once.
pub fn apply(ctx: &egui::Context) {
    ctx.set_fonts(fonts());
    ctx.set_theme(egui::Theme::Dark);
    ctx.all_styles_mut(style);
}

fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let faces = [
        ("inter-medium", include_bytes!("../../assets/fonts/Inter-Medium.otf").as_slice()),
        ("inter-semibold", include_bytes!("../../assets/fonts/Inter-SemiBold.otf").as_slice()),
    ];
    for (name, data) in faces {
        fonts.font_data.insert(name.into(), Arc::new(FontData::from_static(data)));
    }
    // Behind ours stay egui's own, for symbols in file and camera names.
    let fallback = fonts.families.get(&FontFamily::Proportional).cloned().unwrap_or_default();
    for (family, face) in [(FontFamily::Proportional, "inter-medium"), (strong(), "inter-semibold")] {
        let order = std::iter::once(face.to_owned()).chain(fallback.iter().cloned()).collect();
        fonts.families.insert(family, order);
    }
    fonts
}

fn style(style: &mut egui::Style) {
    let sized = |size| FontId::new(size, FontFamily::Proportional);
    style.text_styles = [
        (TextStyle::Small, sized(11.0)),
        (TextStyle::Body, sized(12.5)),
        (TextStyle::Button, sized(12.5)),
        (TextStyle::Heading, strong_font(15.0)),
        (TextStyle::Monospace, FontId::new(12.0, FontFamily::Monospace)),
    ]
    .into();
    space(&mut style.spacing);
    style.visuals = egui::Visuals::dark();
    surfaces(&mut style.visuals);
    widgets(&mut style.visuals.widgets);
}

/// Distances between widgets and inside them.
fn space(spacing: &mut egui::style::Spacing) {
    spacing.item_spacing = Vec2::new(8.0, 6.0);
    spacing.button_padding = Vec2::new(8.0, 3.0);
    spacing.interact_size = Vec2::new(32.0, ROW);
    spacing.menu_margin = Margin::same(6);
    spacing.indent = 14.0;
    spacing.slider_rail_height = 4.0;
    spacing.icon_width = 16.0;
    spacing.icon_width_inner = 9.0;
    spacing.combo_width = 60.0;
    spacing.tooltip_width = 320.0;
    spacing.scroll = egui::style::ScrollStyle { bar_width: 6.0, ..egui::style::ScrollStyle::thin() };
}

/// Panels, windows, and everything else that is no widget.
fn surfaces(visuals: &mut egui::Visuals) {
    visuals.panel_fill = PANEL;
    visuals.window_fill = RAISED;
    visuals.extreme_bg_color = BACKGROUND;
    visuals.text_edit_bg_color = Some(BACKGROUND);
    visuals.faint_bg_color = RAISED;
    visuals.code_bg_color = BACKGROUND;
    visuals.weak_text_color = Some(MUTED);
    visuals.warn_fg_color = WARN;
    visuals.error_fg_color = ERROR;
    visuals.hyperlink_color = ACCENT;
    visuals.selection.bg_fill = ACCENT_DEEP;
    visuals.selection.stroke = Stroke::new(1.0, BRIGHT);
    visuals.window_stroke = Stroke::new(1.0, LINE);
    visuals.window_corner_radius = CornerRadius::same(8);
    visuals.menu_corner_radius = CornerRadius::same(8);
    let shadow = Shadow { offset: [0, 6], blur: 24, spread: 0, color: Color32::from_black_alpha(140) };
    visuals.window_shadow = shadow;
    visuals.popup_shadow = shadow;
    visuals.slider_trailing_fill = true;
    visuals.handle_shape = egui::style::HandleShape::Circle;
    visuals.indent_has_left_vline = false;
    visuals.interact_cursor = Some(egui::CursorIcon::PointingHand);
}

/// Widgets at rest, under the pointer, pressed and open.
fn widgets(widgets: &mut egui::style::Widgets) {
    let states = [
        (&mut widgets.noninteractive, PANEL, LINE, TEXT),
        (&mut widgets.inactive, WIDGET, Color32::TRANSPARENT, TEXT),
        (&mut widgets.hovered, Color32::from_rgb(50, 58, 66), Color32::TRANSPARENT, BRIGHT),
        (&mut widgets.active, ACCENT_DEEP, Color32::TRANSPARENT, BRIGHT),
        (&mut widgets.open, Color32::from_rgb(50, 58, 66), Color32::TRANSPARENT, BRIGHT),
    ];
    for (state, fill, line, text) in states {
        state.bg_fill = fill;
        state.weak_bg_fill = fill;
        state.bg_stroke = Stroke::new(1.0, line);
        state.fg_stroke = Stroke::new(1.0, text);
        state.corner_radius = CornerRadius::same(5);
        // Widgets that grow under the pointer make a dense panel restless.
        state.expansion = 0.0;
    }
}
