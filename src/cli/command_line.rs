//! The command of a run, for reports and the training record of weights.

use std::path::Path;

/// The command as the weights' training record has it. Weights are passed on to others, so of absolute paths only the
/// last part is kept. Words with spaces are quoted.
pub(super) fn command_line(args: impl Iterator<Item = String>) -> String {
    let shorten = |text: &str| match Path::new(text).file_name() {
        Some(name) if Path::new(text).is_absolute() => name.to_string_lossy().into_owned(),
        _ => text.to_owned(),
    };
    let quoted = |text: String| if text.contains(char::is_whitespace) { format!("{text:?}") } else { text };
    let shown = args.skip(1).map(|arg| match arg.split_once('=') {
        Some((flag, value)) if flag.starts_with("--") => format!("{flag}={}", quoted(shorten(value))),
        _ => quoted(shorten(&arg)),
    });
    std::iter::once("tmpose".to_owned()).chain(shown).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn the_recorded_command_does_not_tell_where_things_lie_on_this_machine() {
        let args =
            ["/opt/bin/tmpose", "train", "--data", "/home/me/people:2", "--out=/tmp/run", "--val", "a/b"];
        let command = command_line(args.into_iter().map(str::to_owned));
        assert_eq!(command, "tmpose train --data people:2 --out=run --val a/b");

        let spaced = ["tmpose", "ablate", "--note", "two cores", "--out=my run"].map(str::to_owned);
        assert_eq!(command_line(spaced.into_iter()), r#"tmpose ablate --note "two cores" --out="my run""#);
    }
}
