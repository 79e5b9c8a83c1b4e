//! The mannequin as a source: thirty frames a second, without end, seekable.

use super::{Frame, Source, SourceError, SourceInfo};
use crate::pose::Size;
use crate::synth::Crowd;
use std::sync::Arc;
use std::time::Duration;

/// Size of the mannequin's frames in pixels where nobody asks for another one.
pub const MANNEQUIN_SIZE: Size = Size::new(640, 480);
/// Frames a second.
const RATE: f64 = 30.0;

/// An endless stream of drawn frames with their true joints.
pub struct MannequinSource {
    crowd: Crowd,
    info: SourceInfo,
    /// Number of the next frame on the time line.
    position: u64,
    /// Frames handed out.
    sequence: u64,
}

impl MannequinSource {
    /// The figure of `seed` in frames of `size` in pixels.
    pub fn new(seed: u64, size: Size) -> MannequinSource {
        MannequinSource::of(Crowd::new(seed, size, 1), format!("Mannequin {seed}"))
    }

    /// `people` figures side by side (see [`Crowd`]), of seeds from `seed` on.
    pub fn crowd(seed: u64, size: Size, people: u32) -> MannequinSource {
        let title = format!("{people} mannequins from {seed}");
        MannequinSource::of(Crowd::new(seed, size, people), title)
    }

    fn of(crowd: Crowd, title: String) -> MannequinSource {
        let info = SourceInfo {
            title,
            size: crowd.size(),
            fps: Some(RATE),
            frames: None,
            duration: None,
            live: false,
            seekable: true,
            notes: Vec::new(),
        };
        MannequinSource { crowd, info, position: 0, sequence: 0 }
    }
}

impl Source for MannequinSource {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
        let time = self.position as f64 / RATE;
        let (pixels, people) = self.crowd.render(time);
        let frame = Frame {
            pixels: Arc::new(pixels),
            timestamp: Duration::from_secs_f64(time),
            sequence: self.sequence,
            truth: Some(Arc::new(people)),
            name: None,
        };
        self.position += 1;
        self.sequence += 1;
        Ok(Some(frame))
    }

    fn seek(&mut self, to: Duration) -> Result<(), SourceError> {
        // A frame's own timestamp, rounded to nanoseconds, must lead back to that frame.
        self.position = (to.as_secs_f64() * RATE + 1e-6).floor() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_follow_at_thirty_a_second_and_seeking_finds_them_again() {
        let mut source = MannequinSource::new(3, Size::new(64, 48));
        let first: Vec<Frame> = (0..4).map(|_| source.next_frame().unwrap().unwrap()).collect();
        for (i, frame) in first.iter().enumerate() {
            assert_eq!(frame.sequence, i as u64);
            assert!((frame.timestamp.as_secs_f64() - i as f64 / 30.0).abs() < 1e-6);
            assert_eq!(frame.pixels.dimensions(), (64, 48));
        }
        for frame in &first {
            source.seek(frame.timestamp).unwrap();
            let again = source.next_frame().unwrap().unwrap();
            assert_eq!(again.pixels, frame.pixels);
            assert_eq!(again.truth, frame.truth);
        }
        source.seek(Duration::from_millis(1099)).unwrap();
        assert!((source.next_frame().unwrap().unwrap().timestamp.as_secs_f64() - 32.0 / 30.0).abs() < 1e-6);
    }
}
