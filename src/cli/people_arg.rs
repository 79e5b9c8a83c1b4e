//! `--people` and `--detector`, which several subcommands share.

use crate::track::FollowMode;
use anyhow::bail;
use std::path::{Path, PathBuf};

/// The value of `--detector` that means none.
const NONE: &str = "none";

/// The value of `--people`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum PeopleArg {
    /// Everybody
    #[default]
    All,
    /// The person with the largest box
    Largest,
    /// The person nearest to the middle of the picture
    #[value(alias = "center")]
    Centre,
}

impl PeopleArg {
    /// What it asks for.
    pub fn mode(self) -> FollowMode {
        match self {
            PeopleArg::All => FollowMode::All,
            PeopleArg::Largest => FollowMode::Largest,
            PeopleArg::Centre => FollowMode::Centre,
        }
    }
}

/// The file that `--detector` names; none for "none".
///
/// # Errors
/// There is no such file.
pub fn named_detector(value: &Path) -> anyhow::Result<Option<PathBuf>> {
    if value.as_os_str() == NONE {
        return Ok(None);
    }
    if !value.is_file() {
        bail!("the detector file {} does not exist: check the path, or use --detector none", value.display());
    }
    Ok(Some(value.to_owned()))
}
