//! Line charts as pictures: axes, ticks, lines, error bars and a legend.

use super::outline_text::{FontWeight, text_path, text_width};
use crate::pose::Size;
use image::RgbImage;
use tiny_skia::{Color, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke, Transform};

/// One line of a chart: a data series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Shown in the legend.
    pub name: String,
    /// x and y; a point that is not finite breaks the line.
    pub points: Vec<[f64; 2]>,
    /// Half the length of an error bar in y for each point; empty for none.
    pub spread: Vec<f64>,
    /// Draw a dot at each point: for few, measured ones.
    pub dots: bool,
}

/// A chart with linear axes that fit what is drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// The heading.
    pub title: String,
    /// A smaller line below the title; may be empty.
    pub note: String,
    /// What x is, with its unit; below the axis.
    pub x_label: String,
    /// What y is, with its unit; above the axis.
    pub y_label: String,
    /// The lines, in the order of the legend.
    pub series: Vec<Series>,
}

/// Colours that stay apart for the common colour blindnesses, used in turn.
const COLORS: [[u8; 3]; 6] =
    [[38, 96, 230], [232, 119, 34], [0, 148, 115], [170, 62, 152], [120, 126, 138], [196, 158, 0]];
const PAPER: [u8; 3] = [255, 255, 255];
const INK: [u8; 3] = [28, 31, 38];
const FAINT: [u8; 3] = [100, 106, 118];
const GRID: [u8; 3] = [228, 231, 236];
/// Everything below is in parts of this many pixels of the picture's height.
const DESIGN_HEIGHT: f32 = 640.0;
const TITLE_SIZE: f32 = 25.0;
const TEXT_SIZE: f32 = 17.0;
const EDGE: f32 = 28.0;
/// Ticks that an axis has at most.
const TICKS: usize = 8;

impl Chart {
    /// Draws the chart; sizes of text and lines follow the height. A side below 64 pixels counts as 64.
    pub fn draw(&self, size: Size) -> RgbImage {
        let (width, height) = (size.width.max(64), size.height.max(64));
        let mut picture = RgbImage::from_pixel(width, height, image::Rgb(PAPER));
        if let Some(pixels) = Pixmap::new(width, height) {
            let scale = height as f32 / DESIGN_HEIGHT;
            let mut canvas = Canvas { pixels, scale };
            canvas.pixels.fill(color(PAPER));
            self.draw_on(&mut canvas);
            for (out, ink) in picture.pixels_mut().zip(canvas.pixels.pixels()) {
                // The paper is opaque, so nothing is transparent here.
                *out = image::Rgb([ink.red(), ink.green(), ink.blue()]);
            }
        }
        picture
    }

    fn draw_on(&self, canvas: &mut Canvas) {
        let (width, height) = (canvas.pixels.width() as f32 / canvas.scale, DESIGN_HEIGHT);
        let (x, y) = (self.axis(|_, p, _| [p[0]; 2]), self.axis(|_, p, s| [p[1] - s, p[1] + s]));
        let top = self.heading(canvas, width) + 20.0;
        let widest = y.ticks.iter().map(|t| text_width(&y.text(*t), FontWeight::Medium, TEXT_SIZE));
        let plot = PlotArea {
            left: EDGE + widest.fold(0.0, f32::max) + 10.0,
            right: width - EDGE - 12.0,
            bottom: height - EDGE - 2.8 * TEXT_SIZE,
            top,
            x,
            y,
        };
        plot.draw_axes(canvas);
        let middle = [(plot.left + plot.right) / 2.0, height - EDGE + 2.0];
        canvas.text(&self.x_label, FontWeight::Medium, TEXT_SIZE, FAINT, middle, Align::Middle);
        for (i, series) in self.series.iter().enumerate() {
            plot.draw_series(canvas, series, COLORS[i % COLORS.len()]);
        }
    }

    /// Writes title, note, legend and the y axis's label and returns where the label stands.
    fn heading(&self, canvas: &mut Canvas, width: f32) -> f32 {
        let mut top = EDGE + TITLE_SIZE;
        canvas.text(&self.title, FontWeight::SemiBold, TITLE_SIZE, INK, [EDGE, top - 4.0], Align::Left);
        if !self.note.is_empty() {
            top += TEXT_SIZE + 8.0;
            canvas.text(&self.note, FontWeight::Medium, TEXT_SIZE, FAINT, [EDGE, top - 4.0], Align::Left);
        }
        top = self.legend(canvas, width, top + 14.0);
        top += TEXT_SIZE + 16.0;
        canvas.text(&self.y_label, FontWeight::Medium, TEXT_SIZE, FAINT, [EDGE, top], Align::Left);
        top
    }

    /// Writes the series' names in rows and returns where the last row ends.
    fn legend(&self, canvas: &mut Canvas, width: f32, top: f32) -> f32 {
        const DASH: f32 = 26.0;
        let (mut x, mut base) = (EDGE, top + TEXT_SIZE);
        for (i, series) in self.series.iter().enumerate() {
            let wide = DASH + 8.0 + text_width(&series.name, FontWeight::Medium, TEXT_SIZE);
            if x > EDGE && x + wide > width - EDGE {
                (x, base) = (EDGE, base + TEXT_SIZE + 8.0);
            }
            let (ink, y) = (COLORS[i % COLORS.len()], base - 0.36 * TEXT_SIZE);
            canvas.line(&[[x, y], [x + DASH, y]], 2.6, ink);
            if series.dots {
                canvas.dot([x + DASH / 2.0, y], 4.6, ink);
            }
            let at = [x + DASH + 8.0, base];
            canvas.text(&series.name, FontWeight::Medium, TEXT_SIZE, INK, at, Align::Left);
            x += wide + 26.0;
        }
        base
    }

    /// The axis that holds both ends of what `reach` gives for each finite point and its spread.
    fn axis(&self, reach: impl Fn(&Series, &[f64; 2], f64) -> [f64; 2]) -> Axis {
        let mut range = [f64::INFINITY, f64::NEG_INFINITY];
        for series in &self.series {
            for (k, point) in series.points.iter().enumerate().filter(|(_, p)| is_finite(p)) {
                let spread = series.spread.get(k).copied().filter(|s| s.is_finite()).unwrap_or(0.0);
                let [low, high] = reach(series, point, spread);
                range = [range[0].min(low), range[1].max(high)];
            }
        }
        Axis::around(range)
    }
}

fn is_finite(point: &[f64; 2]) -> bool {
    point.iter().all(|v| v.is_finite())
}

/// A range of numbers with round ticks, the first and last of which are its ends.
#[derive(Clone, Debug, PartialEq)]
struct Axis {
    ticks: Vec<f64>,
    decimals: usize,
}

impl Axis {
    fn around([low, high]: [f64; 2]) -> Axis {
        let (low, high) =
            match (low.is_finite() && high.is_finite(), high - low > 1e-9 * low.abs().max(high.abs())) {
                (false, _) => (0.0, 1.0),
                (true, true) => (low, high),
                // One value only: it lies in the middle.
                (true, false) => (low - low.abs().max(1.0) * 0.1, low + low.abs().max(1.0) * 0.1),
            };
        let power = 10f64.powf(((high - low) / TICKS as f64).log10().floor());
        // The smallest round step that needs no more ticks than allowed.
        let steps = [1.0, 2.0, 5.0, 10.0, 20.0].map(|s| s * power);
        // A value on a tick stays on it in spite of rounding.
        let below = |value: f64, step: f64| (value / step + 1e-9).floor();
        let above = |value: f64, step: f64| (value / step - 1e-9).ceil();
        let count = |step: f64| (above(high, step) - below(low, step)) as usize + 1;
        let step = steps.into_iter().find(|s| count(*s) <= TICKS).unwrap_or(50.0 * power);
        let first = below(low, step);
        let ticks = (0..count(step)).map(|i| (first + i as f64) * step).collect();
        Axis { ticks, decimals: (-step.log10().floor()).clamp(0.0, 9.0) as usize }
    }

    /// Where `value` lies when the axis goes from `from` to `to` pixels.
    fn place(&self, value: f64, from: f32, to: f32) -> f32 {
        let (first, last) = (self.ticks[0], self.ticks[self.ticks.len() - 1]);
        from + ((value - first) / (last - first)) as f32 * (to - from)
    }

    fn text(&self, tick: f64) -> String {
        format!("{tick:.*}", self.decimals).replace('-', "\u{2212}")
    }
}

/// The rectangle that the lines are drawn in, in units of the design, with what its sides mean.
struct PlotArea {
    left: f32,
    right: f32,
    top: f32,
    bottom: f32,
    x: Axis,
    y: Axis,
}

impl PlotArea {
    fn place(&self, point: &[f64; 2]) -> [f32; 2] {
        let x = self.x.place(point[0], self.left, self.right);
        [x, self.y.place(point[1], self.bottom, self.top)]
    }

    fn draw_axes(&self, canvas: &mut Canvas) {
        let (left, right, bottom) = (self.left, self.right, self.bottom);
        for &tick in &self.y.ticks {
            let y = self.y.place(tick, bottom, self.top);
            canvas.line(&[[left, y], [right, y]], 1.0, GRID);
            let at = [left - 10.0, y + 0.36 * TEXT_SIZE];
            canvas.text(&self.y.text(tick), FontWeight::Medium, TEXT_SIZE, FAINT, at, Align::Right);
        }
        for &tick in &self.x.ticks {
            let x = self.x.place(tick, left, right);
            canvas.line(&[[x, bottom], [x, bottom + 6.0]], 1.0, FAINT);
            let at = [x, bottom + 10.0 + TEXT_SIZE];
            canvas.text(&self.x.text(tick), FontWeight::Medium, TEXT_SIZE, FAINT, at, Align::Middle);
        }
        canvas.line(&[[left, bottom], [right, bottom]], 1.5, FAINT);
    }

    fn draw_series(&self, canvas: &mut Canvas, series: &Series, ink: [u8; 3]) {
        for part in series.points.split(|p| !is_finite(p)) {
            canvas.line(&part.iter().map(|p| self.place(p)).collect::<Vec<_>>(), 2.6, ink);
        }
        for (k, point) in series.points.iter().enumerate().filter(|(_, p)| is_finite(p)) {
            let at = self.place(point);
            let spread = series.spread.get(k).copied().filter(|s| s.is_finite() && *s > 0.0);
            if let Some(spread) = spread {
                let [low, high] =
                    [point[1] - spread, point[1] + spread].map(|y| self.y.place(y, self.bottom, self.top));
                canvas.line(&[[at[0], low], [at[0], high]], 1.6, ink);
                for y in [low, high] {
                    canvas.line(&[[at[0] - 5.0, y], [at[0] + 5.0, y]], 1.6, ink);
                }
            }
            if series.dots {
                canvas.dot(at, 6.0, PAPER);
                canvas.dot(at, 4.6, ink);
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Align {
    Left,
    Middle,
    Right,
}

/// What is drawn on, in units of the design.
struct Canvas {
    pixels: Pixmap,
    scale: f32,
}

impl Canvas {
    fn fill(&mut self, path: Option<Path>, ink: [u8; 3]) {
        if let Some(path) = path {
            let scale = Transform::from_scale(self.scale, self.scale);
            self.pixels.fill_path(&path, &paint(ink), FillRule::Winding, scale, None);
        }
    }

    fn line(&mut self, points: &[[f32; 2]], width: f32, ink: [u8; 3]) {
        let Some((first, rest)) = points.split_first() else { return };
        let mut path = PathBuilder::new();
        path.move_to(first[0], first[1]);
        for point in rest {
            path.line_to(point[0], point[1]);
        }
        let stroke =
            Stroke { width, line_cap: LineCap::Round, line_join: LineJoin::Round, ..Stroke::default() };
        if let Some(path) = path.finish() {
            let scale = Transform::from_scale(self.scale, self.scale);
            self.pixels.stroke_path(&path, &paint(ink), &stroke, scale, None);
        }
    }

    fn dot(&mut self, at: [f32; 2], radius: f32, ink: [u8; 3]) {
        self.fill(PathBuilder::from_circle(at[0], at[1], radius), ink);
    }

    fn text(&mut self, text: &str, weight: FontWeight, size: f32, ink: [u8; 3], at: [f32; 2], align: Align) {
        let part = match align {
            Align::Left => 0.0,
            Align::Middle => 0.5,
            Align::Right => 1.0,
        };
        let left = at[0] - part * text_width(text, weight, size);
        self.fill(text_path(text, weight, size, [left, at[1]]), ink);
    }
}

fn color(ink: [u8; 3]) -> Color {
    Color::from_rgba8(ink[0], ink[1], ink[2], 255)
}

fn paint(ink: [u8; 3]) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color(color(ink));
    paint
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<[f64; 2]>) -> Chart {
        let series = Series { name: "random".into(), points, dots: true, ..Series::default() };
        Chart { title: "Accuracy".into(), series: vec![series], ..Chart::default() }
    }

    /// Pixels of exactly the first series' colour.
    fn drawn(picture: &RgbImage) -> usize {
        picture.pixels().filter(|p| p.0 == COLORS[0]).count()
    }

    #[test]
    fn ticks_are_round_and_hold_the_values() {
        assert_eq!(Axis::around([0.0, 1.0]).ticks.len(), 6);
        assert_eq!(Axis::around([0.3, 0.6]).ticks.len(), 7);
        for range in [[0.521, 0.592], [-3.0, 17.0], [5.0, 5.0], [1e-7, 2e-7], [0.0, 123_456.0]] {
            let axis = Axis::around(range);
            let slack = 1e-6 * range[1].abs();
            assert!(axis.ticks[0] <= range[0] + slack, "{axis:?}");
            assert!(*axis.ticks.last().unwrap() >= range[1] - slack, "{axis:?}");
            assert!((2..=TICKS).contains(&axis.ticks.len()), "{axis:?}");
        }
        let axis = Axis::around([0.52, 0.59]);
        assert_eq!(axis.text(axis.ticks[0]), "0.52");
        assert_eq!(Axis::around([-2.0, 2.0]).text(-2.0), "\u{2212}2");
    }

    #[test]
    fn a_series_is_drawn_and_what_is_not_finite_is_left_out() {
        let flat = chart(vec![[0.0, 1.0], [1.0, 2.0], [2.0, 1.5]]).draw(Size::new(640, 400));
        assert_eq!(flat.dimensions(), (640, 400));
        let broken = chart(vec![[0.0, 1.0], [f64::NAN, 2.0], [2.0, 1.5]]).draw(Size::new(640, 400));
        assert!(drawn(&flat) > drawn(&broken) && drawn(&broken) > 0);
    }

    #[test]
    fn a_chart_without_points_or_of_no_size_is_still_a_picture() {
        assert_eq!(Chart::default().draw(Size::new(0, 0)).dimensions(), (64, 64));
        assert_eq!(chart(vec![[f64::INFINITY, 1.0]]).draw(Size::new(300, 200)).dimensions(), (300, 200));
    }

    #[test]
    fn error_bars_reach_as_far_as_the_spread() {
        let mut with = chart(vec![[0.0, 1.0], [1.0, 1.0]]);
        let without = drawn(&with.draw(Size::new(640, 400)));
        with.series[0].spread = vec![0.5, 0.5];
        assert!(drawn(&with.draw(Size::new(640, 400))) > without);
    }
}
