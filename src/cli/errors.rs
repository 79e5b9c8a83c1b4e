//! Errors as one sentence for the user.

/// The error and its causes in one line, "what: why". Our typed errors already quote their cause; a cause that the text
/// already contains is not repeated.
pub(super) fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let said = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            text = said;
        } else if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn causes_follow_once_and_on_one_line() {
        let io = || std::io::Error::other("disk\n full");
        let told = Err::<(), _>(io()).context("cannot write out.json").unwrap_err();
        assert_eq!(sentence(&told), "cannot write out.json: disk full");

        let quoting = Err::<(), _>(io()).context("cannot write out.json (disk full)").unwrap_err();
        assert_eq!(sentence(&quoting), "cannot write out.json (disk full)");
    }
}
