//! Whether two paths are one file.

use std::path::{Path, PathBuf};

/// A file that is there, whatever path leads to it: through links, other folders, another letter case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileId(Id);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Id {
    /// Its device and number.
    #[cfg(unix)]
    Number(u64, u64),
    /// Its path without links.
    #[cfg_attr(unix, allow(dead_code))] // What other systems have.
    Path(PathBuf),
}

impl FileId {
    /// The file that `path` leads to; none where nothing is.
    #[cfg(unix)]
    pub fn of(path: &Path) -> Option<FileId> {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(path).ok()?;
        Some(FileId(Id::Number(metadata.dev(), metadata.ino())))
    }

    /// The file that `path` leads to; none where nothing is.
    #[cfg(not(unix))]
    pub fn of(path: &Path) -> Option<FileId> {
        Some(FileId(Id::Path(path.canonicalize().ok()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_to_a_file_is_that_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("a"), "1").unwrap();
        std::fs::write(path("b"), "1").unwrap();
        std::fs::hard_link(path("a"), path("hard")).unwrap();
        assert_eq!(FileId::of(&path("a")), FileId::of(&path("./a")));
        assert_ne!(FileId::of(&path("a")), FileId::of(&path("b")));
        assert_eq!(FileId::of(&path("none")), None);
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(path("a"), path("soft")).unwrap();
            assert_eq!(FileId::of(&path("a")), FileId::of(&path("soft")));
            assert_eq!(FileId::of(&path("a")), FileId::of(&path("hard")));
        }
    }
}
