//! Pictures that would need more memory than a machine has.

use std::path::Path;

use super::SourceError;
use crate::pose::Size;

/// The most pixels of a picture: 268 million, more than any camera's.
const MOST_PIXELS: u64 = 1 << 28;

/// Refuses a picture or video whose frames have a size that nothing can be done with.
///
/// # Errors
/// [`SourceError::TooLarge`].
pub(super) fn check(path: &Path, size: Size) -> Result<(), SourceError> {
    let too_large = size.area() as u64 > MOST_PIXELS;
    if too_large { Err(SourceError::TooLarge { path: path.to_owned(), size }) } else { Ok(()) }
}

/// As [`check`], also when the memory of so many bytes is not to be had: decoders end the program then.
///
/// # Errors
/// [`SourceError::TooLarge`].
pub(super) fn check_memory(path: &Path, size: Size, bytes: u64) -> Result<(), SourceError> {
    check(path, size)?;
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let reserved = Vec::<u8>::new().try_reserve_exact(bytes);
    reserved.map_err(|_| SourceError::TooLarge { path: path.to_owned(), size })
}
