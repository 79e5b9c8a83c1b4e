//! Smooth text for charts, from the outlines of the font that the window uses.

use skrifa::instance::{LocationRef, Size as FontSize};
use skrifa::outline::{DrawSettings, OutlinePen};
use skrifa::{FontRef, MetadataProvider};
use tiny_skia::{Path, PathBuilder};

/// How heavy the letters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FontWeight {
    Medium,
    SemiBold,
}

impl FontWeight {
    /// The font; none if its file were broken, which leaves a chart without words.
    fn font(self) -> Option<FontRef<'static>> {
        let bytes: &[u8] = match self {
            FontWeight::Medium => include_bytes!("../../assets/fonts/Inter-Medium.otf"),
            FontWeight::SemiBold => include_bytes!("../../assets/fonts/Inter-SemiBold.otf"),
        };
        FontRef::new(bytes).ok()
    }
}

/// Width of a line of text in pixels; `size` is the font's size in pixels.
pub(super) fn text_width(text: &str, weight: FontWeight, size: f32) -> f32 {
    let Some(font) = weight.font() else { return 0.0 };
    let (charmap, metrics) =
        (font.charmap(), font.glyph_metrics(FontSize::new(size), LocationRef::default()));
    let advance = |c| metrics.advance_width(charmap.map(c).unwrap_or_default()).unwrap_or(0.0);
    text.chars().map(advance).sum()
}

/// The outline of a line of text whose baseline starts at `at`; none for text without ink. Characters
/// that the font lacks show its glyph for unknown characters.
pub(super) fn text_path(text: &str, weight: FontWeight, size: f32, at: [f32; 2]) -> Option<Path> {
    let font = weight.font()?;
    let (charmap, outlines) = (font.charmap(), font.outline_glyphs());
    let metrics = font.glyph_metrics(FontSize::new(size), LocationRef::default());
    let mut pen = GlyphPath { path: PathBuilder::new(), at };
    for c in text.chars() {
        let glyph = charmap.map(c).unwrap_or_default();
        if let Some(outline) = outlines.get(glyph) {
            let settings = DrawSettings::unhinted(FontSize::new(size), LocationRef::default());
            // A glyph that cannot be drawn leaves a gap.
            let _ = outline.draw(settings, &mut pen);
        }
        pen.at[0] += metrics.advance_width(glyph).unwrap_or(0.0);
    }
    pen.path.finish()
}

/// Collects the outlines of glyphs, whose y axis points up, as one path whose y axis points down.
struct GlyphPath {
    path: PathBuilder,
    at: [f32; 2],
}

impl OutlinePen for GlyphPath {
    fn move_to(&mut self, x: f32, y: f32) {
        self.path.move_to(self.at[0] + x, self.at[1] - y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.path.line_to(self.at[0] + x, self.at[1] - y);
    }

    fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
        let [left, base] = self.at;
        self.path.quad_to(left + cx, base - cy, left + x, base - y);
    }

    fn curve_to(&mut self, ax: f32, ay: f32, bx: f32, by: f32, x: f32, y: f32) {
        let [left, base] = self.at;
        self.path.cubic_to(left + ax, base - ay, left + bx, base - by, left + x, base - y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stands_on_its_baseline_and_is_as_wide_as_it_says() {
        let path = text_path("HH", FontWeight::Medium, 100.0, [10.0, 200.0]).unwrap();
        let bounds = path.bounds();
        assert!((bounds.bottom() - 200.0).abs() < 1.0, "{bounds:?}");
        assert!(bounds.top() > 100.0 && bounds.top() < 150.0, "{bounds:?}");
        assert!(bounds.right() < 10.0 + text_width("HH", FontWeight::Medium, 100.0));
        assert!(text_width("HHH", FontWeight::SemiBold, 10.0) > text_width("HH", FontWeight::SemiBold, 10.0));
        assert!(text_path(" ", FontWeight::Medium, 10.0, [0.0; 2]).is_none());
    }
}
