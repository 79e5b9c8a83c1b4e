//! Handles the inputs one by one: reads, estimates, draws and writes.

use super::boxes::{BoxFile, PersonBox};
use super::ids::{ImageIds, number_in_name};
use super::jobs::{Job, OutputNames, file_name};
use super::results::{ImageEntry, Results};
use crate::draw::{PoseColors, draw_person};
use crate::gpu::DeviceImage;
use crate::infer::{Estimator, Settings};
use crate::live::PeopleTracker;
use crate::pose::{Pose, Size, Skeleton};
use crate::source::{Frame, Source, VideoSource, VideoWriter, load_picture};
use crate::track::FrameInfo;
use crate::vision::BBox;
use anyhow::Context;
use image::RgbImage;
use indicatif::ProgressBar;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Quality of annotated JPEGs, 1 to 100.
const JPEG_QUALITY: u8 = 92;
/// Containers that videos are written in; the first one stands in for all others.
const CONTAINERS: [&str; 4] = ["mp4", "m4v", "mov", "mkv"];

/// Where the boxes of people come from.
// One of these exists.
#[allow(clippy::large_enum_variant)]
pub enum PeopleSource {
    /// From a file (`--boxes`).
    Boxes {
        /// The file.
        boxes: BoxFile,
        /// The pose network.
        estimator: Estimator,
        /// How the network is run.
        settings: Settings,
    },
    /// From the person detector and the tracker.
    Found {
        /// Finds them and estimates their poses.
        people: PeopleTracker,
        /// There may be several, who are told apart by colours.
        several: bool,
    },
}

/// What stays the same from input to input.
pub struct PredictRunner {
    /// Where the boxes of people come from.
    pub people: PeopleSource,
    /// Of the poses.
    pub skeleton: Skeleton,
    /// Paths of the annotated pictures and videos; `None` writes none.
    pub outputs: Option<OutputNames>,
    /// Joints below this score are not drawn.
    pub min_score: f32,
    /// `keypoints.json` and `images.json`.
    pub results: Results,
    /// The image ids of pictures and frames.
    pub ids: ImageIds,
    /// Raised when the user asks to stop.
    pub stop: Arc<AtomicBool>,
    /// Counts pictures and frames.
    pub progress: ProgressBar,
    /// Pictures and frames that the box file does not name.
    pub without_boxes: u64,
}

impl PredictRunner {
    /// True when the user asked to stop.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Handles one input; what was written before an error stays.
    ///
    /// # Errors
    /// The input cannot be read, a result cannot be written, or a network fails.
    pub fn run(&mut self, job: &Job) -> anyhow::Result<()> {
        if let PeopleSource::Found { people, .. } = &mut self.people {
            people.reset();
        }
        match job {
            Job::Picture(path) => self.picture(path),
            Job::Video(path) => self.video(path),
        }
    }

    fn picture(&mut self, path: &Path) -> anyhow::Result<()> {
        let mut img = load_picture(path)?;
        let frame_info = FrameInfo { still: true, ..FrameInfo::default() };
        let Some((id, people)) = self.estimate(&img, path, None, &frame_info)? else {
            return Ok(());
        };
        for person in &people {
            self.results.add_pose(id, &person.pose, person.box_score, None)?;
        }
        let name = file_name(path);
        let (width, height) = img.dimensions();
        self.results.add_image(&ImageEntry {
            id,
            file_name: &name,
            width,
            height,
            frame: None,
            seconds: None,
        })?;
        if let Some(outputs) = &mut self.outputs {
            let out = outputs.path_for(path, None)?;
            self.draw(&mut img, &people);
            save(&img, &out)?;
        }
        Ok(())
    }

    fn video(&mut self, path: &Path) -> anyhow::Result<()> {
        let mut video = VideoSource::open(path)?;
        let info = video.info().clone();
        // The bar counts the video as one already.
        self.progress.inc_length(info.frames.unwrap_or(1).saturating_sub(1));
        let mut writer = match &mut self.outputs {
            Some(outputs) => {
                let out = outputs.path_for(path, written_as(path))?;
                Some(VideoWriter::create(&out, info.size, info.fps)?)
            }
            None => None,
        };
        let mut index = 0;
        // The writer is finished even after an error, so that a damaged end costs only the end.
        let outcome = loop {
            if self.stopped() {
                break Ok(());
            }
            let frame = match video.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error.into()),
            };
            if let Err(error) = self.frame(path, &frame, index, writer.as_mut()) {
                break Err(error);
            }
            index += 1;
            self.progress.inc(1);
        };
        let finished = writer.map_or(Ok(()), VideoWriter::finish);
        outcome?;
        Ok(finished?)
    }

    fn frame(
        &mut self,
        path: &Path,
        frame: &Frame,
        index: u64,
        writer: Option<&mut VideoWriter>,
    ) -> anyhow::Result<()> {
        let frame_info = FrameInfo { timestamp: frame.timestamp, ..FrameInfo::default() };
        let mut people = Vec::new();
        if let Some((id, found)) = self.estimate(&frame.pixels, path, Some(index), &frame_info)? {
            people = found;
            for person in &people {
                self.results.add_pose(id, &person.pose, person.box_score, person.track_id)?;
            }
            let (width, height) = frame.pixels.dimensions();
            self.results.add_image(&ImageEntry {
                id,
                file_name: &file_name(path),
                width,
                height,
                frame: Some(index),
                seconds: Some(frame.timestamp.as_secs_f64()),
            })?;
        }
        if let Some(writer) = writer {
            let mut drawn = RgbImage::clone(&frame.pixels);
            self.draw(&mut drawn, &people);
            writer.push(&drawn, frame.timestamp)?;
        }
        Ok(())
    }

    /// The id and the people of a picture, or of one frame of a video; none if there is a box file that does
    /// not name it.
    fn estimate(
        &mut self,
        img: &RgbImage,
        path: &Path,
        frame: Option<u64>,
        frame_info: &FrameInfo,
    ) -> anyhow::Result<Option<(u64, Vec<PersonResult>)>> {
        let number = || number_in_name(&file_name(path)).filter(|_| frame.is_none());
        match &mut self.people {
            PeopleSource::Found { people, .. } => {
                let people = people.process_image(&DeviceImage::new(img), frame_info)?.people;
                let seen = people.into_iter().map(|p| PersonResult {
                    pose: p.pose,
                    box_score: f64::from(p.box_score),
                    track_id: Some(p.id.0),
                });
                Ok(Some((self.ids.take(number()), seen.collect())))
            }
            PeopleSource::Boxes { boxes, estimator, settings } => {
                let id = if boxes.is_detections() { number() } else { boxes.image_id(path, frame) };
                let Some(id) = id else {
                    self.without_boxes += 1;
                    return Ok(None);
                };
                let (at, scores) = usable(boxes.persons(id), img.dimensions().into());
                let estimates = estimator.estimate(img, &at, settings, false)?.estimates;
                let seen = estimates.into_iter().zip(scores);
                let seen =
                    seen.map(|(e, box_score)| PersonResult { pose: e.pose, box_score, track_id: None });
                Ok(Some((id, seen.collect())))
            }
        }
    }

    /// Draws the people, each in its own colour where several may be told apart.
    fn draw(&self, img: &mut RgbImage, people: &[PersonResult]) {
        let several = matches!(self.people, PeopleSource::Found { several: true, .. });
        for one in people {
            let colors = one.track_id.filter(|_| several).map_or(PoseColors::Sides, PoseColors::Person);
            draw_person(img, &one.pose, &self.skeleton, self.min_score, colors);
        }
    }
}

/// A person in a picture.
struct PersonResult {
    pose: Pose,
    box_score: f64,
    /// The track's id; `None` for a box of a file.
    track_id: Option<u32>,
}

/// The boxes of a file that have an area, and their scores.
fn usable(persons: &[PersonBox], picture: Size) -> (Vec<BBox>, Vec<f64>) {
    persons
        .iter()
        .filter_map(|p| {
            let bbox = if p.annotated { p.bbox.clipped(picture)? } else { p.bbox };
            (bbox.w >= 1.0 && bbox.h >= 1.0).then_some((bbox, p.score))
        })
        .unzip()
}

/// The extension to change a video's name to, if it is not one that is written.
fn written_as(path: &Path) -> Option<&'static str> {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    let kept = CONTAINERS.iter().any(|known| extension == *known);
    (!kept).then_some(CONTAINERS[0])
}

/// Writes a picture in the format of its name.
fn save(img: &RgbImage, path: &Path) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}: check the folder and the free space", path.display());
    let jpeg = image::ImageFormat::from_path(path).is_ok_and(|f| f == image::ImageFormat::Jpeg);
    if jpeg {
        let mut file = std::io::BufWriter::new(std::fs::File::create(path).with_context(cannot)?);
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY)
            .encode_image(img)
            .with_context(cannot)?;
        std::io::Write::flush(&mut file).with_context(cannot)
    } else {
        img.save(path).with_context(cannot)
    }
}
