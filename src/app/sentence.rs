//! Messages as sentences.

/// A message in one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A message in one line, with a capital letter and a full stop.
pub fn sentence(text: &str) -> String {
    let line = one_line(text);
    let mut letters = line.chars();
    let Some(first) = letters.next() else { return line };
    let stop = if line.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{}{}{stop}", first.to_uppercase(), letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_becomes_a_sentence() {
        assert_eq!(sentence("cannot read\n  x.toml"), "Cannot read x.toml.");
        assert_eq!(sentence("did you mean this?"), "Did you mean this?");
        assert_eq!(sentence(""), "");
    }
}
