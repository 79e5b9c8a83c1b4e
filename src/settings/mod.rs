//! Settings that are declared once: [`define_settings`] declares a struct with the defaults and the texts of its fields,
//! which files, flags and forms all use.
//!
//! [`Catalogue`] lists the settings of one command. It writes documented TOML, finds unknown names and suggests similar ones.

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

/// Accepts the `value` of the setting `name` where `holds` is true. `must` is what it must be, for the message.
///
/// # Errors
/// `holds` is false.
pub fn require(
    holds: bool,
    name: &'static str,
    value: impl std::fmt::Display,
    must: &'static str,
) -> Result<(), InvalidSetting> {
    if holds { Ok(()) } else { Err(InvalidSetting { name, value: value.to_string(), must }) }
}

/// Accepts a probability, or a share of something.
///
/// # Errors
/// `value` is not from 0 to 1.
pub fn require_share(name: &'static str, value: f64) -> Result<(), InvalidSetting> {
    require((0.0..=1.0).contains(&value), name, value, "from 0 to 1")
}

/// A struct of settings that [`define_settings`] declares: all settings of a command, or a section of them.
pub trait SettingsGroup {
    /// The lines of its doc comment.
    const DOC: &'static [&'static str];
    /// Its single values, in the order of the struct.
    const VALUES: &'static [ValueField];
    /// Its sections, in the order of the struct.
    const SECTIONS: &'static [SectionField];
}

/// A single value in a [`SettingsGroup`].
pub struct ValueField {
    /// Its name in the file, e.g. `batch`.
    pub key: &'static str,
    /// The lines of its doc comment.
    pub doc: &'static [&'static str],
    /// The flag that sets it, if there is one, and the name of its value, such as `--epochs N`. A flag without a value sets
    /// it to true.
    pub flag: &'static [&'static str],
    /// Whether the flag may be given several times.
    pub is_list: bool,
    /// Reads the value of the flag; of a list, one entry.
    pub parse: fn(&str) -> Result<toml::Value, String>,
    /// The possible values; empty where they cannot be listed.
    pub choices: fn() -> Vec<Choice>,
}

/// A section in a [`SettingsGroup`].
pub struct SectionField {
    /// Its name in the file, e.g. `schedule`.
    pub key: &'static str,
    /// The lines of the doc comment of its struct.
    pub doc: &'static [&'static str],
    /// Its single values.
    pub values: &'static [ValueField],
    /// Its own sections.
    pub sections: &'static [SectionField],
}

/// Declares a struct of settings: fields with doc comments, which users read, and defaults. `#[flag("--name VALUE")]`
/// after the comment declares a flag of the command line. Sections follow under `sections`.
///
/// The struct implements `Clone`, `PartialEq`, `Default`, serde's traits (what a file leaves out has its default, unknown names
/// are refused) and [`SettingsGroup`].
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
