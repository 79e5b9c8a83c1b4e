//! `tmpose predict` on files as people have them: what is read, what is written where, and that nothing of theirs is lost.

mod program;

use image::codecs::gif::GifEncoder;
use image::{Delay, Frame, Rgba, RgbaImage};
use program::bench::{Bench, failed, frame, succeeded, text};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tmpose::pose::Size;
use tmpose::source::{Source, VideoSource, VideoWriter};

/// Runs ffmpeg in the bench's folder.
fn ffmpeg(bench: &Bench, arguments: &str) {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-loglevel", "error", "-y"]).args(arguments.split_whitespace());
    let output = command.current_dir(bench.dir.path()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

fn images(bench: &Bench, folder: &str) -> Vec<Value> {
    bench.json(&format!("{folder}/images.json"))["images"].as_array().unwrap().clone()
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The lines of stderr, all of which are notes.
fn notes(output: &std::process::Output) -> Vec<String> {
    succeeded(output);
    let lines: Vec<String> = text(&output.stderr).lines().map(str::to_owned).collect();
    assert!(lines.iter().all(|line| line.starts_with("note: ")), "{lines:?}");
    lines
}

#[test]
fn a_video_whose_size_changes_keeps_its_first_size_and_all_frames() {
    let bench = Bench::new();
    bench.video("large.mp4", 4);
    ffmpeg(&bench, "-i large.mp4 -c:v mpeg2video -q:v 2 -f mpegts 1.ts");
    ffmpeg(&bench, "-i large.mp4 -vf scale=48:64 -c:v mpeg2video -q:v 2 -f mpegts 2.ts");
    let parts: Vec<u8> =
        ["1.ts", "2.ts", "1.ts"].iter().flat_map(|p| std::fs::read(bench.path(p)).unwrap()).collect();
    std::fs::write(bench.path("joined.ts"), parts).unwrap();
    // Each part's clock begins anew, too.
    succeeded(&bench.predict("joined.ts --out o"));
    let images = images(&bench, "o");
    let seconds: Vec<f64> = images.iter().map(|image| image["seconds"].as_f64().unwrap()).collect();
    assert!(seconds.len() >= 9, "{seconds:?}");
    assert!(seconds.windows(2).all(|pair| (0.05..0.15).contains(&(pair[1] - pair[0]))), "{seconds:?}");
    assert!(images.iter().all(|image| (&image["width"], &image["height"]) == (&96.into(), &64.into())));

    let mut written = VideoSource::open(&bench.path("o/joined.mp4")).unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = written.next_frame().unwrap() {
        frames.push(frame);
    }
    assert_eq!(frames.len(), images.len());
    // The narrow frames lie in the middle, between black bars.
    let middle = &frames[frames.len() / 2].pixels;
    assert!(middle.get_pixel(4, 32).0.iter().all(|v| *v < 40), "{:?}", middle.get_pixel(4, 32));
    assert!(middle.pixels().any(|pixel| pixel.0.iter().any(|v| *v > 120)));
}

#[test]
fn every_kind_of_moving_picture_is_a_video() {
    let bench = Bench::new();
    let frames = |count: u32| {
        (0..count).map(|i| {
            let pixels = image::DynamicImage::from(frame(40, 32, i)).into_rgba8();
            Frame::from_parts(pixels, 0, 0, Delay::from_numer_denom_ms(100, 1))
        })
    };
    let mut gif = Vec::new();
    GifEncoder::new(&mut gif).encode_frames(frames(3)).unwrap();
    std::fs::write(bench.path("moving.gif"), gif).unwrap();
    bench.video("v.mp4", 3);
    ffmpeg(&bench, "-i v.mp4 -f apng moving.png");
    ffmpeg(&bench, "-i v.mp4 -c:v mjpeg -f mjpeg camera.jpg");
    ffmpeg(&bench, "-i v.mp4 -f yuv4mpegpipe raw");
    ffmpeg(&bench, "-i v.mp4 -c:v mpeg2video -f mpeg2video stream.bin");
    for input in ["moving.gif", "moving.png", "camera.jpg", "raw", "stream.bin"] {
        succeeded(&bench.predict(&format!("{input} --out {input}.out")));
        assert_eq!(images(&bench, &format!("{input}.out")).len(), 3, "{input}");
    }
}

#[test]
fn pages_of_a_tiff_are_pictures() {
    let bench = Bench::new();
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fuzz/pictures/pages.tif");
    std::fs::copy(pages, bench.path("scan.tif")).unwrap();
    succeeded(&bench.predict("scan.tif --out o"));
    let pages: Vec<(Value, Value)> =
        images(&bench, "o").into_iter().map(|i| (i["page"].clone(), i["output"].clone())).collect();
    let expected = [(1, "scan.tif"), (2, "scan-2.tif"), (3, "scan-3.tif")];
    assert_eq!(pages, expected.map(|(page, name)| (page.into(), name.into())));
}

#[test]
fn a_folder_is_read_by_content_and_one_line_says_what_is_left_out() {
    let bench = Bench::new();
    bench.picture("folder/1.jpg", 40, 40);
    bench.picture("folder/more/deep.png", 40, 40);
    for name in ["2.jfif", "3", "4.jpg?w=640"] {
        std::fs::copy(bench.path("folder/1.jpg"), bench.path("folder").join(name)).unwrap();
    }
    std::fs::write(bench.path("folder/5.heic"), b"\0\0\0\x18ftypheic\0\0\0\0heicmif1").unwrap();
    std::fs::write(bench.path("folder/notes.txt"), "nothing to see").unwrap();
    bench.video("folder/v.mp4", 2);
    let notes = notes(&bench.predict("folder --out o"));
    assert_eq!(notes.len(), 1, "{notes:?}");
    for part in ["1 video", "1 other file", "1 subfolder", "1 picture of a format"] {
        assert!(notes[0].contains(part), "{notes:?}");
    }
    let outputs: Vec<Value> = images(&bench, "o").into_iter().map(|i| i["output"].clone()).collect();
    assert_eq!(outputs, ["1.jpg", "2.jfif", "3", "4.jpg?w=640"]);
    for name in ["2.jfif", "3", "4.jpg?w=640"] {
        let bytes = std::fs::read(bench.path("o").join(name)).unwrap();
        assert!(bytes.starts_with(&[0xff, 0xd8]), "{name} is a JPEG again");
    }
    succeeded(&bench.predict("folder --recursive --out r"));
    assert_eq!(images(&bench, "r").len(), 5);
}

#[test]
fn neither_inputs_nor_other_files_are_overwritten() {
    let bench = Bench::new();
    bench.picture("A/a.png", 40, 40);
    bench.picture("B/a.png", 50, 40);
    let before = ["A/a.png", "B/a.png"].map(|name| std::fs::read(bench.path(name)).unwrap());
    std::fs::write(bench.path("B/a-2.png"), "somebody's").unwrap();
    succeeded(&bench.predict("A/a.png B/a.png --out B"));
    assert_eq!(["A/a.png", "B/a.png"].map(|name| std::fs::read(bench.path(name)).unwrap()), before);
    assert_eq!(std::fs::read(bench.path("B/a-2.png")).unwrap(), b"somebody's");
    let told: Vec<(Value, Value)> =
        images(&bench, "B").into_iter().map(|i| (i["file_name"].clone(), i["output"].clone())).collect();
    let expected = [("A/a.png", "a-3.png"), ("B/a.png", "a-4.png")];
    assert_eq!(told, expected.map(|(name, output)| (name.into(), output.into())));
    // Once more: results of the run before are replaced.
    succeeded(&bench.predict("A/a.png B/a.png --out B"));
    assert_eq!(
        names_in(&bench.path("B")),
        ["a-2.png", "a-3.png", "a-4.png", "a.png", "images.json", "keypoints.json"]
    );
    succeeded(&bench.predict("A/a.png --out B --overwrite"));
    assert_eq!(images(&bench, "B")[0]["output"], "a.png", "in this run B/a.png is no input");

    std::fs::write(bench.path("keypoints.json"), "mine").unwrap();
    let error = failed(&bench.predict("A/a.png --out ."));
    assert!(error.contains("keypoints.json") && error.contains("--overwrite"), "{error}");
    let error = failed(&bench.predict("A/a.png --boxes B/keypoints.json --out B"));
    assert!(error.contains("is an input"), "{error}");
}

#[test]
fn a_run_that_did_nothing_replaces_nothing() {
    let bench = Bench::new();
    bench.picture("a.png", 40, 40);
    succeeded(&bench.predict("a.png --out o"));
    let before = std::fs::read(bench.path("o/keypoints.json")).unwrap();
    std::fs::write(bench.path("broken.jpg"), [0xff, 0xd8, 0xff, 0xe0, 0, 4]).unwrap();
    let error = failed(&bench.predict("broken.jpg --out o"));
    assert!(error.contains("broken.jpg"), "{error}");
    assert_eq!(std::fs::read(bench.path("o/keypoints.json")).unwrap(), before);
    assert_eq!(names_in(&bench.path("o")), ["a.png", "images.json", "keypoints.json"]);
}

#[test]
fn what_is_transparent_does_not_count() {
    let bench = Bench::new();
    let hidden = RgbaImage::from_fn(40, 40, |x, _| Rgba([200, 0, 0, if x < 20 { 0 } else { 255 }]));
    hidden.save(bench.path("a.png")).unwrap();
    let seen = tmpose::source::load_picture(&bench.path("a.png")).unwrap();
    assert_eq!((seen.get_pixel(3, 3).0, seen.get_pixel(30, 3).0), ([255; 3], [200, 0, 0]));
}

#[test]
fn a_picture_too_large_for_the_memory_is_named_and_the_others_are_done() {
    let bench = Bench::new();
    bench.picture("good.png", 40, 40);
    // A valid PNG header of 60000x60000 pixels and nothing else.
    let png = std::fs::read(bench.path("good.png")).unwrap();
    let mut bomb = png[..16].to_vec();
    bomb.extend([60_000u32.to_be_bytes(), 60_000u32.to_be_bytes()].concat());
    bomb.extend([8, 2, 0, 0, 0, 0xb1, 0xd8, 0x2b, 0x7b]);
    bomb.extend(&png[33..]);
    std::fs::write(bench.path("bomb.png"), bomb).unwrap();
    let output = bench.predict("bomb.png good.png --out o");
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), images(&bench, "o").len()), (Some(1), 1), "{said}");
    assert!(said.contains("bomb.png"), "{said}");
}

#[test]
fn a_damaged_video_is_analysed_and_its_damage_is_told() {
    let bench = Bench::new();
    let mut writer = VideoWriter::create(&bench.path("walk.mp4"), Size::new(320, 240), Some(10.0)).unwrap();
    for i in 0..24 {
        writer.push(&frame(320, 240, i), Duration::from_millis(100 * u64::from(i))).unwrap();
    }
    writer.finish().unwrap();
    let good = std::fs::read(bench.path("walk.mp4")).unwrap();
    let data = good.windows(4).position(|w| w == b"mdat").unwrap();
    // Somewhere in the first picture the decoder notices.
    let told = (0..60).find_map(|i| {
        let mut bytes = good.clone();
        bytes[data + 900 + 37 * i] ^= 0x10;
        std::fs::write(bench.path("walk.mp4"), bytes).unwrap();
        let output = bench.predict("walk.mp4 --out o");
        let said = text(&output.stderr);
        (said.contains("damaged") && output.status.success()).then_some(said)
    });
    let told = told.expect("some flip is noticed");
    assert!(told.starts_with("note: ") && told.contains("walk.mp4"), "{told}");
    assert_eq!(images(&bench, "o").len(), 24);
}

#[test]
fn of_several_streams_the_one_that_moves_is_shown() {
    let bench = Bench::new();
    bench.video("v.mp4", 3);
    bench.picture("cover.jpg", 200, 200);
    ffmpeg(&bench, "-i cover.jpg -i v.mp4 -map 0 -map 1 -c copy -disposition:v:0 0 trip.mp4");
    assert!(notes(&bench.predict("trip.mp4 --out o")).is_empty());
    assert_eq!(images(&bench, "o").len(), 3);
    ffmpeg(&bench, "-i v.mp4 -i v.mp4 -map 0 -map 1 -c copy two.mp4");
    let notes = notes(&bench.predict("two.mp4 --out two"));
    assert!(notes.len() == 1 && notes[0].contains("two.mp4 has 2 videos"), "{notes:?}");
}

#[cfg(unix)]
#[test]
fn names_that_are_no_utf8_are_kept_byte_for_byte() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let bench = Bench::new();
    bench.picture("a.jpg", 40, 40);
    let name = OsStr::from_bytes(b"l\xe4ufer.jpg");
    std::fs::rename(bench.path("a.jpg"), bench.dir.path().join(name)).unwrap();
    let mut command = bench.command("predict -w w.safetensors --device cpu --detector none --out o");
    succeeded(&command.arg(name).output().unwrap());
    assert!(bench.path("o").join(name).is_file());
}

#[cfg(unix)]
#[test]
fn a_pipe_is_named_for_what_it_is() {
    let bench = Bench::new();
    let made = Command::new("mkfifo").arg(bench.path("pipe.mp4")).status().unwrap();
    assert!(made.success());
    let error = failed(&bench.predict("pipe.mp4 --out o"));
    assert!(error.contains("pipe.mp4 is a pipe"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_reader_who_is_gone_is_no_error() {
    let bench = Bench::new();
    bench.picture("a.png", 40, 40);
    for line in ["macs", "predict -w w.safetensors --device cpu --detector none a.png --out o"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = bench.command(line);
        let status = command.stdout(writer.try_clone().unwrap()).stderr(writer).status().unwrap();
        assert_eq!(status.code(), Some(0), "{line}");
    }
    assert_eq!(images(&bench, "o").len(), 1);
}

#[test]
fn long_names_are_shortened() {
    let bench = Bench::new();
    bench.video("v.avi.mp4", 2);
    let long = format!("{}.webm", "x".repeat(250));
    ffmpeg(&bench, "-i v.avi.mp4 -f matroska v.mkv");
    std::fs::rename(bench.path("v.mkv"), bench.path(&long)).unwrap();
    std::fs::create_dir(bench.path("o")).unwrap();
    std::fs::write(bench.path("o").join(format!("{}.mp4", "x".repeat(250))), "somebody's").unwrap();
    succeeded(&bench.predict(&format!("{long} --out o")));
    let output = images(&bench, "o")[0]["output"].as_str().unwrap().to_owned();
    assert!(output.ends_with("-2.mp4") && output.len() <= 255 && bench.path("o").join(output).is_file());
}

#[cfg(unix)]
#[test]
fn a_full_disk_keeps_what_fitted_and_closes_the_lists() {
    let bench = Bench::new();
    bench.picture("1.png", 60, 50);
    // Noise does not shrink: half a megabyte.
    let mut state = 1u32;
    let noise = image::RgbImage::from_fn(400, 400, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        image::Rgb(state.to_be_bytes()[..3].try_into().unwrap())
    });
    noise.save(bench.path("2.png")).unwrap();
    bench.picture("3.png", 60, 50);
    // No file may grow beyond 200 kilobytes: to the program it is as if the disk were full.
    let line = "trap '' XFSZ; ulimit -f 400; exec \"$0\" predict -w w.safetensors --device cpu --detector none \
                1.png 2.png 3.png --out o";
    let mut shell = Command::new("sh");
    let output =
        shell.args(["-c", line, env!("CARGO_BIN_EXE_tmpose")]).current_dir(bench.dir.path()).output();
    let error = failed(&output.unwrap());
    assert!(error.contains("the disk is full") && error.contains("2.png"), "{error}");
    assert_eq!(names_in(&bench.path("o")), ["1.png", "images.json", "keypoints.json"]);
    let outputs: Vec<Value> = images(&bench, "o").into_iter().map(|i| i["output"].clone()).collect();
    assert_eq!(outputs, [Value::from("1.png"), Value::Null]);
    assert_eq!(bench.json("o/keypoints.json").as_array().unwrap().len(), 2);
}

#[test]
fn a_high_dynamic_range_is_mapped_to_that_of_a_screen() {
    let filters = Command::new("ffmpeg").args(["-hide_banner", "-filters"]).output().unwrap();
    if !text(&filters.stdout).contains(" zscale ") {
        eprintln!("this ffmpeg cannot map tones; nothing to test");
        return;
    }
    let bench = Bench::new();
    let red = image::RgbImage::from_fn(96, 64, |x, _| {
        image::Rgb(if x < 48 { [200, 40, 40] } else { [90, 90, 90] })
    });
    red.save(bench.path("red.png")).unwrap();
    let tags = "-color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc";
    ffmpeg(
        &bench,
        &format!(
            "-loop 1 -i red.png -frames:v 3 -vf scale=out_color_matrix=bt709,format=yuv444p,\
             zscale=tin=bt709:pin=bt709:min=bt709:t=smpte2084:p=bt2020:m=bt2020nc:npl=203,format=yuv420p10le \
             -c:v libx264 -qp 0 {tags} hdr.mp4"
        ),
    );
    let mut video = VideoSource::open(&bench.path("hdr.mp4")).unwrap();
    assert!(video.info().notes.is_empty(), "{:?}", video.info().notes);
    let [r, g, b] = video.next_frame().unwrap().unwrap().pixels.get_pixel(20, 30).0;
    assert!(r > g + 80 && r > b + 80, "as red as it was, not pale: {r} {g} {b}");
}
