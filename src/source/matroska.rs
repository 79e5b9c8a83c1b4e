//! The least Matroska that carries raw RGB frames with their times to ffmpeg's input.
//!
//! A pipe of bare frames has only a constant rate. Matroska adds a few bytes to each frame and any
//! timestamps; it can be written as a stream, because the lengths of the outer elements may be unknown.
//! Element numbers: RFC 8794 (EBML) and RFC 9559 (Matroska).

use std::time::Duration;

use crate::pose::Size;

/// Nanoseconds of one time unit: fine enough for every usual frame rate.
const TIME_UNIT: u64 = 10_000;

const EBML: &[u8] = &[0x1a, 0x45, 0xdf, 0xa3];
const SEGMENT: &[u8] = &[0x18, 0x53, 0x80, 0x67];
const CLUSTER: &[u8] = &[0x1f, 0x43, 0xb6, 0x75];
const UNKNOWN_LENGTH: u8 = 0xff;

/// What comes before the first frame. `fps` is only a hint for players; the times decide.
pub(super) fn header(size: Size, fps: Option<f64>) -> Vec<u8> {
    let mut track = Vec::new();
    track.extend(number(&[0xd7], 1)); // TrackNumber
    track.extend(number(&[0x73, 0xc5], 1)); // TrackUID
    track.extend(number(&[0x83], 1)); // TrackType: video
    track.extend(number(&[0x9c], 0)); // FlagLacing
    if let Some(fps) = fps {
        track.extend(number(&[0x23, 0xe3, 0x83], (1e9 / fps).round() as u64)); // DefaultDuration
    }
    track.extend(element(&[0x86], b"V_UNCOMPRESSED")); // CodecID
    let mut video = Vec::new();
    video.extend(number(&[0xb0], u64::from(size.width))); // PixelWidth
    video.extend(number(&[0xba], u64::from(size.height))); // PixelHeight
    video.extend(element(&[0x2e, 0xb5, 0x24], b"RGB\x18")); // UncompressedFourCC: 24 bits, red first
    track.extend(element(&[0xe0], &video));

    let mut kind = Vec::new();
    kind.extend(element(&[0x42, 0x82], b"matroska")); // DocType
    kind.extend(number(&[0x42, 0x87], 4)); // DocTypeVersion
    kind.extend(number(&[0x42, 0x85], 2)); // DocTypeReadVersion

    let mut out = element(EBML, &kind);
    out.extend(SEGMENT);
    out.push(UNKNOWN_LENGTH);
    out.extend(element(&[0x15, 0x49, 0xa9, 0x66], &number(&[0x2a, 0xd7, 0xb1], TIME_UNIT))); // Info
    out.extend(element(&[0x16, 0x54, 0xae, 0x6b], &element(&[0xae], &track))); // Tracks
    out
}

/// What comes before the `bytes` pixels of one frame: a cluster of its own, so that its time may be any.
pub(super) fn frame_header(bytes: usize, time: Duration) -> Vec<u8> {
    let unit = u128::from(TIME_UNIT);
    let time = u64::try_from((time.as_nanos() + unit / 2) / unit).unwrap_or(u64::MAX);
    // SimpleBlock: track 1, no offset to the cluster's time, keyframe.
    let block = [0x81, 0, 0, 0x80];
    let time = number(&[0xe7], time);
    let block_length = length(block.len() + bytes);
    let mut out = CLUSTER.to_vec();
    out.extend(length(time.len() + 1 + block_length.len() + block.len() + bytes));
    out.extend(time);
    out.push(0xa3);
    out.extend(block_length);
    out.extend(block);
    out
}

fn number(id: &[u8], value: u64) -> Vec<u8> {
    element(id, &value.to_be_bytes())
}

fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
    let mut out = id.to_vec();
    out.extend(length(content.len()));
    out.extend(content);
    out
}

/// A length in the eight-byte form, which holds every one.
fn length(bytes: usize) -> [u8; 8] {
    (bytes as u64 | 1 << 56).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_a_cluster_of_its_own_with_its_time() {
        let header = frame_header(12, Duration::from_millis(1500));
        assert_eq!(&header[..4], CLUSTER);
        let promised = u64::from_be_bytes(header[4..12].try_into().unwrap()) & !(1 << 56);
        assert_eq!(promised as usize, header.len() - 12 + 12, "the rest of the header and the pixels");
        assert_eq!(header[12], 0xe7);
        assert_eq!(u64::from_be_bytes(header[21..29].try_into().unwrap()), 150_000);
    }
}
