//! Mannequins rendered beforehand, so that rendering them takes no processor time from what is measured.

use crate::source::{Frame, Source, SourceError, SourceInfo};
use std::time::Duration;

/// Frames that are rendered: three seconds at 30 fps. They take 83 MB at 640x480.
const FRAMES: usize = 90;

/// The first frames of a source, played forwards and backwards without end.
pub struct Prerendered {
    frames: Vec<Frame>,
    info: SourceInfo,
    /// Time from one frame to the next.
    step: Duration,
    position: u64,
    sequence: u64,
}

impl Prerendered {
    /// Reads the first frames of `source`, which must have some.
    ///
    /// # Errors
    /// The source's own.
    pub fn new(mut source: Box<dyn Source>) -> Result<Prerendered, SourceError> {
        let mut frames = Vec::with_capacity(FRAMES);
        while frames.len() < FRAMES
            && let Some(frame) = source.next_frame()?
        {
            frames.push(frame);
        }
        let info = SourceInfo { frames: None, duration: None, seekable: true, ..source.info().clone() };
        let step = Duration::from_secs_f64(1.0 / info.fps.unwrap_or(30.0));
        Ok(Prerendered { frames, info, step, position: 0, sequence: 0 })
    }

    /// Which of the frames is shown at a position: 0, 1, 2, 3, 2, 1, 0, 1, ...
    fn index(&self) -> usize {
        let last = self.frames.len().saturating_sub(1) as u64;
        let place = self.position % (2 * last).max(1);
        place.min(2 * last - place) as usize
    }
}

impl Source for Prerendered {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
        let Some(frame) = self.frames.get(self.index()) else { return Ok(None) };
        let timestamp = self.step.mul_f64(self.position as f64);
        let frame = Frame { timestamp, sequence: self.sequence, ..frame.clone() };
        self.position += 1;
        self.sequence += 1;
        Ok(Some(frame))
    }

    fn seek(&mut self, to: Duration) -> Result<(), SourceError> {
        self.position = (to.as_secs_f64() / self.step.as_secs_f64() + 1e-6).floor() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pose::Size;
    use crate::source::MannequinSource;

    #[test]
    fn frames_come_forwards_and_backwards_and_time_goes_on() {
        let mut source = Prerendered::new(Box::new(MannequinSource::new(1, Size::new(32, 24)))).unwrap();
        let all: Vec<Frame> = (0..2 * FRAMES).map(|_| source.next_frame().unwrap().unwrap()).collect();
        assert!(all.windows(2).all(|pair| pair[0].timestamp < pair[1].timestamp));
        assert!(all.iter().zip(0..).all(|(frame, number)| frame.sequence == number));
        assert_eq!(all[FRAMES].pixels, all[FRAMES - 2].pixels);
        assert_eq!(all[2 * FRAMES - 2].pixels, all[0].pixels);
        source.seek(all[7].timestamp).unwrap();
        assert_eq!(source.next_frame().unwrap().unwrap().pixels, all[7].pixels);
    }
}
