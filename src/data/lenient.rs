//! JSON of annotation and detection files as people have them. A wrong value in one annotation must not make the whole
//! file unusable: a number that is none becomes NaN here, and the reader counts and names the annotation.

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::marker::PhantomData;

/// Reads JSON that may begin with a byte order mark (UTF-16 too) and may have Python's `NaN` and `Infinity` for numbers,
/// which become null. `bytes` are gone afterwards: the text is as large as everything that is read from it.
///
/// # Errors
/// It is no JSON, or not that of a `T`.
pub fn read_json<T: DeserializeOwned>(bytes: Vec<u8>) -> Result<T, serde_json::Error> {
    let text = without_mark(&bytes);
    match serde_json::from_slice(&text) {
        Err(error) if error.is_syntax() => match with_null_for_nan(&text) {
            Some(repaired) => serde_json::from_slice(&repaired),
            None => Err(error),
        },
        read => read,
    }
}

/// The first character of a JSON file that is no blank, behind a byte order mark.
pub fn first_character(head: &[u8]) -> Option<u8> {
    // A cut in the middle of a UTF-16 character costs the last one.
    without_mark(head).iter().copied().find(|b| !b.is_ascii_whitespace())
}

/// The text as UTF-8 without its byte order mark.
fn without_mark(bytes: &[u8]) -> Cow<'_, [u8]> {
    let utf16 = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = rest.as_chunks::<2>().0.iter().map(|pair| unit(*pair)).collect();
        Cow::Owned(String::from_utf16_lossy(&units).into_bytes())
    };
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => Cow::Borrowed(rest),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => Cow::Borrowed(bytes),
    }
}

/// The text with null for every `NaN`, `Infinity` and `-Infinity` that is no part of a string; none without any.
fn with_null_for_nan(text: &[u8]) -> Option<Vec<u8>> {
    const WORDS: [&[u8]; 3] = [b"NaN", b"-Infinity", b"Infinity"];
    let mut repaired = Vec::with_capacity(text.len());
    let (mut at, mut in_string, mut changed) = (0, false, false);
    while at < text.len() {
        let rest = &text[at..];
        if in_string && rest[0] == b'\\' {
            repaired.extend(rest.iter().take(2));
            at += 2;
            continue;
        }
        in_string ^= rest[0] == b'"';
        let word = WORDS.into_iter().find(|word| !in_string && rest.starts_with(word));
        repaired.extend_from_slice(if word.is_some() { b"null" } else { &rest[..1] });
        at += word.map_or(1, <[u8]>::len);
        changed |= word.is_some();
    }
    changed.then_some(repaired)
}

/// An object, or nothing for anything else (null in a list of annotations).
#[derive(Debug)]
pub struct Object<T>(pub Option<T>);

struct OneObject<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneObject<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|object| Object(Some(object)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Object<T>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Object(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Object<T>, E> {
        Ok(Object(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Object<T>, E> {
        Ok(Object(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Object<T>, E> {
        Ok(Object(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Object<T>, E> {
        Ok(Object(None))
    }

    fn visit_unit<E>(self) -> Result<Object<T>, E> {
        Ok(Object(None))
    }

    fn visit_str<E>(self, _: &str) -> Result<Object<T>, E> {
        Ok(Object(None))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<T>, D::Error> {
        deserializer.deserialize_any(OneObject(PhantomData))
    }
}

/// A list of texts; none for anything else.
pub fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let serde_json::Value::Array(list) = serde_json::Value::deserialize(deserializer)? else {
        return Ok(None);
    };
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => Some(text),
        _ => None,
    };
    Ok(list.into_iter().map(text).collect())
}

/// One number; NaN for anything else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number(pub f64);

impl Default for Number {
    fn default() -> Self {
        Number(f64::NAN)
    }
}

impl Number {
    /// The number as a size in pixels; 0 where there is none.
    pub fn pixels(self) -> u32 {
        // The cast makes NaN and negative numbers 0.
        self.0 as u32
    }
}

/// An id: a whole number that is not negative, or a text, which stands for a number of its own; none for anything else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Id(pub Option<u64>);

/// Up to here every whole number is itself as f64; ids of texts lie from the half on.
const LARGEST_ID: u64 = 1 << 53;

impl From<Number> for Id {
    fn from(Number(number): Number) -> Id {
        let whole = number >= 0.0 && number.fract() == 0.0 && number < LARGEST_ID as f64;
        Id(whole.then_some(number as u64))
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Id, D::Error> {
        Ok(match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) if text.trim().parse::<f64>().is_err() && !text.is_empty() => {
                // The offset and the prime of FNV-1a.
                let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
                let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, mix);
                Id(Some(LARGEST_ID / 2 + hash % (LARGEST_ID / 2)))
            }
            serde_json::Value::String(text) => Number(text.trim().parse().unwrap_or(f64::NAN)).into(),
            serde_json::Value::Bool(flag) => Id(Some(flag.into())),
            serde_json::Value::Number(number) => Number(number.as_f64().unwrap_or(f64::NAN)).into(),
            _ => Id(None),
        })
    }
}

/// A list of numbers, NaN for what is none; empty for anything that is not a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Numbers(pub Vec<f64>);

/// A text; none for anything else.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => Ok(Some(text)),
        _ => Ok(None),
    }
}

/// A list of lists of numbers; empty for anything else.
pub fn lists<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Numbers>, D::Error> {
    let serde_json::Value::Array(lists) = serde_json::Value::deserialize(deserializer)? else {
        return Ok(Vec::new());
    };
    lists.into_iter().map(|list| Numbers::deserialize(list).map_err(serde::de::Error::custom)).collect()
}

struct OneNumber;

impl<'de> Visitor<'de> for OneNumber {
    type Value = Number;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("a number")
    }

    fn visit_f64<E>(self, value: f64) -> Result<Number, E> {
        Ok(Number(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Number, E> {
        Ok(Number(value as f64))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Number, E> {
        Ok(Number(value as f64))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Number, E> {
        Ok(Number(f64::from(u8::from(value))))
    }

    fn visit_unit<E>(self) -> Result<Number, E> {
        Ok(Number::default())
    }

    fn visit_str<E>(self, text: &str) -> Result<Number, E> {
        Ok(Number(text.trim().parse().unwrap_or(f64::NAN)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Number, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Number::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Number, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Number::default())
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        deserializer.deserialize_any(OneNumber)
    }
}

struct ListOfNumbers;

impl<'de> Visitor<'de> for ListOfNumbers {
    type Value = Numbers;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("a list of numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Numbers, A::Error> {
        let mut numbers = Vec::with_capacity(list.size_hint().unwrap_or(0));
        while let Some(Number(value)) = list.next_element()? {
            numbers.push(value);
        }
        numbers.shrink_to_fit();
        Ok(Numbers(numbers))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Numbers, E> {
        Ok(Numbers::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Numbers, E> {
        Ok(Numbers::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Numbers, E> {
        Ok(Numbers::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Numbers, E> {
        Ok(Numbers::default())
    }

    fn visit_unit<E>(self) -> Result<Numbers, E> {
        Ok(Numbers::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Numbers, E> {
        Ok(Numbers::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Numbers, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Numbers::default())
    }
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Numbers, D::Error> {
        deserializer.deserialize_any(ListOfNumbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_nan_and_what_is_no_list_is_empty() {
        let Numbers(read) =
            serde_json::from_str(r#"[1, -2.5, null, "x", "4", [5], {"a": [6]}, true]"#).unwrap();
        assert_eq!(read.len(), 8);
        assert_eq!((read[0], read[1], read[4], read[7]), (1.0, -2.5, 4.0, 1.0));
        assert!([2, 3, 5, 6].iter().all(|&i: &usize| read[i].is_nan()));
        for text in ["null", "7", "-7", "1.5", "\"a\"", "{\"x\": [1]}", "false"] {
            assert_eq!(serde_json::from_str::<Numbers>(text).unwrap(), Numbers::default(), "{text}");
        }
    }

    #[test]
    fn byte_order_marks_and_nan_are_read() {
        let read = |bytes: &[u8]| read_json::<serde_json::Value>(bytes.to_vec()).map(|v| v.to_string());
        assert_eq!(read(b"\xef\xbb\xbf[1]").unwrap(), "[1]");
        let utf16: Vec<u8> = "\u{feff}[\"\u{e4}\"]".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&utf16).unwrap(), "[\"\u{e4}\"]");
        assert_eq!(first_character(&utf16), Some(b'['));
        let text = br#"{"a": [NaN, -Infinity, Infinity], "NaN": "\"NaN\\"}"#;
        assert_eq!(read(text).unwrap(), r#"{"NaN":"\"NaN\\","a":[null,null,null]}"#);
        for wrong in [&b"[NaN"[..], b"", b"\xff\xfe", b"Nan"] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_no_object_is_nothing() {
        let read: Vec<Object<std::collections::HashMap<String, Number>>> =
            serde_json::from_str(r#"[{"a": 1}, null, 3, -3, 0.5, "x", [{}], true, {}]"#).unwrap();
        let lengths: Vec<Option<usize>> = read.into_iter().map(|o| o.0.map(|map| map.len())).collect();
        assert_eq!(lengths, [Some(1), None, None, None, None, None, None, None, Some(0)]);
    }

    #[test]
    fn ids_are_whole_numbers_or_texts() {
        let id = |text: &str| serde_json::from_str::<Id>(text).unwrap().0;
        assert_eq!(id("900100581904"), Some(900_100_581_904));
        assert_eq!([id("7"), id("7.0"), id("\" 7 \""), id("true")], [Some(7), Some(7), Some(7), Some(1)]);
        for none in ["-1", "0.5", "null", "[1]", "{}", "\"\"", "\"NaN\"", "1e300"] {
            assert_eq!(id(none), None, "{none}");
        }
        assert!(id("\"img-1\"").is_some_and(|id| id >= LARGEST_ID / 2));
        assert!(id("\"img-1\"") == id("\"img-1\"") && id("\"img-1\"") != id("\"img-2\""));
    }
}
