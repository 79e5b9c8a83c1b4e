//! Finding and starting the `ffmpeg` and `ffprobe` programs, and reading their error messages.
//!
//! tmpose links no decoder: a pipe from the program is fast enough, and a crash of the decoder on a
//! broken file ends the child instead of the window.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use super::SourceError;

/// Where the two programs are.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub ffmpeg: PathBuf,
    pub ffprobe: PathBuf,
}

impl Default for Programs {
    /// The ones on the search path.
    fn default() -> Self {
        Programs { ffmpeg: "ffmpeg".into(), ffprobe: "ffprobe".into() }
    }
}

impl Programs {
    pub fn ffmpeg(&self) -> Command {
        quiet_command(&self.ffmpeg)
    }

    pub fn ffprobe(&self) -> Command {
        quiet_command(&self.ffprobe)
    }
}

/// A command that opens no console window, reads no terminal, and does not get the Ctrl-C that is meant
/// for us (so that a video that is being written can still be finished).
fn quiet_command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        command.process_group(0);
    }
    #[cfg(windows)]
    {
        use std::os::windows::process::CommandExt;
        const CREATE_NO_WINDOW: u32 = 0x0800_0000;
        command.creation_flags(CREATE_NO_WINDOW);
    }
    command
}

/// `path` as ffmpeg's argument: without the prefix a name with a colon or a leading dash is taken for a
/// protocol or an option.
pub(crate) fn file_argument(path: &Path) -> OsString {
    let mut argument = OsString::from("file:");
    argument.push(path);
    argument
}

/// The error of a program that could not be started for `path`.
pub(crate) fn start_error(path: &Path, program: &'static str, error: &std::io::Error) -> SourceError {
    if error.kind() == ErrorKind::NotFound {
        SourceError::FfmpegMissing { path: path.to_owned(), program }
    } else {
        SourceError::Video { path: path.to_owned(), reason: format!("{program} does not start: {error}") }
    }
}

/// The option that hands every frame on with its own time. Its old name was removed from new programs
/// and its new name is unknown to those before 5.1.
pub(crate) fn keep_timestamps(programs: &Programs) -> [&'static str; 2] {
    static OLD: OnceLock<bool> = OnceLock::new();
    let old = *OLD.get_or_init(|| {
        let output = programs.ffmpeg().arg("-version").stderr(Stdio::null()).output();
        output.is_ok_and(|o| is_before_5_1(&String::from_utf8_lossy(&o.stdout)))
    });
    if old { ["-vsync", "passthrough"] } else { ["-fps_mode", "passthrough"] }
}

/// Reads "ffmpeg version 4.4.2-0ubuntu0 Copyright ...". Builds from git have no such number and are new.
fn is_before_5_1(version: &str) -> bool {
    let Some(word) = version.split_whitespace().nth(2) else { return false };
    let mut numbers = word.trim_start_matches('n').split(|c: char| !c.is_ascii_digit());
    let mut next = || numbers.next().and_then(|n| n.parse::<u32>().ok());
    match (next(), next()) {
        (Some(major), minor) => (major, minor.unwrap_or(0)) < (5, 1),
        (None, _) => false,
    }
}

/// The part of a log line that says what is wrong: without the component's address and the file's name.
pub(crate) fn plain_reason(line: &str, path: &Path) -> String {
    let mut rest = line.trim();
    while let Some(end) = rest.strip_prefix('[').and_then(|r| r.find(']')) {
        rest = rest[end + 2..].trim_start();
    }
    let name = path.to_string_lossy();
    let rest = rest.trim_start_matches("file:").trim_start_matches(name.as_ref()).trim_start_matches(": ");
    rest.trim_end_matches('.').to_owned()
}

/// A child that is ended when it is no longer wanted.
#[derive(Debug)]
pub(crate) struct OwnedChild(pub Child);

impl Drop for OwnedChild {
    fn drop(&mut self) {
        // Both fail only when the child has ended by itself, which is what we want.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_before_5_1_want_the_old_option() {
        assert!(is_before_5_1("ffmpeg version 4.4.2-0ubuntu0.22.04.1 Copyright (c)"));
        assert!(is_before_5_1("ffmpeg version n5.0 Copyright"));
        assert!(!is_before_5_1("ffmpeg version 5.1.9-0+deb12u1 Copyright (c)"));
        assert!(!is_before_5_1("ffmpeg version 8.0 Copyright"));
        assert!(!is_before_5_1("ffmpeg version N-118000-g1234567 Copyright"));
        assert!(!is_before_5_1(""));
    }

    #[test]
    fn the_reason_is_what_the_line_says_about_the_file() {
        let path = Path::new("dir/a.mp4");
        let reason = |line| plain_reason(line, path);
        assert_eq!(reason("[mov,mp4 @ 0x55] [error] moov atom not found"), "moov atom not found");
        assert_eq!(
            reason("file:dir/a.mp4: Invalid data found when processing input"),
            "Invalid data found when processing input"
        );
    }
}
