//! Numbers of annotation files. A wrong value in one annotation must not make the whole file unusable:
//! it becomes NaN here, and the reader counts and names the annotation.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// One number; NaN for anything else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number(pub f64);

impl Default for Number {
    fn default() -> Self {
        Number(f64::NAN)
    }
}

impl Number {
    /// The number as an id: a whole number that is not negative.
    pub fn id(self) -> Option<u64> {
        // Up to 2^53 every whole number is itself.
        (self.0 >= 0.0 && self.0.fract() == 0.0 && self.0 < 9e15).then_some(self.0 as u64)
    }

    /// The number as a size in pixels; 0 where there is none.
    pub fn pixels(self) -> u32 {
        // The cast makes NaN and negative numbers 0.
        self.0 as u32
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
    fn ids_are_whole_numbers() {
        assert_eq!(Number(900_100_581_904.0).id(), Some(900_100_581_904));
        assert_eq!([Number(-1.0).id(), Number(0.5).id(), Number::default().id()], [None; 3]);
    }
}
