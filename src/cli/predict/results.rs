//! `keypoints.json` and `images.json`, written while the poses come in.

use super::outputs::{IMAGES, KEYPOINTS};
use crate::files::PendingFile;
use crate::pose::{Keypoint, Pose};
use anyhow::Context;
use serde::Serialize;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// COCO's id of the category "person".
const CATEGORY: u64 = 1;

/// A pose in COCO's results format.
#[derive(Serialize)]
struct PoseEntry {
    image_id: u64,
    category_id: u64,
    /// x, y and score of each joint.
    keypoints: Vec<f64>,
    score: f64,
    /// Who it is in a video: the same number for the same person.
    #[serde(skip_serializing_if = "Option::is_none")]
    track_id: Option<u32>,
}

/// Somebody in a picture.
#[derive(Clone, Copy, Debug)]
pub struct ListedPerson<'a> {
    /// In picture pixels.
    pub pose: &'a Pose,
    /// Confidence of the box (docs/METHOD.md, "Rescoring and NMS").
    pub box_score: f64,
    /// Who it is in a video.
    pub track_id: Option<u32>,
}

impl PoseEntry {
    fn of(image_id: u64, person: &ListedPerson) -> PoseEntry {
        let rounded_keypoint = |k: &Keypoint| [rounded(k.x, 1e3), rounded(k.y, 1e3), rounded(k.score, 1e5)];
        PoseEntry {
            image_id,
            category_id: CATEGORY,
            keypoints: person.pose.keypoints.iter().flat_map(rounded_keypoint).collect(),
            score: f64::from(person.pose.score) * person.box_score,
            track_id: person.track_id,
        }
    }
}

/// The file, and the frame of a video, that an image id stands for, as in COCO's `images`.
#[derive(Clone, Debug, Serialize)]
pub struct ImageEntry<'a> {
    /// The image id.
    pub id: u64,
    /// Name of the picture or video, with so many of its folders as tell it from others of the run.
    pub file_name: &'a str,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Which of a file's pages, from 1, where it has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// Name of the annotated picture or video.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<&'a str>,
    /// Number of the frame in a video, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<u64>,
    /// The frame's media time in a video.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// The two result files. They appear under their names only when [`Results::finish`] has completed
/// them, so a reader never meets half a file.
pub struct Results {
    keypoints: JsonList,
    images: JsonList,
}

impl Results {
    /// Begins both files in a folder that exists.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn create(dir: &Path) -> anyhow::Result<Results> {
        Ok(Results {
            keypoints: JsonList::create(dir.join(KEYPOINTS), "[", "\n]\n")?,
            images: JsonList::create(dir.join(IMAGES), "{\"images\": [", "\n]}\n")?,
        })
    }

    /// Adds a picture or frame and the people in it; none of it where there is no room for all of it.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn add(&mut self, image: &ImageEntry, people: &[ListedPerson]) -> anyhow::Result<()> {
        let before = self.keypoints.mark();
        let added = people.iter().try_for_each(|person| self.keypoints.add(&PoseEntry::of(image.id, person)));
        let added = added.and_then(|()| self.images.add(image));
        if added.is_err() {
            self.keypoints.back_to(before);
        }
        added
    }

    /// Poses written so far.
    pub fn poses(&self) -> u64 {
        self.keypoints.items
    }

    /// Pictures and frames written so far.
    pub fn images(&self) -> u64 {
        self.images.items
    }

    /// Closes both files and gives them their names.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn finish(self) -> anyhow::Result<()> {
        self.keypoints.finish()?;
        self.images.finish()
    }
}

/// A number rounded to one part in `steps`, which keeps the file small.
fn rounded(value: f32, steps: f64) -> f64 {
    (f64::from(value) * steps).round() / steps
}

/// A JSON list on disk that grows item by item. It can always be closed: the room for its end is taken beforehand.
struct JsonList {
    out: PendingFile,
    path: PathBuf,
    end: &'static str,
    /// What counts of the file, and how far it reaches on the disk, in bytes.
    length: u64,
    reserved: u64,
    items: u64,
}

/// So much room is taken at a time, in bytes.
const RESERVE: u64 = 4096;

impl JsonList {
    fn create(path: PathBuf, start: &str, end: &'static str) -> anyhow::Result<JsonList> {
        let out = PendingFile::beside(&path).with_context(|| cannot_write(&path))?;
        let mut list = JsonList { out, path, end, length: 0, reserved: 0, items: 0 };
        list.write(start.as_bytes())?;
        Ok(list)
    }

    fn add(&mut self, item: &impl Serialize) -> anyhow::Result<()> {
        let mut bytes = if self.items == 0 { b"\n".to_vec() } else { b",\n".to_vec() };
        serde_json::to_writer(&mut bytes, item).with_context(|| cannot_write(&self.path))?;
        self.write(&bytes)?;
        self.items += 1;
        Ok(())
    }

    /// Appends to the file, if there is room for its end behind that.
    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let need = self.length + (bytes.len() + self.end.len()) as u64;
        let file = self.out.file();
        let written = (|| {
            if need > self.reserved {
                let more = (need - self.reserved).next_multiple_of(RESERVE);
                file.seek(SeekFrom::Start(self.reserved))?;
                file.write_all(&vec![b' '; more as usize])?;
                self.reserved += more;
            }
            file.seek(SeekFrom::Start(self.length))?;
            file.write_all(bytes)
        })();
        written.with_context(|| cannot_write(&self.path))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// How far the list goes.
    fn mark(&self) -> (u64, u64) {
        (self.length, self.items)
    }

    /// Forgets what was added since.
    fn back_to(&mut self, (length, items): (u64, u64)) {
        (self.length, self.items) = (length, items);
    }

    fn finish(mut self) -> anyhow::Result<()> {
        let file = self.out.file();
        let closed = (|| {
            file.seek(SeekFrom::Start(self.length))?;
            file.write_all(self.end.as_bytes())?;
            file.set_len(self.length + self.end.len() as u64)
        })();
        let path = self.path;
        closed.and_then(|()| self.out.finish(&path)).with_context(|| cannot_write(&path))
    }
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn image(id: u64, frame: Option<u64>) -> ImageEntry<'static> {
        ImageEntry {
            id,
            file_name: "a.mp4",
            width: 4,
            height: 3,
            page: None,
            output: Some("a-2.mp4"),
            frame,
            seconds: None,
        }
    }

    #[test]
    fn files_appear_complete_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let results = Results::create(dir.path()).unwrap();
        assert!(!dir.path().join("keypoints.json").exists());
        drop(results);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");

        let mut results = Results::create(dir.path()).unwrap();
        let pose = Pose { keypoints: vec![Keypoint { x: 1.23456, y: 2.0, score: 0.5 }; 17], score: 0.5 };
        let person = |box_score, track_id| ListedPerson { pose: &pose, box_score, track_id };
        results.add(&image(3, Some(0)), &[person(0.5, None), person(1.0, Some(7))]).unwrap();
        results.finish().unwrap();

        let read = |name| -> serde_json::Value {
            serde_json::from_slice(&std::fs::read(dir.path().join(name)).unwrap()).unwrap()
        };
        let poses = read("keypoints.json");
        assert_eq!(poses.as_array().unwrap().len(), 2);
        assert_eq!(poses[0]["image_id"], 3);
        assert_eq!(poses[0]["category_id"], 1);
        assert_eq!(poses[0]["score"], 0.25);
        assert!(poses[0].get("track_id").is_none());
        assert_eq!(poses[1]["track_id"], 7);
        assert_eq!(poses[0]["keypoints"].as_array().unwrap().len(), 51);
        assert_eq!(poses[0]["keypoints"][0], 1.235);
        let images = read("images.json");
        assert_eq!(
            (&images["images"][0]["frame"], &images["images"][0]["output"]),
            (&json!(0), &json!("a-2.mp4"))
        );
    }

    #[test]
    fn a_list_may_be_long_and_what_did_not_fit_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let mut list = JsonList::create(dir.path().join("list.json"), "[", "\n]\n").unwrap();
        for number in 0..5000 {
            list.add(&number).unwrap();
            let mark = list.mark();
            list.add(&"not this").unwrap();
            list.back_to(mark);
        }
        list.finish().unwrap();
        let read: Vec<u32> =
            serde_json::from_slice(&std::fs::read(dir.path().join("list.json")).unwrap()).unwrap();
        assert_eq!(read, (0..5000).collect::<Vec<u32>>());
    }

    #[test]
    fn no_poses_are_an_empty_list() {
        let dir = tempfile::tempdir().unwrap();
        Results::create(dir.path()).unwrap().finish().unwrap();
        let text = std::fs::read_to_string(dir.path().join("keypoints.json")).unwrap();
        assert_eq!(text.split_whitespace().collect::<String>(), "[]");
    }
}
