//! Does the jobs: reads, estimates, draws, writes.

use super::boxes::{BoxFile, PersonBox};
use super::ids::{Ids, number_in_name};
use super::jobs::{Job, OutputNames, file_name};
use super::people::Finder;
use super::results::{ImageEntry, Results};
use crate::draw::{PoseColors, draw_person};
use crate::infer::{Estimator, Settings};
use crate::pose::{Pose, Size};
use crate::source::{Frame, Source, VideoSource, VideoWriter, load_picture};
use crate::track::{FrameInfo, Tracker};
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

/// Where the people are.
// One of these exists.
#[allow(clippy::large_enum_variant)]
pub enum Who {
    /// A file says it.
    Boxes(BoxFile),
    /// They are looked for.
    Found(Finder),
}

/// What stays the same from job to job.
pub struct Runner {
    pub estimator: Estimator,
    pub settings: Settings,
    pub who: Who,
    /// None: no annotated pictures and videos, only the result files.
    pub outputs: Option<OutputNames>,
    /// Joints below this score are not drawn.
    pub min_score: f32,
    pub results: Results,
    pub ids: Ids,
    pub stop: Arc<AtomicBool>,
    pub progress: ProgressBar,
    /// Pictures and frames that the box file does not name.
    pub without_boxes: u64,
}

impl Runner {
    /// True when the user asked to stop.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Does one job; what was done before an error stays done.
    pub fn run(&mut self, job: &Job) -> anyhow::Result<()> {
        match job {
            Job::Picture(path) => self.picture(path),
            Job::Video(path) => self.video(path),
        }
    }

    fn picture(&mut self, path: &Path) -> anyhow::Result<()> {
        let mut img = load_picture(path)?;
        let mut tracker = self.tracker();
        let frame_info = FrameInfo { still: true, ..FrameInfo::default() };
        let Some((id, seen)) = self.estimate(&img, path, None, &frame_info, &mut tracker)? else {
            return Ok(());
        };
        for one in &seen {
            self.results.add_pose(id, &one.pose, one.box_score, None)?;
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
            self.draw(&mut img, &seen);
            save(&img, &out)?;
        }
        Ok(())
    }

    fn video(&mut self, path: &Path) -> anyhow::Result<()> {
        let mut video = VideoSource::open(path)?;
        let info = video.info().clone();
        // The job counts as one already.
        self.progress.inc_length(info.frames.unwrap_or(1).saturating_sub(1));
        let mut writer = match &mut self.outputs {
            Some(outputs) => {
                let out = outputs.path_for(path, written_as(path))?;
                Some(VideoWriter::create(&out, info.size, info.fps)?)
            }
            None => None,
        };
        let mut tracker = self.tracker();
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
            if let Err(error) = self.frame(path, &frame, index, &mut tracker, writer.as_mut()) {
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
        tracker: &mut Tracker,
        writer: Option<&mut VideoWriter>,
    ) -> anyhow::Result<()> {
        let frame_info = FrameInfo { timestamp: frame.timestamp, ..FrameInfo::default() };
        let mut people = Vec::new();
        if let Some((id, seen)) = self.estimate(&frame.pixels, path, Some(index), &frame_info, tracker)? {
            for one in &seen {
                self.results.add_pose(id, &one.pose, one.box_score, one.number)?;
            }
            people = seen;
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

    /// Follows the people of one input.
    fn tracker(&self) -> Tracker {
        Tracker::new(self.estimator.info().skeleton.sigmas.clone())
    }

    /// The id and the people of a picture, or of one frame of a video; none if there is a box file that does
    /// not name it.
    fn estimate(
        &mut self,
        img: &RgbImage,
        path: &Path,
        frame: Option<u64>,
        frame_info: &FrameInfo,
        tracker: &mut Tracker,
    ) -> anyhow::Result<Option<(u64, Vec<Seen>)>> {
        let number = || number_in_name(&file_name(path)).filter(|_| frame.is_none());
        match &mut self.who {
            Who::Found(finder) => {
                let people = finder.people(img, frame_info, tracker, &mut self.estimator, &self.settings)?;
                let seen = people.into_iter().map(|p| Seen {
                    pose: p.pose,
                    box_score: f64::from(p.box_score),
                    number: Some(p.id.0),
                });
                Ok(Some((self.ids.take(number()), seen.collect())))
            }
            Who::Boxes(boxes) => {
                let id = if boxes.is_detections() { number() } else { boxes.image_id(path, frame) };
                let Some(id) = id else {
                    self.without_boxes += 1;
                    return Ok(None);
                };
                let (at, scores) = usable(boxes.persons(id), img.dimensions().into());
                let (estimates, ..) = self.estimator.estimate(img, &at, &self.settings, false)?;
                let seen = estimates.into_iter().zip(scores);
                let seen = seen.map(|(e, box_score)| Seen { pose: e.pose, box_score, number: None });
                Ok(Some((id, seen.collect())))
            }
        }
    }

    /// Draws the people, each in its own colour where several may be told apart.
    fn draw(&self, img: &mut RgbImage, people: &[Seen]) {
        let several = matches!(&self.who, Who::Found(finder) if finder.finds_several());
        for one in people {
            let colors = one.number.filter(|_| several).map_or(PoseColors::Sides, PoseColors::Person);
            draw_person(img, &one.pose, &self.estimator.info().skeleton, self.min_score, colors);
        }
    }
}

/// A person in a picture.
struct Seen {
    pose: Pose,
    box_score: f64,
    /// Who it is, if it was found and not given by a file.
    number: Option<u32>,
}

/// The boxes of a file that can be looked at, and their scores. A box that annotation or detector left without
/// area holds nobody.
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
