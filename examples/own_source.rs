//! Poses in frames of your own: here raw RGB frames from standard input, as ffmpeg writes them:
//!
//!     ffmpeg -i walk.mp4 -f rawvideo -pix_fmt rgb24 - | cargo run --release --example own_source -- 640 480 25

use image::RgbImage;
use std::error::Error;
use std::io::Read;
use std::time::Duration;
use tmpose::detect::Detector;
use tmpose::gpu::{self, DeviceChoice, DeviceImage};
use tmpose::infer::Estimator;
use tmpose::live::{PeopleTracker, PeopleTrackerSettings};
use tmpose::track::FrameInfo;
use tmpose::weights::{default_detector, default_weights};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<u32> = std::env::args().skip(1).map(|text| text.parse()).collect::<Result<_, _>>()?;
    let [width, height, fps] = arguments[..] else { return Err("usage: own_source WIDTH HEIGHT FPS".into()) };
    let device = gpu::choose(DeviceChoice::Auto)?;
    let estimator = Estimator::load(&default_weights().ok_or("no pose weights")?, device.clone())?;
    let detector = Detector::load(&default_detector().ok_or("no detector weights")?, device)?;
    let mut people = PeopleTracker::new(estimator, Some(detector), PeopleTrackerSettings::default());

    let mut pixels = RgbImage::new(width, height);
    for frame in 0.. {
        if std::io::stdin().read_exact(&mut pixels).is_err() {
            break; // The end of the stream.
        }
        // The tracker must know when a frame is shown; see `FrameInfo` for frames that do not follow each other.
        let info = FrameInfo { timestamp: Duration::from_secs(frame) / fps, ..FrameInfo::default() };
        for person in people.process_image(&DeviceImage::new(&pixels), &info)?.people {
            println!("frame {frame}: person {}, {:?}", person.id.0, person.pose.keypoints[0]);
        }
    }
    Ok(())
}
