//! Files that are written: each appears under its name when it is complete, or not at all, and what is unfinished is
//! removed however the program ends.

mod identity;
mod names;
mod pending;

pub use identity::FileId;
pub use names::{name_that_fits, numbered};
pub use pending::{PendingFile, PendingProcess, abandon_all, is_full, write_whole};
