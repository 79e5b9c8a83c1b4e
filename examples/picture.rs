//! Finds the people in a picture, prints their joints, and writes the picture with their skeletons:
//!
//!     cargo run --release --example picture -- people.jpg annotated.png

use std::error::Error;
use std::path::Path;
use tmpose::detect::Detector;
use tmpose::draw::{PoseColors, draw_person};
use tmpose::gpu::{self, DeviceChoice, DeviceImage};
use tmpose::infer::Estimator;
use tmpose::live::{PeopleTracker, PeopleTrackerSettings};
use tmpose::source::load_picture;
use tmpose::track::FrameInfo;
use tmpose::weights::{default_detector, default_weights};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output] = arguments.as_slice() else { return Err("usage: picture INPUT OUTPUT".into()) };

    // A GPU where there is one, else the CPU; the weights are those in the folder `weights`.
    let device = gpu::choose(DeviceChoice::Auto)?;
    let estimator = Estimator::load(&default_weights().ok_or("no pose weights")?, device.clone())?;
    let detector = Detector::load(&default_detector().ok_or("no detector weights")?, device)?;
    let mut people = PeopleTracker::new(estimator, Some(detector), PeopleTrackerSettings::default());

    let mut picture = load_picture(Path::new(input))?;
    let info = FrameInfo { still: true, ..FrameInfo::default() };
    let result = people.process_image(&DeviceImage::new(&picture), &info)?;
    for person in &result.people {
        println!("person {}, score {:.2}", person.id.0, person.pose.score);
        for (joint, keypoint) in people.skeleton().joints.iter().zip(&person.pose.keypoints) {
            println!("  {joint}: {:.1}, {:.1} ({:.2})", keypoint.x, keypoint.y, keypoint.score);
        }
        let colors = PoseColors::Person(person.id.0);
        draw_person(&mut picture, &person.pose, people.skeleton(), 0.2, colors);
    }
    Ok(picture.save(output)?)
}
