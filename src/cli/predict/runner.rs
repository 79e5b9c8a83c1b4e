//! Handles the inputs one by one: reads, estimates, draws and writes.

use super::boxes::{BoxFile, PersonBox};
use super::ids::{ImageIds, number_in_name};
use super::jobs::{Job, file_name};
use super::outputs::OutputFolder;
use super::results::{ImageEntry, ListedPerson, Results};
use crate::cli::terminal::errln;
use crate::draw::{PoseColors, draw_person};
use crate::files;
use crate::gpu::DeviceImage;
use crate::infer::{Estimator, Settings};
use crate::live::PeopleTracker;
use crate::pose::{Pose, Size, Skeleton};
use crate::source::{self, Frame, PictureFile, VideoWriter};
use crate::track::FrameInfo;
use crate::vision::BBox;
use anyhow::Context;
use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, ImageReader, RgbImage};
use indicatif::ProgressBar;
use std::collections::HashMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};
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
    /// Paths of the annotated pictures and videos.
    pub outputs: OutputFolder,
    /// Annotated pictures and videos are written, too.
    pub annotate: bool,
    /// What tells each input from the others.
    pub names: HashMap<PathBuf, String>,
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
            Job::Picture(picture, _) => self.picture(picture),
            Job::Video(path) => self.video(path),
        }
    }

    fn picture(&mut self, picture: &PictureFile) -> anyhow::Result<()> {
        let mut img = picture.load()?;
        let path = &picture.path;
        let frame_info = FrameInfo { still: true, ..FrameInfo::default() };
        let Some((id, people)) = self.estimate(&img, path, None, &frame_info)? else {
            return Ok(());
        };
        let (width, height) = img.dimensions();
        let (mut output, mut saved) = (None, Ok(()));
        if self.annotate {
            let format = written_format(path);
            let out = self.outputs.path_for(path, format.is_none().then_some("png"));
            self.draw(&mut img, &people);
            saved = save(&img, &out, format.unwrap_or(ImageFormat::Png));
            output = saved.is_ok().then(|| file_name(&out));
        }
        let entry = ImageEntry {
            id,
            file_name: self.names.get(path).map_or("", String::as_str),
            width,
            height,
            page: picture.page,
            output: output.as_deref(),
            frame: None,
            seconds: None,
        };
        // Pictures follow nobody.
        let listed = people.iter().map(|person| ListedPerson { track_id: None, ..person.listed() });
        self.results.add(&entry, &listed.collect::<Vec<ListedPerson>>()).and(saved)
    }

    fn video(&mut self, path: &Path) -> anyhow::Result<()> {
        let mut video = source::open_video(path, self.stop.clone())?;
        let info = video.info().clone();
        for note in &info.notes {
            self.note(note);
        }
        // The bar counts the video as one already.
        self.progress.inc_length(info.frames.unwrap_or(1).saturating_sub(1));
        let mut annotated = match self.annotate {
            true => {
                let out = self.outputs.path_for(path, written_as(path));
                let writer = VideoWriter::create(&out, info.size, info.fps)?;
                Some(AnnotatedVideo { name: file_name(&out), writer })
            }
            false => None,
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
                Err(error) if error.is_slight() => {
                    self.note(&error.to_string());
                    break Ok(());
                }
                Err(error) => break Err(error.into()),
            };
            if let Err(error) = self.frame(path, &frame, index, annotated.as_mut()) {
                break Err(error);
            }
            index += 1;
            self.progress.inc(1);
        };
        let finished = annotated.map_or(Ok(()), |annotated| annotated.writer.finish());
        outcome?;
        Ok(finished?)
    }

    fn frame(
        &mut self,
        path: &Path,
        frame: &Frame,
        index: u64,
        annotated: Option<&mut AnnotatedVideo>,
    ) -> anyhow::Result<()> {
        let frame_info = FrameInfo { timestamp: frame.timestamp, ..FrameInfo::default() };
        let mut people = Vec::new();
        if let Some((id, found)) = self.estimate(&frame.pixels, path, Some(index), &frame_info)? {
            people = found;
            let (width, height) = frame.pixels.dimensions();
            let entry = ImageEntry {
                id,
                file_name: self.names.get(path).map_or("", String::as_str),
                width,
                height,
                page: None,
                output: annotated.as_ref().map(|annotated| annotated.name.as_str()),
                frame: Some(index),
                seconds: Some(frame.timestamp.as_secs_f64()),
            };
            let listed: Vec<ListedPerson> = people.iter().map(PersonResult::listed).collect();
            self.results.add(&entry, &listed)?;
        }
        if let Some(annotated) = annotated {
            let mut drawn = RgbImage::clone(&frame.pixels);
            self.draw(&mut drawn, &people);
            annotated.writer.push(&drawn, frame.timestamp)?;
        }
        Ok(())
    }

    /// Says something without disturbing the bar.
    fn note(&self, text: &str) {
        self.progress.suspend(|| errln!("note: {text}"));
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

/// A video that is being written.
struct AnnotatedVideo {
    name: String,
    writer: VideoWriter,
}

/// A person in a picture.
struct PersonResult {
    pose: Pose,
    box_score: f64,
    /// The track's id; `None` for a box of a file.
    track_id: Option<u32>,
}

impl PersonResult {
    fn listed(&self) -> ListedPerson<'_> {
        ListedPerson { pose: &self.pose, box_score: self.box_score, track_id: self.track_id }
    }
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

/// The format of a picture's file, if it is one that pictures are written in.
fn written_format(path: &Path) -> Option<ImageFormat> {
    let format = ImageReader::open(path).ok()?.with_guessed_format().ok()?.format()?;
    format.writing_enabled().then_some(format)
}

/// Writes a picture.
fn save(img: &RgbImage, path: &Path, format: ImageFormat) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}: check the folder and the free space", path.display());
    let mut bytes = Cursor::new(Vec::new());
    match format {
        ImageFormat::Jpeg => JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY).encode_image(img),
        format => img.write_to(&mut bytes, format),
    }
    .with_context(cannot)?;
    files::write_whole(path, bytes.get_ref()).with_context(cannot)
}
