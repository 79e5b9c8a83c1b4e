//! A source that delivers a frame whenever the pipeline asks for one, to measure how fast the pipeline can be.

use crate::source::{Frame, Source, SourceError, SourceInfo};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::time::Duration;

/// Frames in the pipeline at once. A second one would be ready when the network is, and save a thread's waking; but now
/// and then a third would come before the network has taken it, and it would be dropped.
const IN_FLIGHT: usize = 1;

/// Permits the source's frames one by one; once dropped, the source is at its end.
pub struct Permits(Sender<()>);

impl Permits {
    /// Permits the next frame, since one has come out of the pipeline.
    pub fn next(&self) {
        // A full channel means that the source has enough permits; a closed one that it is gone.
        let _ = self.0.try_send(());
    }
}

/// The source's end of [`Permits`].
#[derive(Clone)]
pub struct PermitReceiver(Receiver<()>);

/// Both ends, with a permit for the first frame.
pub fn permits() -> (Permits, PermitReceiver) {
    let (sender, receiver) = bounded(IN_FLIGHT);
    let permits = Permits(sender);
    (0..IN_FLIGHT).for_each(|_| permits.next());
    (permits, PermitReceiver(receiver))
}

/// A source whose frames come when they are permitted, whatever their timestamps say.
pub struct OnDemandSource {
    source: Box<dyn Source>,
    info: SourceInfo,
    gate: PermitReceiver,
    /// A permit that brought no frame, because the source was at its end, serves the next one.
    has_permit: bool,
}

impl OnDemandSource {
    /// The frames of `source`, as `gate` permits them.
    pub fn new(source: Box<dyn Source>, gate: PermitReceiver) -> OnDemandSource {
        // Frames of a live source are shown at once, not when their timestamps are due.
        let info = SourceInfo { live: true, ..source.info().clone() };
        OnDemandSource { source, info, gate, has_permit: false }
    }
}

impl Source for OnDemandSource {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
        if !self.has_permit && self.gate.0.recv().is_err() {
            return Ok(None);
        }
        self.has_permit = true;
        let frame = self.source.next_frame()?;
        self.has_permit = frame.is_none();
        Ok(frame)
    }

    fn seek(&mut self, to: Duration) -> Result<(), SourceError> {
        self.source.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pose::Size;
    use image::RgbImage;
    use std::sync::Arc;

    /// Two frames, then the end, from wherever one begins.
    struct Two(SourceInfo, u64);

    impl Source for Two {
        fn info(&self) -> &SourceInfo {
            &self.0
        }

        fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
            self.1 += 1;
            let (pixels, timestamp) = (Arc::new(RgbImage::new(8, 8)), Duration::from_secs(self.1));
            let frame = Frame { pixels, timestamp, sequence: self.1, truth: None, name: None };
            Ok((self.1 <= 2).then_some(frame))
        }

        fn seek(&mut self, _to: Duration) -> Result<(), SourceError> {
            self.1 = 0;
            Ok(())
        }
    }

    #[test]
    fn a_frame_comes_for_each_that_was_done_and_the_end_when_nobody_wants_more() {
        let info = SourceInfo {
            title: "two".into(),
            size: Size::square(8),
            fps: Some(1.0),
            frames: Some(2),
            duration: None,
            live: false,
            seekable: true,
            notes: Vec::new(),
        };
        let (permits, gate) = permits();
        let mut source = OnDemandSource::new(Box::new(Two(info, 0)), gate);
        let mut next = |again: bool| {
            if again {
                source.seek(Duration::ZERO).unwrap();
            }
            source.next_frame().unwrap().map(|frame| frame.sequence)
        };
        assert_eq!(next(false), Some(1));
        permits.next();
        assert_eq!(next(false), Some(2));
        permits.next();
        // The permit that met the end serves the next round.
        assert_eq!((next(false), next(true)), (None, Some(1)));
        permits.next();
        assert_eq!(next(false), Some(2));
        drop(permits);
        assert_eq!(next(true), None);
    }
}
