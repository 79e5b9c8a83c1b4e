//! The types of single settings.

use std::path::PathBuf;
use toml::Value;

/// A possible value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The value as it is written in files and flags.
    pub name: &'static str,
    /// What it means, in a few words.
    pub description: &'static str,
}

/// The type of a single setting.
pub trait SettingValue {
    /// Whether it is a list; [`SettingValue::parse`] then reads one entry.
    const IS_LIST: bool = false;

    /// Checks the value `text` of a flag and returns it as TOML. By default `text` is TOML itself.
    ///
    /// # Errors
    /// A message that says why it is no such value.
    fn parse(text: &str) -> Result<Value, String> {
        let table: toml::Table = toml::from_str(&format!("value = {text}"))
            .map_err(|error: toml::de::Error| error.message().to_owned())?;
        table.into_iter().next().map(|(_, value)| value).ok_or_else(|| "no value".to_owned())
    }

    /// The possible values; empty where they cannot be listed.
    fn choices() -> Vec<Choice> {
        Vec::new()
    }
}

macro_rules! numbers {
    ($($number:ty => $convert:expr),* $(,)?) => {$(
        impl SettingValue for $number {
            fn parse(text: &str) -> Result<Value, String> {
                let number: $number = text.parse().map_err(|error| format!("{error}"))?;
                $convert(number)
            }
        }
    )*};
}

numbers! {
    f64 => |number| Ok(Value::Float(number)),
    f32 => |number| Ok(Value::Float(f64::from(number))),
    u64 => integer,
    usize => |number| integer(number as u64),
    bool => |on| Ok(Value::Boolean(on)),
}

/// TOML's integers end at 2^63.
fn integer(number: u64) -> Result<Value, String> {
    i64::try_from(number).map(Value::Integer).map_err(|_| format!("{number} is above {}", i64::MAX))
}

impl SettingValue for String {
    fn parse(text: &str) -> Result<Value, String> {
        Ok(Value::String(text.to_owned()))
    }
}

impl SettingValue for PathBuf {
    fn parse(text: &str) -> Result<Value, String> {
        if text.is_empty() { Err("a path is missing".to_owned()) } else { Ok(Value::String(text.to_owned())) }
    }
}

impl<T: SettingValue> SettingValue for Option<T> {
    fn parse(text: &str) -> Result<Value, String> {
        T::parse(text)
    }

    fn choices() -> Vec<Choice> {
        T::choices()
    }
}

impl<T: SettingValue> SettingValue for Vec<T> {
    const IS_LIST: bool = true;

    fn parse(text: &str) -> Result<Value, String> {
        T::parse(text)
    }

    fn choices() -> Vec<Choice> {
        T::choices()
    }
}

/// A range.
impl<T: SettingValue> SettingValue for [T; 2] {}

/// Implements [`SettingValue`] for types that are written as text: with `Display`, and read with `FromStr`.
macro_rules! text_values {
    ($($type:ty),* $(,)?) => {$(
        impl $crate::settings::SettingValue for $type {
            fn parse(text: &str) -> Result<toml::Value, String> {
                let value: $type = text.parse().map_err(|error| format!("{error}"))?;
                Ok(toml::Value::String(value.to_string()))
            }
        }
    )*};
}
pub(crate) use text_values;

/// Implements [`SettingValue`] for types that are written as text and have a table of all values: `ALL`, `name` and
/// `description`.
macro_rules! choice_values {
    ($($type:ty),* $(,)?) => {$(
        impl $crate::settings::SettingValue for $type {
            fn parse(text: &str) -> Result<toml::Value, String> {
                let value: $type = text.parse().map_err(|error| format!("{error}"))?;
                Ok(toml::Value::String(value.to_string()))
            }

            fn choices() -> Vec<$crate::settings::Choice> {
                let choice = |value: $type| $crate::settings::Choice {
                    name: value.name(),
                    description: value.description(),
                };
                <$type>::ALL.into_iter().map(choice).collect()
            }
        }
    )*};
}
pub(crate) use choice_values;

/// For `#[serde(with = "as_text")]`: in files the value is text, written with `Display` and read with `FromStr`.
pub mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::fmt::Display;
    use std::str::FromStr;

    /// Writes `value` as text.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<T: Display, S: Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(value)
    }

    /// Reads a value from text.
    ///
    /// # Errors
    /// There is no text, or it is no such value.
    pub fn deserialize<'de, T, D>(d: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_flags_have_them() {
        assert_eq!(f64::parse("3e-4"), Ok(Value::Float(3e-4)));
        assert_eq!(Option::<u64>::parse("7"), Ok(Value::Integer(7)));
        assert_eq!(Vec::<PathBuf>::parse("a b"), Ok(Value::String("a b".into())));
        assert_eq!(<[f64; 2]>::parse("[0.5, 1]").unwrap().as_array().map(Vec::len), Some(2));
        assert!(usize::parse("-1").is_err() && f64::parse("many").is_err() && PathBuf::parse("").is_err());
        assert!(u64::parse("9223372036854775808").unwrap_err().contains("above"));
    }
}
