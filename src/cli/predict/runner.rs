//! Does the jobs: reads, estimates, draws, writes.

use super::boxes::{BoxFile, PersonBox};
use super::ids::{Ids, number_in_name};
use super::jobs::{Job, OutputNames, file_name};
use super::results::{ImageEntry, Results};
use crate::infer::{BoxTracker, Estimator, InferError, Settings};
use crate::pose::{Pose, Skeleton};
use crate::source::{Frame, Source, VideoSource, VideoWriter, load_picture};
use crate::vision::{BBox, draw_pose};
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

/// What stays the same from job to job.
pub struct Runner {
    pub estimator: Estimator,
    pub settings: Settings,
    pub boxes: Option<BoxFile>,
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
        let mut tracker = BoxTracker::new();
        let found = self.find(&img, &mut tracker)?;
        let Some((id, persons)) = self.look_up(path, None, found) else {
            return Ok(());
        };
        let poses = self.estimate(&img, id, &persons)?;
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
            self.draw(&mut img, &poses);
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
        let mut tracker = BoxTracker::new();
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
        tracker: &mut BoxTracker,
        writer: Option<&mut VideoWriter>,
    ) -> anyhow::Result<()> {
        let (width, height) = frame.pixels.dimensions();
        let found = self.find(&frame.pixels, tracker)?;
        let mut poses = Vec::new();
        if let Some((id, persons)) = self.look_up(path, Some(index), found) {
            poses = self.estimate(&frame.pixels, id, &persons)?;
            if self.boxes.is_none()
                && let [pose] = poses.as_slice()
            {
                tracker.update(pose, width, height);
            }
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
            self.draw(&mut drawn, &poses);
            writer.push(&drawn, frame.timestamp)?;
        }
        Ok(())
    }

    /// Where the one person is that is looked for without a box file.
    fn find(&mut self, img: &RgbImage, tracker: &mut BoxTracker) -> anyhow::Result<BBox> {
        let (width, height) = img.dimensions();
        if self.boxes.is_none() && !tracker.is_following() {
            tracker.search(width, height, |at| {
                let (estimates, ..) = self.estimator.estimate(img, &[at], &self.settings, false)?;
                Ok::<_, InferError>(estimates.into_iter().next().map(|e| e.pose))
            })?;
        }
        Ok(tracker.next_box(width, height))
    }

    /// The image's id and the persons to look at; none if there is a box file that does not name it.
    /// Without a box file the one person is looked for in `fallback`.
    fn look_up(&mut self, path: &Path, frame: Option<u64>, fallback: BBox) -> Option<(u64, Vec<PersonBox>)> {
        let number = || number_in_name(&file_name(path)).filter(|_| frame.is_none());
        let Some(boxes) = &self.boxes else {
            let person = PersonBox { bbox: fallback, score: 1.0, annotated: false };
            return Some((self.ids.take(number()), vec![person]));
        };
        let id = if boxes.is_detections() { number() } else { boxes.image_id(path, frame) };
        match id {
            Some(id) => Some((id, boxes.persons(id).to_vec())),
            None => {
                self.without_boxes += 1;
                None
            }
        }
    }

    /// Estimates the persons and adds them to the results.
    fn estimate(&mut self, img: &RgbImage, id: u64, persons: &[PersonBox]) -> anyhow::Result<Vec<Pose>> {
        let (width, height) = img.dimensions();
        // A box that annotation or detector left without area holds nobody.
        let (boxes, scores): (Vec<BBox>, Vec<f64>) = persons
            .iter()
            .filter_map(|p| {
                let bbox = if p.annotated { p.bbox.clipped(width, height)? } else { p.bbox };
                (bbox.w >= 1.0 && bbox.h >= 1.0).then_some((bbox, p.score))
            })
            .unzip();
        let (estimates, ..) = self.estimator.estimate(img, &boxes, &self.settings, false)?;
        let poses: Vec<Pose> = estimates.into_iter().map(|e| e.pose).collect();
        for (pose, score) in poses.iter().zip(scores) {
            self.results.add_pose(id, pose, score)?;
        }
        Ok(poses)
    }

    fn draw(&self, img: &mut RgbImage, poses: &[Pose]) {
        let skeleton: &Skeleton = &self.estimator.info().skeleton;
        for pose in poses {
            draw_pose(img, pose, skeleton, self.min_score);
        }
    }
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
