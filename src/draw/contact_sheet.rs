//! Contact sheets: labelled pictures in a grid, to look at many results at once.

use super::bitmap_text::{draw_text, text_size};
use crate::pose::Size;
use image::RgbImage;
use image::imageops::{self, FilterType};

/// A picture of a contact sheet and the line below it.
#[derive(Clone, Debug)]
pub struct Tile {
    /// Shown at any size; it is scaled to its cell.
    pub picture: RgbImage,
    /// One line; printable ASCII.
    pub caption: String,
}

const GAP: u32 = 8;
const TEXT_SCALE: u32 = 2;
const BACKGROUND: [u8; 3] = [24, 26, 32];
const INK: [u8; 3] = [214, 218, 226];

/// Lays tiles out in rows of `columns`, each picture fitted into `cell` pixels without
/// distortion. Captions that are too long are cut and end in dots.
pub fn contact_sheet(tiles: &[Tile], columns: usize, cell: Size) -> RgbImage {
    let columns = columns.clamp(1, tiles.len().max(1)) as u32;
    let rows = (tiles.len() as u32).div_ceil(columns);
    let cell = Size::new(cell.width.max(1), cell.height.max(1));
    let text_height = text_size("", TEXT_SCALE).height;
    let step = Size::new(cell.width + GAP, cell.height + text_height + 2 * GAP);
    let mut sheet =
        RgbImage::from_pixel(columns * step.width + GAP, rows * step.height + GAP, image::Rgb(BACKGROUND));
    for (i, tile) in tiles.iter().enumerate() {
        let (column, row) = (i as u32 % columns, i as u32 / columns);
        let (left, top) = (GAP + column * step.width, GAP + row * step.height);
        if let Some(fitted) = fit(&tile.picture, cell) {
            let x = left + (cell.width - fitted.width()) / 2;
            let y = top + (cell.height - fitted.height()) / 2;
            imageops::replace(&mut sheet, &fitted, i64::from(x), i64::from(y));
        }
        let at = [i64::from(left), i64::from(top + cell.height + GAP / 2)];
        draw_text(&mut sheet, at, &shortened(&tile.caption, cell.width), INK, TEXT_SCALE);
    }
    sheet
}

/// The picture as large as the cell allows; none for an empty picture.
fn fit(picture: &RgbImage, cell: Size) -> Option<RgbImage> {
    let (w, h) = picture.dimensions();
    if w == 0 || h == 0 {
        return None;
    }
    let factor = (f64::from(cell.width) / f64::from(w)).min(f64::from(cell.height) / f64::from(h));
    let side = |n: u32, limit: u32| ((f64::from(n) * factor).round() as u32).clamp(1, limit);
    Some(imageops::resize(picture, side(w, cell.width), side(h, cell.height), FilterType::Triangle))
}

fn shortened(caption: &str, width: u32) -> String {
    if text_size(caption, TEXT_SCALE).width <= width {
        return caption.to_owned();
    }
    let mut kept: Vec<char> = caption.chars().collect();
    while kept.pop().is_some() {
        let text: String = kept.iter().chain(&['.', '.']).collect();
        if text_size(&text, TEXT_SCALE).width <= width {
            return text;
        }
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(w: u32, h: u32, caption: &str) -> Tile {
        Tile { picture: RgbImage::from_pixel(w, h, image::Rgb([255, 0, 0])), caption: caption.into() }
    }

    #[test]
    fn pictures_keep_their_shape_and_stay_in_their_cells() {
        let sheet =
            contact_sheet(&[tile(10, 20, "a"), tile(300, 30, ""), tile(0, 0, "b")], 2, Size::square(100));
        let red: Vec<_> = sheet.enumerate_pixels().filter(|p| p.2.0 == [255, 0, 0]).collect();
        assert_eq!(red.len(), 50 * 100 + 100 * 10);
        assert_eq!(sheet.width(), 2 * 108 + 8);
    }

    #[test]
    fn an_empty_sheet_is_only_background() {
        assert!(contact_sheet(&[], 4, Size::square(100)).pixels().all(|p| p.0 == BACKGROUND));
    }

    #[test]
    fn long_captions_are_cut_to_the_cell() {
        let text = shortened("a very long caption indeed", 100);
        assert!(text.ends_with("..") && text_size(&text, TEXT_SCALE).width <= 100);
        assert_eq!(shortened("short", 100), "short");
        assert_eq!(shortened("x", 1), "");
    }
}
