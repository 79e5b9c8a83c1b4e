//! Files and progress bars of commands, and numbers in their tables.

use crate::files::{self, FileId};
use anyhow::{Context, bail};
use image::{ImageFormat, RgbImage};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::HashSet;
use std::io::Cursor;
use std::path::Path;

/// Writes a whole file, and creates the folders that it needs.
///
/// # Errors
/// The file or a folder cannot be written.
pub fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let shown = || format!("cannot write {}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(shown)?;
    }
    files::write_whole(path, bytes).with_context(shown)
}

/// Writes a picture in the format that its name asks for, as a whole.
///
/// # Errors
/// The name asks for none, or the file or a folder cannot be written.
pub fn write_picture(path: &Path, picture: &RgbImage) -> anyhow::Result<()> {
    let shown = || format!("cannot write {}", path.display());
    let mut bytes = Cursor::new(Vec::new());
    let format = ImageFormat::from_path(path).with_context(shown)?;
    picture.write_to(&mut bytes, format).with_context(shown)?;
    write_file(path, bytes.get_ref())
}

/// Refuses to write onto something that is read.
///
/// # Errors
/// One of `outputs` is the same file as one of `inputs`, through whatever path.
pub fn refuse_overwriting<'a>(
    outputs: impl IntoIterator<Item = &'a Path>,
    inputs: impl IntoIterator<Item = &'a Path>,
) -> anyhow::Result<()> {
    let inputs: HashSet<FileId> = inputs.into_iter().filter_map(FileId::of).collect();
    match outputs.into_iter().find(|path| FileId::of(path).is_some_and(|id| inputs.contains(&id))) {
        Some(path) => bail!("{} would be overwritten, and is an input: choose another name", path.display()),
        None => Ok(()),
    }
}

/// A progress bar on stderr from 0 to `count`.
pub fn progress_bar(count: usize, title: &str) -> ProgressBar {
    let bar = ProgressBar::new(count as u64).with_prefix(title.to_owned());
    match ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {eta} left") {
        Ok(style) => bar.with_style(style),
        // The template is fixed; a plain bar would do as well.
        Err(_) => bar,
    }
}

/// A table in Markdown: a row of column names, then rows of as many cells.
pub fn markdown_table(names: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<&str> = cells.collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = line(&mut names.iter().copied());
    text += &line(&mut names.iter().map(|_| "---"));
    for row in rows {
        text += &line(&mut row.iter().map(String::as_str));
    }
    text
}

/// A fraction of 1 with four decimals; a dash for none, and for COCO's -1, which means the same.
pub fn fraction(value: impl Into<Option<f64>>) -> String {
    value.into().filter(|v| *v >= 0.0).map_or("-".into(), |v| format!("{v:.4}"))
}

/// A percentage with two decimals; a dash for none.
pub fn percent(value: Option<f64>) -> String {
    value.map_or("-".into(), |v| format!("{v:.2}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_not_written_onto() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("in"), "x").unwrap();
        std::fs::hard_link(path("in"), path("also")).unwrap();
        let (input, also, other) = (path("in"), path("also"), path("new"));
        let refused = |out: &Path| refuse_overwriting([out], [input.as_path()]);
        assert!(refused(&also).unwrap_err().to_string().contains("also would be overwritten"));
        assert!(refused(&other).is_ok());
    }

    #[test]
    fn tables_and_numbers_in_markdown() {
        let table = markdown_table(&["kept", "AP"], &[vec!["1".into(), fraction(0.5)]]);
        assert_eq!(table, "| kept | AP |\n| --- | --- |\n| 1 | 0.5000 |\n");
        assert_eq!(
            (fraction(-1.0), fraction(None), percent(Some(88.456))),
            ("-".into(), "-".into(), "88.46".into())
        );
    }
}
