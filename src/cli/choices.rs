//! Flags whose values are listed in a table of the library: the help shows that table.

use crate::data::{SetSource, SetSpec};
use crate::model::{MaskKind, PositionMode, Variant};
use crate::pose::BuiltinSkeleton;
use crate::vision::Decoding;
use clap::builder::{
    PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser, ValueParserFactory,
};
use std::ffi::OsStr;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::str::FromStr;

/// Parses a flag's value with [`FromStr`]; names and descriptions in the help are those of the table.
#[derive(Clone)]
pub struct ChoiceParser<T: 'static> {
    choices: &'static [T],
    name: fn(T) -> &'static str,
    description: fn(T) -> &'static str,
}

impl<T: Copy> ChoiceParser<T> {
    fn values(&self) -> impl Iterator<Item = PossibleValue> + use<T> {
        let ChoiceParser { choices, name, description } = *self;
        choices.iter().map(move |choice| PossibleValue::new(name(*choice)).help(description(*choice)))
    }
}

impl<T: Copy + FromStr + Send + Sync + 'static> TypedValueParser for ChoiceParser<T> {
    type Value = T;

    fn parse_ref(
        &self,
        command: &clap::Command,
        flag: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        if let Some(choice) = value.to_str().and_then(|text| text.parse().ok()) {
            return Ok(choice);
        }
        // clap's own parser lists the names that exist and suggests the most similar one.
        let name = PossibleValuesParser::new(self.values()).parse_ref(command, flag, value)?;
        name.parse().map_err(|_| clap::Error::new(clap::error::ErrorKind::InvalidValue).with_cmd(command))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.values()))
    }
}

/// Makes clap use these types' tables for every flag that has such a value.
macro_rules! choices {
    ($($type:ty),*) => {$(
        impl ValueParserFactory for $type {
            type Parser = ChoiceParser<$type>;

            fn value_parser() -> ChoiceParser<$type> {
                ChoiceParser { choices: &<$type>::ALL, name: <$type>::name, description: <$type>::description }
            }
        }
    )*};
}

/// Parses what is a path or a text with a meaning of its own; a name that is no UTF-8 is a path.
#[derive(Clone)]
pub struct PathOrText<T>(PhantomData<T>);

impl<T> TypedValueParser for PathOrText<T>
where
    T: FromStr + From<PathBuf> + Clone + Send + Sync + 'static,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(
        &self,
        command: &clap::Command,
        flag: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        match value.to_str() {
            Some(_) => {
                StringValueParser::new().try_map(|text| text.parse::<T>()).parse_ref(command, flag, value)
            }
            None => Ok(T::from(PathBuf::from(value))),
        }
    }
}

/// Makes clap parse these types so.
macro_rules! paths_or_texts {
    ($($type:ty),*) => {$(
        impl ValueParserFactory for $type {
            type Parser = PathOrText<$type>;

            fn value_parser() -> PathOrText<$type> {
                PathOrText(PhantomData)
            }
        }
    )*};
}

paths_or_texts!(SetSource, SetSpec);

choices!(MaskKind, PositionMode, Variant, Decoding);

/// Help of a flag that takes a skeleton; `default` says which one it is without the flag.
pub(super) fn skeleton_help(default: &str) -> String {
    format!("{} or a skeleton file [default: {default}]", BuiltinSkeleton::names())
}
