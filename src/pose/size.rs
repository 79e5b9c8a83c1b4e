//! The size of a picture, a crop, a heatmap or a token grid, with its order in its type.

use std::fmt;
use std::str::FromStr;

/// Width and height in pixels (or in cells of a grid). One type for every size, so that no caller has to
/// remember which of two numbers comes first. Sizes are ordered by width, then by height.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size {
    /// Number of columns.
    pub width: u32,
    /// Number of rows.
    pub height: u32,
}

/// A text that is no size such as `192x256`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a size: write width x height in pixels, such as 640x480")]
pub struct SizeError(String);

impl Size {
    /// A size of `width` columns and `height` rows.
    pub const fn new(width: u32, height: u32) -> Size {
        Size { width, height }
    }

    /// A square.
    pub const fn square(side: u32) -> Size {
        Size::new(side, side)
    }

    /// From the two last dimensions of a tensor, rows first.
    ///
    /// # Panics
    /// When a number does not fit 32 bits.
    pub const fn from_hw([height, width]: [usize; 2]) -> Size {
        assert!(height <= u32::MAX as usize && width <= u32::MAX as usize, "a size fits 32 bits");
        Size::new(width as u32, height as u32)
    }

    /// The two last dimensions of a tensor of this size: rows first.
    pub const fn hw(self) -> [usize; 2] {
        [self.height as usize, self.width as usize]
    }

    /// Number of pixels (or cells).
    pub const fn area(self) -> usize {
        self.width as usize * self.height as usize
    }

    /// Width divided by height.
    pub fn aspect(self) -> f64 {
        f64::from(self.width) / f64::from(self.height)
    }

    /// Whether it has no pixels at all.
    pub const fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }
}

/// `192x256`: width x height.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// `192x256`: width x height. Whether zero is allowed is for the caller to say.
impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Size, SizeError> {
        let sides = text.split_once(['x', 'X']).and_then(|(width, height)| {
            Some(Size::new(width.trim().parse().ok()?, height.trim().parse().ok()?))
        });
        sides.ok_or_else(|| SizeError(text.to_string()))
    }
}

/// From what `image` calls the dimensions of a picture: width and height.
impl From<(u32, u32)> for Size {
    fn from((width, height): (u32, u32)) -> Size {
        Size::new(width, height)
    }
}

/// To what `image` calls the dimensions of a picture: width and height.
impl From<Size> for (u32, u32) {
    fn from(size: Size) -> (u32, u32) {
        (size.width, size.height)
    }
}

/// Reads and writes a [`Size`] as the list `[height, width]`, the order of tensors' dimensions:
/// `#[serde(with = "crate::pose::size::hw")]`.
pub mod hw {
    use super::Size;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes `[height, width]`.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(size: &Size, serializer: S) -> Result<S::Ok, S::Error> {
        [size.height, size.width].serialize(serializer)
    }

    /// Reads `[height, width]`.
    ///
    /// # Errors
    /// When there is anything but a list of two whole numbers of at most 32 bits.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        let [height, width] = <[u32; 2]>::deserialize(deserializer)?;
        Ok(Size { width, height })
    }
}

/// Reads and writes a [`Size`] as the list `[width, height]`, the order of pictures' dimensions:
/// `#[serde(with = "crate::pose::size::wh")]`.
pub mod wh {
    use super::Size;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes `[width, height]`.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(size: &Size, serializer: S) -> Result<S::Ok, S::Error> {
        [size.width, size.height].serialize(serializer)
    }

    /// Reads `[width, height]`.
    ///
    /// # Errors
    /// When there is anything but a list of two whole numbers of at most 32 bits.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        let [width, height] = <[u32; 2]>::deserialize(deserializer)?;
        Ok(Size { width, height })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CROP: Size = Size::new(192, 256);

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Header {
        #[serde(with = "super::hw")]
        input: Size,
        #[serde(with = "super::wh")]
        picture: Size,
    }

    #[test]
    fn rows_come_first_in_tensors_and_last_in_text() {
        assert_eq!(CROP.hw(), [256, 192]);
        assert_eq!(Size::from_hw([256, 192]), CROP);
        assert_eq!(CROP.to_string(), "192x256");
        assert_eq!("192x256".parse(), Ok(CROP));
        assert_eq!((CROP.area(), CROP.aspect()), (49152, 0.75));
        assert_eq!(Size::from((192, 256)), CROP);
        assert_eq!(<(u32, u32)>::from(CROP), (192, 256));
    }

    #[test]
    fn a_text_that_is_no_size_is_named() {
        for text in ["", "192", "192x", "x256", "192x-1", "192 by 256", "1x2x3", "99999999999x1"] {
            let error = text.parse::<Size>().unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")) && error.contains("640x480"), "{error}");
        }
        assert_eq!(" 640 X 480 ".parse(), Ok(Size::new(640, 480)));
    }

    #[test]
    fn files_hold_lists_in_the_order_that_their_field_says() {
        let header = Header { input: CROP, picture: Size::new(640, 480) };
        let text = serde_json::to_string(&header).unwrap();
        assert_eq!(text, r#"{"input":[256,192],"picture":[640,480]}"#);
        assert_eq!(serde_json::from_str::<Header>(&text).unwrap(), header);
        assert!(serde_json::from_str::<Header>(r#"{"input":[256],"picture":[640,480]}"#).is_err());
    }
}
