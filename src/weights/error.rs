//! What can be wrong with a weight file, each in one sentence that names the file and the way out.

use std::path::PathBuf;

use super::container::NetworkKind;

/// Why a weight file cannot be used or written.
// The fields are the words of the messages.
#[allow(missing_docs)]
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// There is no such file, or it cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },

    /// The folder is missing, read-only or full.
    #[error("cannot write {}: {source}; choose a folder that exists and has space", path.display())]
    Write { path: PathBuf, source: std::io::Error },

    /// Cut short, or not in the format its reader expects.
    #[error("{} is damaged or no weight file ({reason}); get or export it again", path.display())]
    Damaged { path: PathBuf, reason: String },

    /// A sound safetensors file that this program did not write.
    #[error(
        "{} holds tensors but no tmpose header; turn a published checkpoint into weights with `tmpose import`",
        path.display()
    )]
    Foreign { path: PathBuf },

    #[error(
        "{} has weight format {found}, this program reads up to {known}; update tmpose",
        path.display()
    )]
    /// A later version of this program wrote it.
    Newer { path: PathBuf, found: u32, known: u32 },

    /// A sound file of ours whose network is of a family that a later version knows.
    #[error("{} holds a network of the family `{family}`, which this program does not know; update tmpose", path.display())]
    UnknownFamily { path: PathBuf, family: String },

    /// A sound file of ours whose network does something else.
    #[error(
        "{} holds {found}, and {wanted} is needed here; name another file, such as {example}",
        path.display()
    )]
    OtherKind { path: PathBuf, found: NetworkKind, wanted: NetworkKind, example: &'static str },

    /// The header and the tensors contradict each other, or the file is of another network.
    #[error("{} does not fit {network}: {reason}", path.display())]
    Mismatch { path: PathBuf, network: String, reason: String },

    /// Saving a network whose batch norms are folded would lose what training needs.
    #[error("cannot write {}: its batch norms are folded into the convolutions; save it before folding", path.display())]
    Folded { path: PathBuf },
}
