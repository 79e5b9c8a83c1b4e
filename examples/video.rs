//! Follows the people of a video and prints where each of them is in every frame:
//!
//!     cargo run --release --example video -- walk.mp4

use std::error::Error;
use std::path::Path;
use tmpose::detect::Detector;
use tmpose::gpu::{self, DeviceChoice};
use tmpose::infer::Estimator;
use tmpose::live::{PeopleTracker, PeopleTrackerSettings};
use tmpose::source::{Source, VideoSource};
use tmpose::weights::{default_detector, default_weights};

fn main() -> Result<(), Box<dyn Error>> {
    let input = std::env::args().nth(1).ok_or("usage: video INPUT")?;
    let device = gpu::choose(DeviceChoice::Auto)?;
    let estimator = Estimator::load(&default_weights().ok_or("no pose weights")?, device.clone())?;
    let detector = Detector::load(&default_detector().ok_or("no detector weights")?, device)?;
    let mut people = PeopleTracker::new(estimator, Some(detector), PeopleTrackerSettings::default());

    let mut video = VideoSource::open(Path::new(&input))?;
    while let Some(frame) = video.next_frame()? {
        let seconds = frame.timestamp.as_secs_f64();
        // An id stays with a person from frame to frame; `pose` is smoothed, `raw` is not.
        for person in people.process(&frame)?.people {
            let [x, y] = person.bbox.center();
            println!(
                "{seconds:.3} s: person {} at {x:.0}, {y:.0}, score {:.2}",
                person.id.0, person.pose.score
            );
        }
    }
    Ok(())
}
