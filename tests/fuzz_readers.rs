//! Damaged files for every reader: small good files are changed at random, and whatever comes out must be read or refused,
//! without a panic, in bounded time and memory.
//!
//! A run takes a second for each reader and is the same each time. For a long one:
//!
//!     TMPOSE_FUZZ_SECONDS=300 TMPOSE_FUZZ_SEED=7 cargo test --release --test fuzz_readers -- --nocapture

use burn::prelude::Device;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::alloc::{GlobalAlloc, Layout, System};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tmpose::data::formats::{DetectionList, NamedBoxes};
use tmpose::data::{BoxSet, PoseSet};
use tmpose::model::{PoseNetConfig, Variant};
use tmpose::pose::Skeleton;
use tmpose::source::{self, PictureSource, Source, SourceSpec};
use tmpose::weights::{self, ImportOptions, Precision, TrainingRecord, WeightsInfo};

/// The most memory that a small damaged file may take, in bytes: what the largest picture that is read takes, whose size a
/// damaged header may state.
const MOST_MEMORY: usize = 4 << 30;
/// The longest that one may take.
const LONGEST: Duration = Duration::from_secs(10);

/// Counts the memory in use.
struct Counting;

static USED: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it is; the counts say nothing to it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let used = USED.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(used, Ordering::Relaxed);
        // SAFETY: the caller's layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let used = USED.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(used, Ordering::Relaxed);
        // SAFETY: the caller's layout.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's memory and its layout.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Words that mean something to the readers.
const WORDS: [&[u8]; 16] = [
    b"null",
    b"NaN",
    b"-1",
    b"1e400",
    b"[]",
    b"{}",
    b"\"\"",
    b"true",
    b"\xff\xd8\xff",
    b"\xff\xd9",
    b"IDAT",
    b"acTL",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"PK\x03\x04",
    b"\xef\xbb\xbf",
];

/// A good file with some damage.
fn damaged(corpus: &[Vec<u8>], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = corpus.choose(random).expect("there are good files").clone();
    for _ in 0..random.random_range(1..6) {
        if bytes.is_empty() {
            break;
        }
        // What a file says of itself stands mostly at its beginning.
        let reach = if random.random() { bytes.len() } else { bytes.len().min(4096) };
        let at = random.random_range(0..reach);
        match random.random_range(0..6) {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes[at] = random.random(),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..(at + random.random_range(1..40)).min(bytes.len()))),
            4 => {
                let word = WORDS.choose(random).expect("there are words");
                let end = (at + word.len()).min(bytes.len());
                bytes.splice(at..end, word.iter().copied());
            }
            _ => {
                let other = corpus.choose(random).expect("there are good files");
                let from = random.random_range(0..other.len());
                let piece = &other[from..(from + random.random_range(1..200)).min(other.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
    bytes
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a whole number"))
}

/// Calls `read` with damaged copies of `corpus` under the file's name for a while.
fn fuzz(name: &str, corpus: &[(PathBuf, Vec<u8>)], read: impl Fn(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    let good: Vec<Vec<u8>> = corpus.iter().map(|(_, bytes)| bytes.clone()).collect();
    for (path, bytes) in corpus {
        let path = folder.path().join(path.file_name().unwrap());
        std::fs::write(&path, bytes).unwrap();
        read(&path);
    }
    let seed = setting("TMPOSE_FUZZ_SEED", 1);
    let time = Duration::from_secs(setting("TMPOSE_FUZZ_SECONDS", 1));
    let (begin, mut tries) = (Instant::now(), 0u64);
    while begin.elapsed() < time {
        let mut random = ChaCha8Rng::seed_from_u64(seed << 32 | tries);
        let bytes = damaged(&good, &mut random);
        let file_name = corpus.choose(&mut random).unwrap().0.file_name().unwrap();
        let path = folder.path().join(file_name);
        std::fs::write(&path, &bytes).unwrap();
        let before = USED.load(Ordering::Relaxed);
        MOST.store(before, Ordering::Relaxed);
        let one = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| read(&path)));
        let (took, memory) = (one.elapsed(), MOST.load(Ordering::Relaxed).saturating_sub(before));
        if outcome.is_err() || took > LONGEST || memory > MOST_MEMORY {
            let kept = std::env::temp_dir().join(format!("tmpose-fuzz-{name}-{tries}")).join(file_name);
            std::fs::create_dir_all(kept.parent().unwrap()).unwrap();
            std::fs::write(&kept, &bytes).unwrap();
            let panicked = outcome.is_err();
            panic!(
                "{name}, try {tries} of seed {seed} took {took:?} and {memory} bytes, panic: {panicked}; kept as {kept:?}"
            );
        }
        tries += 1;
    }
    println!("{name}: {tries} damaged files");
}

/// The good files of a folder of `tests/fixtures/fuzz`.
fn corpus(folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fuzz").join(folder);
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

fn fixtures(names: &[&str]) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    names.iter().map(|name| (folder.join(name), std::fs::read(folder.join(name)).unwrap())).collect()
}

/// One after the other: they count the same memory.
#[test]
fn damaged_files_are_read_or_refused() {
    pictures();
    annotations();
    boxes();
    checkpoints();
    weight_files();
}

fn pictures() {
    fuzz("pictures", &corpus("pictures"), |path| {
        // Without asking ffmpeg, which has its own tests; a sequence of JPEGs is for it.
        if path.extension().is_some_and(|e| e == "mjpeg") {
            return drop(source::load_picture(path));
        }
        let mut source: Box<dyn Source> = match source::spec_from_path(path) {
            Ok(SourceSpec::Pictures(paths)) => match PictureSource::open(&paths) {
                Ok(source) => Box::new(source),
                Err(_) => return,
            },
            Ok(spec) => match source::open(&spec) {
                Ok(source) => source,
                Err(_) => return,
            },
            Err(_) => return,
        };
        for _ in 0..20 {
            if matches!(source.next_frame(), Ok(None)) {
                break;
            }
        }
    });
}

fn annotations() {
    let picture = corpus("pictures").remove(0).1;
    fuzz("annotations", &corpus("annotations"), |path| {
        std::fs::write(path.with_file_name("a.png"), &picture).unwrap();
        drop(PoseSet::open(path, "val", Skeleton::coco17()));
        drop(BoxSet::open(path, "val"));
    });
}

fn boxes() {
    fuzz("boxes", &corpus("boxes"), |path| {
        let bytes = std::fs::read(path).unwrap();
        drop(DetectionList::read(bytes.clone()));
        drop(NamedBoxes::read(bytes, path));
    });
}

fn checkpoints() {
    let mut files = fixtures(&["ppt_s_small.pth", "hrnet_w32_small.pth"]);
    files.extend(corpus("onnx"));
    fuzz("checkpoints", &files, |path| {
        drop(weights::import(path, &ImportOptions::default(), &Device::flex()));
    });
}

fn weight_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.safetensors");
    let config = PoseNetConfig::new(Variant::T, Skeleton::coco17());
    let info = WeightsInfo::new(config.clone(), Skeleton::coco17().clone(), TrainingRecord::default());
    weights::save(&path, &config.init(&Device::flex()), &info, Precision::F16).unwrap();
    let files = [(path.clone(), std::fs::read(&path).unwrap())];
    fuzz("weights", &files, |path| drop(weights::load(path, &Device::flex())));
}
