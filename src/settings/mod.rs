//! Settings that stand once: [`define_settings`] declares a struct together with the defaults and the texts of its
//! fields, and files, flags and forms read both from there.
//!
//! [`Catalogue`] holds the settings of one command: it writes documented TOML, refuses unknown names and suggests
//! the one that was meant.

mod catalogue;
mod value;

pub use catalogue::{Catalogue, Setting, set_value, value_at};
pub use value::{Choice, SettingValue, as_text};
pub(crate) use value::{choice_values, text_values};

/// A setting whose value cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the setting {name} is {value}; it must be {must}")]
pub struct InvalidSetting {
    /// Its path in the file, e.g. `schedule.batch`.
    pub name: &'static str,
    /// Its value, as it would stand in a file.
    pub value: String,
    /// What it must be, e.g. "1 or more".
    pub must: &'static str,
}

/// Requires that the setting `name`, which is `value`, is what it must be: `holds` says whether it is.
///
/// # Errors
/// It is not.
pub fn require(
    holds: bool,
    name: &'static str,
    value: impl std::fmt::Display,
    must: &'static str,
) -> Result<(), InvalidSetting> {
    if holds { Ok(()) } else { Err(InvalidSetting { name, value: value.to_string(), must }) }
}

/// Requires a probability, or a share of something.
///
/// # Errors
/// `value` is not from 0 to 1.
pub fn require_share(name: &'static str, value: f64) -> Result<(), InvalidSetting> {
    require((0.0..=1.0).contains(&value), name, value, "from 0 to 1")
}

/// A struct of settings, made by [`define_settings`].
pub trait SettingsGroup {
    /// Its doc comment, one entry a line.
    const DOC: &'static [&'static str];
    /// Its single values in the order of the struct.
    const VALUES: &'static [ValueField];
    /// The groups inside it.
    const SECTIONS: &'static [SectionField];
}

/// A single value in a [`SettingsGroup`].
pub struct ValueField {
    /// Its name in the section.
    pub key: &'static str,
    /// Its doc comment, one entry a line.
    pub doc: &'static [&'static str],
    /// At most one: the flag that sets it and the name of its value, such as `--epochs N`. A flag without a value
    /// sets it to true.
    pub flag: &'static [&'static str],
    /// Whether the flag may be given several times.
    pub is_list: bool,
    /// Reads a value as a flag has it; a list's flag has one value at a time.
    pub parse: fn(&str) -> Result<toml::Value, String>,
    /// The values that there are; empty where they cannot be listed.
    pub choices: fn() -> Vec<Choice>,
}

/// A group inside a [`SettingsGroup`].
pub struct SectionField {
    /// Its name.
    pub key: &'static str,
    /// Doc comment of its struct.
    pub doc: &'static [&'static str],
    /// Its single values.
    pub values: &'static [ValueField],
    /// The groups inside it.
    pub sections: &'static [SectionField],
}

/// Declares a struct of settings: fields with doc comments, which users read, and defaults. `#[flag("--name VALUE")]`
/// after the comment makes a flag of the command line. Groups inside it follow under `sections`.
///
/// The struct can be compared, copied with `clone`, read from and written to TOML (what is left out has its
/// default, unknown names are refused), and implements [`SettingsGroup`].
macro_rules! define_settings {
    (
        $(#[doc = $about:literal])*
        pub struct $group:ident {
            $(
                $(#[doc = $doc:literal])*
                $(#[flag($flag:literal)])?
                $(#[serde($($serde:tt)*)])?
                pub $field:ident: $kind:ty = $default:expr
            ),* $(,)?
        }
        $(sections {
            $(
                pub $section:ident: $section_kind:ty = $section_default:expr
            ),* $(,)?
        })?
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $group {
            $(
                $(#[doc = $doc])*
                $(#[serde($($serde)*)])?
                pub $field: $kind,
            )*
            $($(
                #[doc = concat!("The settings under `", stringify!($section), "`.")]
                pub $section: $section_kind,
            )*)?
        }

        impl Default for $group {
            fn default() -> $group {
                $group { $($field: $default,)* $($($section: $section_default,)*)? }
            }
        }

        impl $crate::settings::SettingsGroup for $group {
            const DOC: &'static [&'static str] = &[$($about),*];
            const VALUES: &'static [$crate::settings::ValueField] = &[$(
                $crate::settings::ValueField {
                    key: stringify!($field),
                    doc: &[$($doc),*],
                    flag: &[$($flag)?],
                    is_list: <$kind as $crate::settings::SettingValue>::IS_LIST,
                    parse: <$kind as $crate::settings::SettingValue>::parse,
                    choices: <$kind as $crate::settings::SettingValue>::choices,
                },
            )*];
            const SECTIONS: &'static [$crate::settings::SectionField] = &[$($(
                $crate::settings::SectionField {
                    key: stringify!($section),
                    doc: <$section_kind as $crate::settings::SettingsGroup>::DOC,
                    values: <$section_kind as $crate::settings::SettingsGroup>::VALUES,
                    sections: <$section_kind as $crate::settings::SettingsGroup>::SECTIONS,
                },
            )*)?];
        }
    };
}
pub(crate) use define_settings;
