//! Files that are being written: under a temporary name beside their own, and known to the program, so that nothing stays
//! behind when it is ended in the middle.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Error, ErrorKind, Result, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tempfile::NamedTempFile;

/// How temporary names begin.
const PREFIX: &str = ".tmpose-";

/// What is to be removed when the program ends early.
enum Unfinished {
    File(PathBuf),
    /// A program that writes a file, and the file.
    Process(Arc<Mutex<Child>>, PathBuf),
}

static UNFINISHED: Mutex<Option<HashMap<u64, Unfinished>>> = Mutex::new(None);

/// A line in the list of what is unfinished.
struct Entry(u64);

impl Entry {
    fn new(what: Unfinished) -> Entry {
        let mut list = list();
        let entries = list.get_or_insert_default();
        let id = entries.keys().max().map_or(0, |last| last + 1);
        entries.insert(id, what);
        Entry(id)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        list().get_or_insert_default().remove(&self.0);
    }
}

fn list() -> MutexGuard<'static, Option<HashMap<u64, Unfinished>>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes everything unfinished, and holds up who begins something new: for the moment before the program ends.
pub fn abandon_all() {
    let mut list = list();
    for what in list.take().into_iter().flatten() {
        // What is gone already needs no removal.
        match what.1 {
            Unfinished::File(path) => drop(std::fs::remove_file(path)),
            Unfinished::Process(child, path) => {
                let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = child.kill();
                let _ = child.wait();
                let _ = std::fs::remove_file(path);
            }
        }
    }
    std::mem::forget(list);
}

/// Whether a disk has no room for what was to be written.
pub fn is_full(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

/// A file that is being written. It goes away unless it is given its name.
pub struct PendingFile {
    file: NamedTempFile,
    _entry: Entry,
}

impl PendingFile {
    /// Begins the file that shall lie at `path`, in the same folder, so that the last step is a rename within one disk.
    ///
    /// # Errors
    /// The folder is not there or cannot be written to.
    pub fn beside(path: &Path) -> Result<PendingFile> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX);
        #[cfg(unix)]
        {
            // That crate's files are private; these are for everyone whom the user lets read files.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(folder)?;
        let entry = Entry::new(Unfinished::File(file.path().to_owned()));
        Ok(PendingFile { file, _entry: entry })
    }

    /// The open file.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Gives the file its name; what had it before is replaced.
    ///
    /// # Errors
    /// The disk is full, or the system does not allow it; there is no file then.
    pub fn finish(self, path: &Path) -> Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist(path).map(drop).map_err(|error| error.error)
    }
}

/// Writes a whole file; what had its name before is replaced when all is written.
///
/// # Errors
/// The folder cannot be written to, or the disk is full; the file is as it was then.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut pending = PendingFile::beside(path)?;
    pending.file().write_all(bytes)?;
    pending.finish(path)
}

/// A program that writes a file under a temporary name.
pub struct PendingProcess {
    child: Arc<Mutex<Child>>,
    unfinished: PathBuf,
    _entry: Entry,
}

impl PendingProcess {
    /// A temporary name for a program that shall write the file at `path`. Nothing is made yet.
    pub fn name_beside(path: &Path) -> PathBuf {
        let extension = path.extension().map(|e| format!(".{}", e.to_string_lossy())).unwrap_or_default();
        let number = rand::random::<u64>();
        path.with_file_name(format!("{PREFIX}{number:016x}{extension}"))
    }

    /// The `child` that writes `unfinished`.
    pub fn new(child: Child, unfinished: PathBuf) -> PendingProcess {
        let child = Arc::new(Mutex::new(child));
        let entry = Entry::new(Unfinished::Process(child.clone(), unfinished.clone()));
        PendingProcess { child, unfinished, _entry: entry }
    }

    /// The temporary name.
    pub fn unfinished(&self) -> &Path {
        &self.unfinished
    }

    /// Waits until the program has ended.
    ///
    /// # Errors
    /// The system cannot say.
    pub fn wait(&self) -> Result<ExitStatus> {
        loop {
            // Not locked while it waits: the program may have to be ended.
            if let Some(status) = self.child().try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Gives the file its name; what had it before is replaced.
    ///
    /// # Errors
    /// The system does not allow it.
    pub fn finish(self, path: &Path) -> Result<()> {
        std::fs::rename(&self.unfinished, path)
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PendingProcess {
    /// Ends the program and removes its file. Both fail only when there is nothing to do.
    fn drop(&mut self) {
        let mut child = self.child();
        let _ = child.kill();
        let _ = child.wait();
        let _ = std::fs::remove_file(&self.unfinished);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_complete_or_absent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        std::fs::write(&path, "before").unwrap();
        let mut pending = PendingFile::beside(&path).unwrap();
        pending.file().write_all(b"half").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"before");
        drop(pending);
        assert_eq!(names(dir.path()), ["a.txt"]);
        write_whole(&path, b"after").unwrap();
        assert_eq!(
            (names(dir.path()), std::fs::read(&path).unwrap()),
            (vec!["a.txt".into()], b"after".to_vec())
        );
        assert!(write_whole(&dir.path().join("none/b.txt"), b"").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_finished_file_does_not_write_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("mine"), dir.path().join("link"));
        std::fs::write(&target, "mine").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write_whole(&link, b"new").unwrap();
        assert_eq!(
            (std::fs::read(&target).unwrap(), std::fs::read(&link).unwrap()),
            (b"mine".to_vec(), b"new".to_vec())
        );
    }
}
