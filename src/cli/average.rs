//! `tmpose average`: the mean of several weight files.

use super::command_line::command_line;
use super::output::refuse_overwriting;
use crate::cli::terminal::outln;
use crate::detect::{self, DetectorInfo};
use crate::weights::{self, AverageInput, Precision, TrainingRecord, WeightsError, WeightsInfo};
use anyhow::bail;
use burn::module::Module;
use burn::prelude::Device;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Average the weights of networks that started from the same weights.
///
/// A network averaged with the one that it was fine-tuned from is often better than both; so is the mean of several
/// trainings that started from the same weights. For pose networks and person detectors, RTMDet-nano's .onnx included.
#[derive(clap::Args, Debug)]
pub struct AverageArgs {
    /// Weight files; a number after a colon is the file's share, relative to the others' [default: 1]
    #[arg(required = true, num_args = 2.., value_name = "FILE[:SHARE]")]
    files: Vec<WeightedFile>,
    /// File to write the mean to
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
    /// Store f32 instead of f16: full precision, twice the size
    #[arg(long)]
    f32: bool,
}

/// A file with its weight in the mean.
#[derive(Clone, Debug, PartialEq)]
struct WeightedFile {
    path: PathBuf,
    share: f64,
}

impl FromStr for WeightedFile {
    type Err = String;

    fn from_str(text: &str) -> Result<WeightedFile, String> {
        // Only a number after the last colon is a share: `C:\mean.safetensors` is a path.
        let (path, share) = match text.rsplit_once(':').map(|(path, share)| (path, share.parse::<f64>())) {
            Some((path, Ok(share))) => (path, share),
            _ => (text, 1.0),
        };
        if path.is_empty() || !(share > 0.0 && share.is_finite()) {
            return Err("write FILE or FILE:SHARE with a share above 0".into());
        }
        Ok(WeightedFile { path: path.into(), share })
    }
}

/// Runs `tmpose average`.
///
/// # Errors
/// A file cannot be read, the files hold different networks, or the mean cannot be written.
pub fn run(args: AverageArgs) -> anyhow::Result<()> {
    let precision = if args.f32 { Precision::F32 } else { Precision::F16 };
    let (device, out) = (Device::flex(), &args.out);
    refuse_overwriting([out.as_path()], args.files.iter().map(|file| file.path.as_path()))?;
    if args.files.iter().any(|file| is_detector(&file.path)) {
        let open = |path: &Path| detect::open(path, &device);
        let (mean, info) =
            mean(&args, open, |info: &mut DetectorInfo| &mut info.record, |a, b| a.config == b.config)?;
        detect::save(out, &mean, &info, precision)?;
    } else {
        let open = |path: &Path| weights::load(path, &device);
        let alike = |a: &WeightsInfo, b: &WeightsInfo| (&a.config, &a.skeleton) == (&b.config, &b.skeleton);
        let (mean, info) = mean(&args, open, |info: &mut WeightsInfo| &mut info.record, alike)?;
        weights::save(out, &mean, &info, precision)?;
    }
    outln!("Wrote the mean of {} files to {}.", args.files.len(), out.display());
    Ok(())
}

fn is_detector(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx")) || detect::read_info(path).is_ok()
}

/// The mean of the files' networks under the first one's header with the record of all.
fn mean<M: Module, I>(
    args: &AverageArgs,
    open: impl Fn(&Path) -> Result<(M, I), WeightsError>,
    record: fn(&mut I) -> &mut TrainingRecord,
    alike: fn(&I, &I) -> bool,
) -> anyhow::Result<(M, I)> {
    let mut infos: Vec<I> = Vec::new();
    let mut parts = Vec::new();
    for WeightedFile { path, share } in &args.files {
        let (network, mut info) = open(path)?;
        if infos.first().is_some_and(|first| !alike(first, &info)) {
            let first = args.files[0].path.display();
            bail!("{first} and {} are of different networks: average files of one network", path.display());
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        parts.push(AverageInput { network, share: *share, record: record(&mut info).clone(), name });
        infos.push(info);
    }
    let made = weights::average(parts, &args.out)?;
    let (Some(mut info), Some((mean, history))) = (infos.into_iter().next(), made) else {
        bail!("name the files to average");
    };
    *record(&mut info) = TrainingRecord { command: command_line(std::env::args()), ..history };
    Ok((mean, info))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_number_after_the_last_colon() {
        let shared = |text: &str| text.parse::<WeightedFile>().ok().map(|s| (s.path, s.share));
        assert_eq!(shared("a.safetensors:3"), Some(("a.safetensors".into(), 3.0)));
        assert_eq!(shared(r"C:\a.safetensors"), Some((r"C:\a.safetensors".into(), 1.0)));
        assert_eq!(shared("a.onnx:0.5"), Some(("a.onnx".into(), 0.5)));
        for wrong in ["", ":2", "a:0", "a:-1", "a:inf", "a:NaN"] {
            assert_eq!(shared(wrong), None, "{wrong}");
        }
    }
}
