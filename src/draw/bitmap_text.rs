//! Small captions in pictures, without a font file: a 5x7 grid for each printable ASCII character.

use crate::pose::Size;
use image::RgbImage;

/// Size of a character's grid in font pixels; a column and a row of space follow it.
const GLYPH: Size = Size::new(5, 7);

/// Size in pixels of a line of text that is magnified `scale` times.
pub fn text_size(text: &str, scale: u32) -> Size {
    let count = text.chars().count() as u32;
    Size::new((count * (GLYPH.width + 1)).saturating_sub(1) * scale, GLYPH.height * scale)
}

/// Writes a line of text with its top-left corner at `at` (x and y in pixels), magnified `scale` times, in `color`
/// (R, G, B). Characters that the font lacks become `?`; what lies outside the picture is left out.
pub fn draw_text(img: &mut RgbImage, at: [i64; 2], text: &str, color: [u8; 3], scale: u32) {
    let (width, height) = (i64::from(img.width()), i64::from(img.height()));
    for (i, c) in text.chars().enumerate() {
        let left = at[0] + i as i64 * i64::from((GLYPH.width + 1) * scale);
        for (r, row) in glyph(c).iter().enumerate() {
            for column in (0..GLYPH.width).filter(|k| row >> (GLYPH.width - 1 - k) & 1 == 1) {
                for (dx, dy) in (0..scale).flat_map(|dy| (0..scale).map(move |dx| (dx, dy))) {
                    let x = left + i64::from(column * scale + dx);
                    let y = at[1] + i64::from(r as u32 * scale + dy);
                    if (0..width).contains(&x) && (0..height).contains(&y) {
                        img.put_pixel(x as u32, y as u32, image::Rgb(color));
                    }
                }
            }
        }
    }
}

fn glyph(c: char) -> [u8; 7] {
    const FIRST: usize = b' ' as usize;
    let index = (c as usize).checked_sub(FIRST).filter(|i| *i < FONT.len());
    FONT[index.unwrap_or('?' as usize - FIRST)]
}

/// Rows from the top, the leftmost pixel in bit 4; characters from the space to the tilde.
#[rustfmt::skip]
const FONT: [[u8; 7]; 95] = [
    [0, 0, 0, 0, 0, 0, 0],         // space
    [4, 4, 4, 4, 4, 0, 4],         // !
    [10, 10, 0, 0, 0, 0, 0],       // "
    [10, 10, 31, 10, 31, 10, 10],  // #
    [4, 15, 20, 14, 5, 30, 4],     // $
    [24, 25, 2, 4, 8, 19, 3],      // %
    [12, 18, 20, 8, 21, 18, 13],   // &
    [4, 4, 0, 0, 0, 0, 0],         // '
    [2, 4, 8, 8, 8, 4, 2],         // (
    [8, 4, 2, 2, 2, 4, 8],         // )
    [0, 4, 21, 14, 21, 4, 0],      // *
    [0, 4, 4, 31, 4, 4, 0],        // +
    [0, 0, 0, 0, 12, 4, 8],        // ,
    [0, 0, 0, 31, 0, 0, 0],        // -
    [0, 0, 0, 0, 0, 12, 12],       // .
    [0, 1, 2, 4, 8, 16, 0],        // /
    [14, 17, 19, 21, 25, 17, 14],  // 0
    [4, 12, 4, 4, 4, 4, 14],       // 1
    [14, 17, 1, 2, 4, 8, 31],      // 2
    [31, 2, 4, 2, 1, 17, 14],      // 3
    [2, 6, 10, 18, 31, 2, 2],      // 4
    [31, 16, 30, 1, 1, 17, 14],    // 5
    [6, 8, 16, 30, 17, 17, 14],    // 6
    [31, 1, 2, 4, 8, 8, 8],        // 7
    [14, 17, 17, 14, 17, 17, 14],  // 8
    [14, 17, 17, 15, 1, 2, 12],    // 9
    [0, 12, 12, 0, 12, 12, 0],     // :
    [0, 12, 12, 0, 12, 4, 8],      // ;
    [2, 4, 8, 16, 8, 4, 2],        // <
    [0, 0, 31, 0, 31, 0, 0],       // =
    [8, 4, 2, 1, 2, 4, 8],         // >
    [14, 17, 1, 2, 4, 0, 4],       // ?
    [14, 17, 1, 13, 21, 21, 14],   // @
    [14, 17, 17, 31, 17, 17, 17],  // A
    [30, 17, 17, 30, 17, 17, 30],  // B
    [14, 17, 16, 16, 16, 17, 14],  // C
    [28, 18, 17, 17, 17, 18, 28],  // D
    [31, 16, 16, 30, 16, 16, 31],  // E
    [31, 16, 16, 30, 16, 16, 16],  // F
    [14, 17, 16, 23, 17, 17, 15],  // G
    [17, 17, 17, 31, 17, 17, 17],  // H
    [14, 4, 4, 4, 4, 4, 14],       // I
    [7, 2, 2, 2, 2, 18, 12],       // J
    [17, 18, 20, 24, 20, 18, 17],  // K
    [16, 16, 16, 16, 16, 16, 31],  // L
    [17, 27, 21, 21, 17, 17, 17],  // M
    [17, 17, 25, 21, 19, 17, 17],  // N
    [14, 17, 17, 17, 17, 17, 14],  // O
    [30, 17, 17, 30, 16, 16, 16],  // P
    [14, 17, 17, 17, 21, 18, 13],  // Q
    [30, 17, 17, 30, 20, 18, 17],  // R
    [15, 16, 16, 14, 1, 1, 30],    // S
    [31, 4, 4, 4, 4, 4, 4],        // T
    [17, 17, 17, 17, 17, 17, 14],  // U
    [17, 17, 17, 17, 17, 10, 4],   // V
    [17, 17, 17, 21, 21, 21, 10],  // W
    [17, 17, 10, 4, 10, 17, 17],   // X
    [17, 17, 17, 10, 4, 4, 4],     // Y
    [31, 1, 2, 4, 8, 16, 31],      // Z
    [14, 8, 8, 8, 8, 8, 14],       // [
    [0, 16, 8, 4, 2, 1, 0],        // backslash
    [14, 2, 2, 2, 2, 2, 14],       // ]
    [4, 10, 17, 0, 0, 0, 0],       // ^
    [0, 0, 0, 0, 0, 0, 31],        // _
    [8, 4, 2, 0, 0, 0, 0],         // `
    [0, 0, 14, 1, 15, 17, 15],     // a
    [16, 16, 22, 25, 17, 17, 30],  // b
    [0, 0, 14, 16, 16, 17, 14],    // c
    [1, 1, 13, 19, 17, 17, 15],    // d
    [0, 0, 14, 17, 31, 16, 14],    // e
    [6, 9, 8, 28, 8, 8, 8],        // f
    [0, 15, 17, 17, 15, 1, 14],    // g
    [16, 16, 22, 25, 17, 17, 17],  // h
    [4, 0, 12, 4, 4, 4, 14],       // i
    [2, 0, 6, 2, 2, 18, 12],       // j
    [16, 16, 18, 20, 24, 20, 18],  // k
    [12, 4, 4, 4, 4, 4, 14],       // l
    [0, 0, 26, 21, 21, 17, 17],    // m
    [0, 0, 22, 25, 17, 17, 17],    // n
    [0, 0, 14, 17, 17, 17, 14],    // o
    [0, 0, 30, 17, 30, 16, 16],    // p
    [0, 0, 13, 19, 15, 1, 1],      // q
    [0, 0, 22, 25, 16, 16, 16],    // r
    [0, 0, 14, 16, 14, 1, 30],     // s
    [8, 8, 28, 8, 8, 9, 6],        // t
    [0, 0, 17, 17, 17, 19, 13],    // u
    [0, 0, 17, 17, 17, 10, 4],     // v
    [0, 0, 17, 17, 21, 21, 10],    // w
    [0, 0, 17, 10, 4, 10, 17],     // x
    [0, 0, 17, 17, 15, 1, 14],     // y
    [0, 0, 31, 2, 4, 8, 31],       // z
    [2, 4, 4, 8, 4, 4, 2],         // {
    [4, 4, 4, 4, 4, 4, 4],         // |
    [8, 4, 4, 2, 4, 4, 8],         // }
    [0, 0, 8, 21, 2, 0, 0],        // ~
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_printable_character_has_its_own_shape() {
        let shapes: std::collections::BTreeSet<_> = (' '..='~').map(glyph).collect();
        assert_eq!(shapes.len(), 95);
        assert_eq!(glyph('é'), glyph('?'));
        assert!(FONT.iter().flatten().all(|row| *row < 32));
    }

    #[test]
    fn text_fills_its_size_and_may_leave_the_picture() {
        assert_eq!(text_size("AB", 2), Size::new(22, 14));
        assert_eq!(text_size("", 2), Size::new(0, 14));
        let mut img = RgbImage::new(5, 7);
        draw_text(&mut img, [0, 0], "L", [255; 3], 1);
        assert_eq!((img.get_pixel(0, 0).0, img.get_pixel(4, 6).0), ([255; 3], [255; 3]));
        assert_eq!(img.get_pixel(4, 0).0, [0; 3]);
        draw_text(&mut img, [-100, 3], "a long text", [255; 3], 3);
    }
}
