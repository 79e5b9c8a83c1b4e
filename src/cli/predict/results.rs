//! `keypoints.json` and `images.json`, written while the poses come in.

use crate::pose::Pose;
use anyhow::Context;
use serde::Serialize;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

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

/// The file, and the frame of a video, that an image id stands for, as in COCO's `images`.
#[derive(Clone, Debug, Serialize)]
pub struct ImageEntry<'a> {
    /// The image id.
    pub id: u64,
    /// Name of the picture or video, without folders.
    pub file_name: &'a str,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
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
            keypoints: JsonList::create(dir.join("keypoints.json"), "[", "]")?,
            images: JsonList::create(dir.join("images.json"), "{\"images\": [", "]}")?,
        })
    }

    /// Adds a person of the image `image_id`. `box_score` is the confidence of its box (docs/METHOD.md, "Rescoring and
    /// NMS"), `track_id` who it is in a video.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add_pose(
        &mut self,
        image_id: u64,
        pose: &Pose,
        box_score: f64,
        track_id: Option<u32>,
    ) -> anyhow::Result<()> {
        let keypoints = pose
            .keypoints
            .iter()
            .flat_map(|k| [rounded(k.x, 1e3), rounded(k.y, 1e3), rounded(k.score, 1e5)])
            .collect();
        let score = f64::from(pose.score) * box_score;
        self.keypoints.add(&PoseEntry { image_id, category_id: CATEGORY, keypoints, score, track_id })
    }

    /// Adds a picture or frame.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add_image(&mut self, image: &ImageEntry) -> anyhow::Result<()> {
        self.images.add(image)
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

/// A JSON list on disk that grows item by item.
struct JsonList {
    out: BufWriter<NamedTempFile>,
    path: PathBuf,
    end: &'static str,
    items: u64,
}

impl JsonList {
    fn create(path: PathBuf, start: &str, end: &'static str) -> anyhow::Result<JsonList> {
        let dir = path.parent().unwrap_or(Path::new("."));
        let file = temporary(dir).with_context(|| cannot_write(&path))?;
        let mut out = BufWriter::new(file);
        out.write_all(start.as_bytes()).with_context(|| cannot_write(&path))?;
        Ok(JsonList { out, path, end, items: 0 })
    }

    fn add(&mut self, item: &impl Serialize) -> anyhow::Result<()> {
        let separator = if self.items == 0 { "\n" } else { ",\n" };
        self.out
            .write_all(separator.as_bytes())
            .map_err(serde_json::Error::io)
            .and_then(|()| serde_json::to_writer(&mut self.out, item))
            .with_context(|| cannot_write(&self.path))?;
        self.items += 1;
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<()> {
        let path = self.path;
        write!(self.out, "\n{}\n", self.end).with_context(|| cannot_write(&path))?;
        let file = self.out.into_inner().map_err(|e| e.into_error()).with_context(|| cannot_write(&path))?;
        file.as_file().sync_all().with_context(|| cannot_write(&path))?;
        file.persist(&path).map_err(|e| e.error).with_context(|| cannot_write(&path))?;
        Ok(())
    }
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

/// A temporary file that other users may read, unlike that crate's default.
fn temporary(dir: &Path) -> std::io::Result<NamedTempFile<File>> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tmpose-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
        builder.tempfile_in(dir)
    }
    #[cfg(not(unix))]
    builder.tempfile_in(dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pose::Keypoint;

    fn image(id: u64, frame: Option<u64>) -> ImageEntry<'static> {
        ImageEntry { id, file_name: "a.mp4", width: 4, height: 3, frame, seconds: None }
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
        results.add_pose(3, &pose, 0.5, None).unwrap();
        results.add_pose(3, &pose, 1.0, Some(7)).unwrap();
        results.add_image(&image(3, Some(0))).unwrap();
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
        assert_eq!(read("images.json")["images"][0]["frame"], 0);
    }

    #[test]
    fn no_poses_are_an_empty_list() {
        let dir = tempfile::tempdir().unwrap();
        Results::create(dir.path()).unwrap().finish().unwrap();
        let text = std::fs::read_to_string(dir.path().join("keypoints.json")).unwrap();
        assert_eq!(text.split_whitespace().collect::<String>(), "[]");
    }
}
