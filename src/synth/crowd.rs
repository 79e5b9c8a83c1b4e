//! Several figures in one picture, each in its own cell of it, so that it is known how many people a frame shows.

use super::mannequin::Mannequin;
use super::truth::TruePerson;
use crate::pose::Size;
use crate::vision::BBox;
use image::{RgbImage, imageops};

/// Most figures in one picture.
pub const MAX_FIGURES: u32 = 16;
/// Width over height of a cell that suits a standing figure with its arms out.
const UPRIGHT: f64 = 0.6;

/// Figures beside each other, each in its own scene.
pub struct Crowd {
    figures: Vec<PlacedFigure>,
    size: Size,
}

/// A figure and the top left pixel of its cell.
struct PlacedFigure {
    figure: Mannequin,
    left: u32,
    top: u32,
}

impl Crowd {
    /// As many figures as `people` says (1 to [`MAX_FIGURES`]), of seeds from `seed` on, in pictures of `size`
    /// in pixels.
    pub fn new(seed: u64, size: Size, people: u32) -> Crowd {
        // No cell may be smaller than the smallest picture of a figure.
        let least = 16 * people.clamp(1, MAX_FIGURES);
        let size = Size::new(size.width.max(least), size.height.max(least));
        let cells = cells(size, people);
        let figures = (0..).zip(&cells).map(|(i, cell)| {
            let figure = Mannequin::new(seed.wrapping_add(i), cell.size);
            PlacedFigure { figure, left: cell.left, top: cell.top }
        });
        Crowd { figures: figures.collect(), size }
    }

    /// Size of the pictures in pixels.
    pub fn size(&self) -> Size {
        self.size
    }

    /// As [`Mannequin::render`], with everybody.
    pub fn render(&self, t: f64) -> (RgbImage, Vec<TruePerson>) {
        if let [alone] = self.figures.as_slice() {
            return alone.figure.render(t);
        }
        let mut picture = RgbImage::new(self.size.width, self.size.height);
        let mut everybody = Vec::with_capacity(self.figures.len());
        for &PlacedFigure { ref figure, left, top } in &self.figures {
            let (part, people) = figure.render(t);
            imageops::replace(&mut picture, &part, i64::from(left), i64::from(top));
            everybody.extend(people.into_iter().map(|person| moved(person, left as f32, top as f32)));
        }
        (picture, everybody)
    }
}

/// Where each of `people` figures stands in a picture of `size`, in pixels: rows of nearly equal numbers, as many rows
/// as leave everybody the most upright cell.
pub fn crowd_boxes(size: Size, people: u32) -> Vec<BBox> {
    let bbox = |cell: Cell| BBox {
        x: cell.left as f32,
        y: cell.top as f32,
        w: cell.size.width as f32,
        h: cell.size.height as f32,
    };
    cells(size, people).into_iter().map(bbox).collect()
}

/// One figure's rectangle of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    /// Its first pixel column and row.
    left: u32,
    top: u32,
    /// In pixels.
    size: Size,
}

/// Everybody's cell of a picture of `size`, row by row.
fn cells(size: Size, people: u32) -> Vec<Cell> {
    let people = people.clamp(1, MAX_FIGURES);
    let unfit = |rows: u32| {
        let shape =
            f64::from(size.width * rows) * f64::from(rows) / (f64::from(size.height) * f64::from(people));
        (shape / UPRIGHT).ln().abs()
    };
    let rows = (1..=people).min_by(|a, b| unfit(*a).total_cmp(&unfit(*b))).unwrap_or(1);
    let edge = |length: u32, i: u32, of: u32| length * i / of;
    let mut all = Vec::with_capacity(people as usize);
    for row in 0..rows {
        let in_row = people * (row + 1) / rows - people * row / rows;
        let (top, bottom) = (edge(size.height, row, rows), edge(size.height, row + 1, rows));
        for i in 0..in_row {
            let (left, right) = (edge(size.width, i, in_row), edge(size.width, i + 1, in_row));
            all.push(Cell { left, top, size: Size::new(right - left, bottom - top) });
        }
    }
    all
}

fn moved(mut person: TruePerson, x: f32, y: f32) -> TruePerson {
    person.bbox.x += x;
    person.bbox.y += y;
    for joint in &mut person.keypoints {
        joint.x += x;
        joint.y += y;
    }
    person
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_part_of_the_picture_and_nobody_shares_one() {
        for people in 1..=MAX_FIGURES {
            let cells = cells(Size::new(640, 480), people);
            assert_eq!(cells.len(), people as usize);
            let area: usize = cells.iter().map(|cell| cell.size.area()).sum();
            assert_eq!(area, 640 * 480, "{people} cells cover the picture without overlapping: {cells:?}");
            for Cell { left, top, size } in cells {
                assert!(size.width >= 80 && size.height >= 120);
                assert!(left + size.width <= 640 && top + size.height <= 480);
            }
        }
        let half = Size::new(320, 480);
        let expected = [Cell { left: 0, top: 0, size: half }, Cell { left: 320, top: 0, size: half }];
        assert_eq!(cells(Size::new(640, 480), 2), expected);
    }

    #[test]
    fn one_figure_is_the_mannequin_itself() {
        let alone = Mannequin::new(5, Size::new(96, 72));
        assert_eq!(Crowd::new(5, Size::new(96, 72), 1).render(3.0), alone.render(3.0));
    }

    #[test]
    fn the_joints_of_everybody_lie_in_their_own_part() {
        let (picture, people) = Crowd::new(7, Size::new(320, 240), 5).render(2.0);
        assert_eq!((picture.dimensions(), people.len()), ((320, 240), 5));
        for (person, place) in people.iter().zip(crowd_boxes(Size::new(320, 240), 5)) {
            let inside = |x: f32, y: f32| {
                x >= place.x - 0.5 && y >= place.y - 0.5 && x <= place.x + place.w && y <= place.y + place.h
            };
            assert!(person.keypoints.iter().filter(|k| k.score > 0.0).all(|k| inside(k.x, k.y)));
            assert!(inside(person.bbox.x, person.bbox.y), "{:?} in {place:?}", person.bbox);
        }
    }
}
