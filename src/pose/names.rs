//! Choices that have names: the name is looked up in the table of all choices, and whoever asks for another one is
//! told which there are.

/// A name that is none of those known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {what} \"{name}\"; use one of {}", known.join(", "))]
pub struct UnknownName {
    /// What was asked for, e.g. `mask`.
    pub what: &'static str,
    /// The name that was given.
    pub name: String,
    /// The names that there are.
    pub known: Vec<&'static str>,
}

/// The one of `all` that is called `text`, in any case.
///
/// # Errors
/// None of them is called so.
pub fn find_by_name<T: Copy>(
    what: &'static str,
    all: &[T],
    name: fn(T) -> &'static str,
    text: &str,
) -> Result<T, UnknownName> {
    let found = all.iter().copied().find(|choice| name(*choice).eq_ignore_ascii_case(text));
    found.ok_or_else(|| UnknownName {
        what,
        name: text.to_owned(),
        known: all.iter().copied().map(name).collect(),
    })
}
