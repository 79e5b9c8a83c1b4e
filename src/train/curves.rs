//! `curves.png`: loss, learning rate and accuracy over a run's steps, drawn from its log.

use super::TrainError;
use super::checkpoint::write_whole;
use crate::draw::{Chart, Series};
use crate::model::KeepRatio;
use crate::pose::Size;
use image::{ImageFormat, RgbImage, imageops};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

/// Width and height of one chart; three lie above each other.
const CHART: Size = Size::new(1200, 420);
/// Points of a curve at most; more would only blacken the line.
const POINTS: usize = 400;

/// Which numbers of a log are drawn. Each is [its name in the log, its name in the picture].
pub struct CurveSpec {
    /// The loss and its terms, from the step events. The loss comes first.
    pub losses: &'static [[&'static str; 2]],
    /// Parts of the score, from the validation events.
    pub accuracy: &'static [[&'static str; 2]],
}

/// The numbers of a run that are drawn, by step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The loss and its terms, in the order of [`CurveSpec::losses`].
    pub loss: BTreeMap<u64, Vec<f64>>,
    /// The learning rate of the step.
    pub learning_rate: BTreeMap<u64, f64>,
    /// Scores of the validations, 0 to 1, in the order of [`CurveSpec::accuracy`].
    pub accuracy: BTreeMap<u64, Vec<f64>>,
}

impl History {
    /// Reads the lines of `log.jsonl`. Steps that a resumed run repeated count once; a line that a crash cut short is left
    /// out. `keep_ratio` is that of the validations, `None` for networks without one; the events of the table at a run's
    /// end have other ratios and are left out.
    pub fn read(log: &str, spec: &CurveSpec, keep_ratio: Option<KeepRatio>) -> History {
        let mut history = History::default();
        for event in log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let Some(step) = event["step"].as_u64() else { continue };
            let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
            match event["event"].as_str() {
                Some("step") => {
                    let losses = spec.losses.iter().map(|[name, _]| number(&event[name])).collect();
                    history.loss.insert(step, losses);
                    history.learning_rate.insert(step, number(&event["learning_rate"]));
                }
                Some("validated") if event["keep_ratio"].as_f64() == keep_ratio.map(KeepRatio::get) => {
                    // The first of a step: the final table measures the best weights once more.
                    let score =
                        || spec.accuracy.iter().map(|[name, _]| number(&event["score"][name])).collect();
                    history.accuracy.entry(step).or_insert_with(score);
                }
                _ => {}
            }
        }
        history
    }

    /// The three charts, one above the other.
    pub fn draw(&self, spec: &CurveSpec) -> RgbImage {
        let used = |i: &usize| self.loss.values().any(|l| l[*i] > 0.0);
        let mut shown: Vec<usize> = (0..spec.losses.len()).filter(used).collect();
        if shown.len() == 2 {
            // A single term is the whole loss.
            shown.pop();
        }
        let line = |&i: &usize| curve(spec.losses[i][1], self.loss.iter().map(|(s, l)| (*s, l[i])));
        let loss = chart("Loss", shown.iter().map(line).collect());
        let rate = chart(
            "Learning rate, in thousandths",
            vec![curve("learning rate", self.learning_rate.iter().map(|(s, r)| (*s, 1e3 * r)))],
        );
        let of = |i: usize| self.accuracy.iter().map(move |(s, a)| (*s, a[i]));
        let dotted = |(i, name): (usize, &[&str; 2])| {
            let points: Vec<[f64; 2]> = of(i).map(|(s, a)| [s as f64, a]).collect();
            Series { name: String::from(name[1]), points, spread: Vec::new(), dots: true }
        };
        let accuracy = spec.accuracy.iter().enumerate().map(dotted).collect();
        let accuracy = chart("Accuracy on the validation set", accuracy);
        let mut sheet = RgbImage::new(CHART.width, 3 * CHART.height);
        for (i, chart) in [loss, rate, accuracy].into_iter().enumerate() {
            imageops::replace(&mut sheet, &chart.draw(CHART), 0, i64::from(CHART.height) * i as i64);
        }
        sheet
    }
}

fn chart(title: &str, series: Vec<Series>) -> Chart {
    Chart { title: title.into(), x_label: "step".into(), series, ..Chart::default() }
}

/// A line through at most [`POINTS`] means of neighbouring steps.
fn curve(name: &str, values: impl ExactSizeIterator<Item = (u64, f64)>) -> Series {
    let every = values.len().div_ceil(POINTS).max(1);
    let values: Vec<(u64, f64)> = values.collect();
    let mean = |part: &[(u64, f64)]| {
        let n = part.len() as f64;
        [part.iter().map(|p| p.0 as f64).sum::<f64>() / n, part.iter().map(|p| p.1).sum::<f64>() / n]
    };
    let points = values.chunks(every).map(mean).collect();
    Series { name: name.into(), points, spread: Vec::new(), dots: false }
}

/// Draws `curves.png` in the run's folder anew.
///
/// # Errors
/// The log cannot be read, or the picture cannot be written.
pub fn write_curves(
    folder: &Path,
    spec: &CurveSpec,
    keep_ratio: Option<KeepRatio>,
) -> Result<(), TrainError> {
    let log = folder.join("log.jsonl");
    let failed = |source| TrainError::Write { path: log.display().to_string(), source };
    let text = std::fs::read(&log).map_err(failed)?;
    let history = History::read(&String::from_utf8_lossy(&text), spec, keep_ratio);
    write_png(&folder.join("curves.png"), &history.draw(spec))
}

/// Writes a PNG file that replaces an earlier one as a whole.
///
/// # Errors
/// The file cannot be written.
pub fn write_png(path: &Path, picture: &RgbImage) -> Result<(), TrainError> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).map_err(|e| TrainError::Write {
        path: path.display().to_string(),
        source: std::io::Error::other(e),
    })?;
    write_whole(path, &bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: CurveSpec = CurveSpec {
        losses: &[["loss", "loss"], ["mse", "squared error"], ["cross_entropy", "cross-entropy"]],
        accuracy: &[["ap", "AP"], ["pck01", "PCK@0.1"]],
    };

    const LOG: &str = r#"{"event":"started","step":0,"steps":30}
{"event":"step","step":10,"loss":9.0,"mse":2.0,"cross_entropy":7.0,"learning_rate":0.001}
{"event":"step","step":20,"loss":5.0,"mse":1.0,"cross_entropy":4.0,"learning_rate":0.001}
{"event":"validated","step":20,"keep_ratio":1.0,"score":{"ap":0.3,"pck01":0.6}}
{"event":"st
{"event":"step","step":20,"loss":5.0,"mse":1.0,"cross_entropy":4.0,"learning_rate":0.001}
{"event":"validated","step":20,"keep_ratio":1.0,"score":{"ap":0.7,"pck01":0.9}}
{"event":"validated","step":20,"keep_ratio":0.4,"score":{"ap":0.2,"pck01":0.5}}
"#;

    #[test]
    fn repeated_steps_count_once_and_the_final_table_does_not_count() {
        let history = History::read(LOG, &SPEC, Some(KeepRatio::ALL));
        assert_eq!(history.loss.keys().copied().collect::<Vec<_>>(), [10, 20]);
        assert_eq!(history.accuracy[&20], [0.3, 0.6]);
    }

    #[test]
    fn a_long_run_is_drawn_as_means() {
        let curve = curve("loss", (0..4000u64).map(|s| (s, s as f64)).collect::<Vec<_>>().into_iter());
        assert_eq!(curve.points.len(), POINTS);
        assert_eq!(curve.points[0], [4.5, 4.5]);
    }

    #[test]
    fn an_empty_log_is_a_picture_too() {
        assert_eq!(History::default().draw(&SPEC).dimensions(), (CHART.width, 3 * CHART.height));
    }
}
