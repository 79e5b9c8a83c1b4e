//! The frame source that an argument names.

use crate::source::{self, MANNEQUIN_SIZE, SourceSpec};
use crate::synth::MAX_FIGURES;
use anyhow::{Context, bail};
use std::ffi::OsStr;
use std::path::Path;

/// The source that an argument names: a word such as `camera` or `mannequin:7`, or a path. A file or folder that exists
/// wins over a word.
///
/// # Errors
/// The words after the colon are wrong, or there is no such file.
pub(super) fn parse_source(argument: impl AsRef<OsStr>) -> anyhow::Result<SourceSpec> {
    let path = Path::new(argument.as_ref());
    // A name that is no UTF-8 is a path.
    if let Some(text) = path.to_str()
        && !path.exists()
    {
        let (word, rest) = text.split_once(':').map_or((text, None), |(word, rest)| (word, Some(rest)));
        match (word, rest) {
            ("camera", rest) => {
                return Ok(SourceSpec::Camera { camera: rest.unwrap_or("0").into(), format: None });
            }
            ("mannequin", rest) => {
                return mannequin(rest.unwrap_or("1"));
            }
            _ => {}
        }
    }
    Ok(source::spec_from_path(path)?)
}

/// "SEED", or "SEED*PEOPLE" for several mannequins in one picture.
fn mannequin(text: &str) -> anyhow::Result<SourceSpec> {
    let (seed, people) = text.split_once('*').map_or((text, None), |(seed, people)| (seed, Some(people)));
    let seed = seed.parse().with_context(|| {
        format!("\"{seed}\" is not a mannequin seed: give a whole number, e.g. mannequin:7")
    })?;
    let size = MANNEQUIN_SIZE;
    let Some(people) = people else { return Ok(SourceSpec::Mannequin { seed, size }) };
    match people.parse() {
        Ok(people) if (1..=MAX_FIGURES).contains(&people) => Ok(SourceSpec::Crowd { seed, people, size }),
        _ => bail!(
            "\"{people}\" is not a number of mannequins: give 1 to {MAX_FIGURES}, e.g. mannequin:{seed}*5"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_words_or_paths() {
        let camera = |name: &str| SourceSpec::Camera { camera: name.into(), format: None };
        assert_eq!(parse_source("camera").unwrap(), camera("0"));
        assert_eq!(parse_source("camera:Integrated").unwrap(), camera("Integrated"));
        let mannequin = SourceSpec::Mannequin { seed: 7, size: MANNEQUIN_SIZE };
        assert_eq!(parse_source("mannequin:7").unwrap(), mannequin);
        let crowd = SourceSpec::Crowd { seed: 7, people: 5, size: MANNEQUIN_SIZE };
        assert_eq!(parse_source("mannequin:7*5").unwrap(), crowd);
        for wrong in ["mannequin:7*0", "mannequin:7*99", "mannequin:7*x"] {
            assert!(parse_source(wrong).unwrap_err().to_string().contains("number of mannequins"), "{wrong}");
        }
        assert!(parse_source("mannequin:x").unwrap_err().to_string().contains("whole number"));
        assert!(parse_source("no such file.mp4").unwrap_err().to_string().contains("no such file.mp4"));
    }
}
