//! `samples.png`: what the network is shown, with the boxes that it has to find.

use super::session::DetectorSession;
use crate::draw::{Tile, contact_sheet, draw_box};
use crate::pose::Size;
use crate::train::TrainError;
use crate::train::curves::write_png;
use crate::vision::BBox;
use rayon::prelude::*;

/// Pictures on the sheet, and in a row of it.
const PICTURES: usize = 12;
const COLUMNS: usize = 4;
/// Colours of people and of places where nobody counts.
const PERSON: [u8; 3] = [60, 230, 120];
const IGNORED: [u8; 3] = [255, 60, 200];

/// Draws `samples.png` in the run's folder: pictures from all over the data as the first epoch shows them.
pub fn write_samples(session: &DetectorSession) -> Result<(), TrainError> {
    let (mixture, how) = (&session.mixture, &session.config.augmentation);
    let (side, seed) = (session.start.config.input, session.config.run.seed);
    let shown = PICTURES.min(mixture.len());
    let tile = |i: usize| {
        let sample = i * mixture.len() / shown;
        let mut drawn = mixture.draw(&mixture.compose(sample, 0, side, how, true, seed), how);
        for (boxes, colour) in [(&drawn.ignored, IGNORED), (&drawn.people, PERSON)] {
            for &[left, top, right, bottom] in boxes {
                let bbox = BBox { x: left, y: top, w: right - left, h: bottom - top };
                draw_box(&mut drawn.picture, &bbox, colour, 1.5);
            }
        }
        let caption = format!("{} people, {} ignored", drawn.people.len(), drawn.ignored.len());
        Tile { picture: drawn.picture, caption }
    };
    let tiles: Vec<Tile> = (0..shown).into_par_iter().map(tile).collect();
    let sheet = contact_sheet(&tiles, COLUMNS, Size::square(side as u32));
    write_png(&session.config.run.out.join("samples.png"), &sheet)
}
