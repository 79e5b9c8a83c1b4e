//! Each kernel against its CPU twin, on whatever Vulkan there is: software Vulkan in CI, which is required.

use super::*;
use crate::gpu::{ComputeDevice, DeviceChoice, choose};
use crate::pose::{Keypoint, Size};
use crate::vision::fixture_tests::Tensors;
use crate::vision::{
    Affine, CropBox, Decoding, Heatmaps, decode, gaussian_targets, heat_layer, normalize_into, warp,
};
use burn::prelude::*;
use image::RgbImage;
use proptest::prelude::*;
use std::sync::Arc;
use wgpu::{BufferDescriptor, BufferUsages};

fn gpu() -> ComputeDevice {
    choose(DeviceChoice::Gpu)
        .expect("the tests need a Vulkan driver: scripts/test.sh installs the software one")
}

fn kernels(device: &ComputeDevice) -> &Arc<Kernels> {
    device.kernels().expect("a wgpu device has kernels")
}

/// A picture in which every pixel tells where it is.
fn picture(width: u32, height: u32, seed: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let mixed = (x * 7919 + y * 104_729 + seed).wrapping_mul(2_654_435_761);
        image::Rgb([mixed as u8, (mixed >> 8) as u8, (mixed >> 16) as u8])
    })
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec::<f32>().unwrap()
}

/// The CPU's crop.
fn twin(img: &RgbImage, image_to_crop: &Affine, size: Size) -> Vec<f32> {
    let mut out = vec![0.0; 3 * size.area()];
    normalize_into(&warp(img, image_to_crop, size), &mut out);
    out
}

/// Cuts with the kernel and with its twin; both must agree to the bit, also in the slots beyond the crops.
fn check_crops(pictures: &[RgbImage], crops: &[(usize, Affine)], size: Size) {
    let device = gpu();
    let kernels = kernels(&device);
    let uploaded: Vec<UploadedImage> = pictures.iter().map(|img| kernels.upload(img).unwrap()).collect();
    let shown: Vec<(&UploadedImage, Affine)> = crops.iter().map(|(n, map)| (&uploaded[*n], *map)).collect();
    let slots = crops.len().next_power_of_two();
    let cut = kernels.crop(&shown, slots, size, &device.device).unwrap();
    let [height, width] = size.hw();
    assert_eq!(cut.dims(), [slots, 3, height, width]);
    // What Burn computes from a crop comes after the crop.
    let doubled = values(cut.clone() * 2.0);
    let found = values(cut);
    let values = 3 * size.area();
    for slot in 0..slots {
        let (n, map) = &crops[slot.min(crops.len() - 1)];
        let expected = twin(&pictures[*n], map, size);
        let found = &found[slot * values..][..values];
        assert!(found == expected, "slot {slot} of {crops:?} differs");
        assert!(doubled[slot * values..].iter().zip(found).all(|(d, f)| *d == f * 2.0));
    }
}

#[test]
fn crops_equal_those_of_the_reference_to_the_bit() {
    let text = crate::vision::fixture_tests::json("affine.json");
    let tensors = Tensors::open("affine.safetensors");
    let img = RgbImage::from_raw(131, 97, tensors.bytes("image")).unwrap();
    for (k, case) in text["cases"].as_array().unwrap().iter().enumerate() {
        let m = tensors.f64(&format!("trans.{k}"));
        let map = Affine([[m[0], m[1], m[2]], [m[3], m[4], m[5]]]);
        let [width, height] = [0, 1].map(|i: usize| case["size"][i].as_f64().unwrap() as u32);
        check_crops(std::slice::from_ref(&img), &[(0, map)], Size::new(width, height));
    }
}

#[test]
fn crops_of_several_pictures_of_odd_sizes_become_one_batch() {
    let pictures = [picture(1, 1, 1), picture(7, 3, 2), picture(64, 48, 3), RgbImage::new(0, 0)];
    let crop = |x, y, s| Affine::from_crop(&CropBox { center: [x, y], scale: [s, s] }, 0.0, Size::new(9, 12));
    let crops = [
        (0, crop(0.0, 0.0, 0.02)),
        (1, crop(3.0, 1.0, 0.04)),
        (1, crop(6.0, 2.0, 0.01)),
        (2, crop(32.0, 24.0, 0.3)),
        (3, crop(0.0, 0.0, 0.1)),
    ];
    check_crops(&pictures, &crops, Size::new(9, 12));
}

#[test]
fn maps_that_no_box_gives_do_no_harm() {
    let pictures = [picture(20, 10, 4)];
    let maps = [[[0.0; 3]; 2], [[f64::NAN; 3]; 2], [[1e300; 3], [-1e300, 1.0, 3.0]]];
    let away = [[1.0, 0.0, 1e6], [0.0, 1.0, 0.0]];
    let tiny = [[1e-9, 0.0, 1.0], [0.0, 1e-9, 2.0]];
    let crops: Vec<(usize, Affine)> = maps.into_iter().chain([away, tiny]).map(|m| (0, Affine(m))).collect();
    check_crops(&pictures, &crops, Size::new(4, 5));
}

#[test]
fn a_buffer_serves_the_next_picture_of_its_size() {
    let device = gpu();
    let kernels = kernels(&device);
    let whole = Affine::IDENTITY;
    for seed in 0..3 {
        let img = picture(33, 17, seed);
        let uploaded = kernels.upload(&img).unwrap();
        let cut = kernels.crop(&[(&uploaded, whole)], 1, Size::new(33, 17), &device.device).unwrap();
        drop(uploaded);
        // The next picture is on its way before this crop is looked at.
        let next = kernels.upload(&picture(33, 17, seed + 100)).unwrap();
        assert!(values(cut) == twin(&img, &whole, Size::new(33, 17)));
        drop(next);
    }
}

/// Finds keypoints with the kernel, in maps that Burn has yet to compute.
fn found(maps: &[Heatmaps], slots: usize, decoding: Decoding) -> Vec<Vec<Keypoint>> {
    let device = gpu();
    let (tensor, persons) = (batch(maps, slots, &device), maps.len());
    let found = kernels(&device).peaks(tensor, persons, decoding).unwrap();
    found.into_iter().map(|(keypoints, _)| keypoints).collect()
}

/// Heatmaps as a tensor `[slots,J,H,W]` that is the result of a computation.
fn batch(maps: &[Heatmaps], slots: usize, device: &ComputeDevice) -> Tensor<4> {
    let mut all: Vec<f32> = maps.iter().flat_map(|m| m.values.iter().map(|v| v * 0.5)).collect();
    let joints = maps[0].joints;
    let [height, width] = maps[0].size.hw();
    all.resize(slots * joints * height * width, f32::NAN);
    Tensor::<4>::from_data(TensorData::new(all, [slots, joints, height, width]), &device.device) * 2.0
}

fn check_peaks(maps: &[Heatmaps], decoding: Decoding) {
    let found = found(maps, maps.len().next_power_of_two(), decoding);
    assert_eq!(found.len(), maps.len());
    for (person, (maps, found)) in maps.iter().zip(&found).enumerate() {
        for (j, (found, expected)) in found.iter().zip(decode(maps, decoding)).enumerate() {
            let near = (found.x - expected.x).abs() < 1e-3 && (found.y - expected.y).abs() < 1e-3;
            assert!(near && found.score == expected.score, "{person}, {j}: {found:?} is not {expected:?}");
        }
    }
}

/// A person's maps with a Gaussian at each of `places` (x, y, height) over uneven ground.
fn bells(places: &[[f32; 3]], size: Size, sigma: f32, ground: f32) -> Heatmaps {
    let joints: Vec<[f32; 3]> = places.iter().map(|&[x, y, _]| [x, y, 1.0]).collect();
    let mut maps = gaussian_targets(&joints, size, sigma).maps;
    let cells = size.area();
    for (i, v) in maps.values.iter_mut().enumerate() {
        *v = *v * places[i / cells][2] + ground * (i as f32 * 0.37).sin();
    }
    maps
}

#[test]
fn keypoints_agree_with_the_reference() {
    let tensors = Tensors::open("dark.safetensors");
    let maps = Heatmaps { values: tensors.f32("heatmap"), joints: 17, size: Size::new(48, 64) };
    for (decoding, key) in [(Decoding::default(), "coords.dark"), (Decoding::Plain, "coords.quarter")] {
        let found = found(std::slice::from_ref(&maps), 1, decoding).remove(0);
        for (j, (k, e)) in found.iter().zip(tensors.f32(key).as_chunks::<2>().0).enumerate() {
            assert!((k.x - e[0]).abs() < 1e-3 && (k.y - e[1]).abs() < 1e-3, "{key} {j}: {k:?} is not {e:?}");
        }
        let scores: Vec<f32> = found.iter().map(|k| k.score).collect();
        assert_eq!(scores, tensors.f32("maxval"));
    }
}

#[test]
fn peaks_at_the_border_and_in_small_maps_are_found() {
    let places: Vec<[f32; 3]> = (0..12)
        .flat_map(|i| {
            let i = i as f32 * 0.7;
            [[i, 6.0, 1.0], [5.0, i, 0.6], [11.0 - i, 15.0 - i, 0.3]]
        })
        .collect();
    check_peaks(&[bells(&places, Size::new(12, 16), 2.0, 0.01)], Decoding::default());
    check_peaks(&[bells(&places, Size::new(12, 16), 2.0, 0.01)], Decoding::Plain);
    for hw in [[1, 1], [1, 9], [5, 5], [6, 5]] {
        let size = Size::from_hw(hw);
        let maps = bells(&[[0.0, 0.0, 0.5], [2.0, 2.0, 0.9]], size, 1.0, 0.0);
        check_peaks(std::slice::from_ref(&maps), Decoding::default());
        check_peaks(&[maps], Decoding::Plain);
    }
}

#[test]
fn maps_that_smoothing_takes_below_the_floor_agree() {
    // A narrow peak in a hollow: two cells from the peak the smoothed values are negative.
    let mut maps = bells(&[[20.3, 30.6, 0.3], [9.0, 50.4, 0.28]], Size::new(48, 64), 1.0, 0.0);
    maps.values.iter_mut().for_each(|v| *v -= 0.05);
    check_peaks(&[maps], Decoding::default());
}

#[test]
fn empty_flat_and_broken_maps_give_what_the_twin_gives() {
    let mut maps = Heatmaps::zeros(6, Size::new(8, 9));
    let size = 72;
    maps.values[size..2 * size].fill(-1.0);
    maps.values[2 * size..3 * size].fill(f32::NAN);
    maps.values[3 * size..4 * size].fill(0.25);
    maps.values[4 * size + 3] = f32::NAN;
    maps.values[4 * size + 40] = 0.5;
    maps.values[5 * size + 17] = 0.5;
    maps.values[5 * size + 44] = 0.5;
    check_peaks(std::slice::from_ref(&maps), Decoding::Plain);
    let found = found(std::slice::from_ref(&maps), 1, Decoding::default()).remove(0);
    for (j, (found, expected)) in found.iter().zip(decode(&maps, Decoding::default())).enumerate() {
        assert_eq!(found.score, expected.score, "map {j}");
        assert!(found.x.is_finite() && found.y.is_finite(), "map {j}: {found:?}");
    }
    assert!(kernels(&gpu()).peaks(batch(&[maps], 1, &gpu()), 0, Decoding::Plain).is_err());
}

/// What the kernel drew, as egui's premultiplied colours.
fn texels(kernels: &Kernels, texture: &HeatTexture) -> Vec<[u8; 4]> {
    let texture = texture.view().texture();
    let (width, height) = (texture.width(), texture.height());
    let stride = (width * 4).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
    let back = kernels.device.create_buffer(&BufferDescriptor {
        label: None,
        size: u64::from(stride * height),
        usage: BufferUsages::COPY_DST | BufferUsages::MAP_READ,
        mapped_at_creation: false,
    });
    let mut commands = kernels.device.create_command_encoder(&Default::default());
    commands.copy_texture_to_buffer(
        texture.as_image_copy(),
        wgpu::TexelCopyBufferInfo {
            buffer: &back,
            layout: wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(stride),
                rows_per_image: None,
            },
        },
        texture.size(),
    );
    let submission = kernels.queue.submit([commands.finish()]);
    back.map_async(wgpu::MapMode::Read, .., Result::unwrap);
    kernels.device.poll(wgpu::PollType::Wait { submission_index: Some(submission), timeout: None }).unwrap();
    let view = back.get_mapped_range(..).unwrap();
    let rows = view.chunks_exact(stride as usize);
    rows.flat_map(|row| row[..4 * width as usize].as_chunks::<4>().0.to_vec()).collect()
}

#[test]
#[cfg(feature = "window")]
fn the_heat_layer_has_the_colours_of_its_twin() {
    let device = gpu();
    let kernels = kernels(&device);
    let colors: Vec<[u8; 3]> = (0..4).map(|j| [250 - 60 * j, 40 + 50 * j, 9 * j]).collect();
    let strong = [[3.0, 4.0, 1.0], [9.5, 11.0, 0.4], [6.0, 2.0, 0.05], [1.0, 14.0, 0.7]];
    let mut maps = vec![
        bells(&strong, Size::new(13, 17), 2.0, 0.03),
        bells(&strong.map(|[x, y, s]| [y, x, s]), Size::new(13, 17), 1.5, 0.1),
    ];
    // Equals, and cells without a number.
    maps[1].values[..5].fill(0.3);
    maps[1].values[221..226].fill(0.3);
    for joint in 0..4 {
        maps[1].values[joint * 221 + 8] = f32::NAN;
    }
    let found = kernels.peaks(batch(&maps, 2, &device), 2, Decoding::default()).unwrap();
    let texture = kernels.heat_texture(&found[0].1);
    for (person, (_, on_device)) in found.iter().enumerate() {
        assert!(texture.fits(on_device));
        for joint in [None, Some(0), Some(1), Some(2), Some(3), Some(99)] {
            kernels.color(on_device, &colors, joint, &texture);
            let expected = heat_layer(&maps[person], &colors, joint);
            for (cell, (found, [r, g, b, a])) in texels(kernels, &texture).iter().zip(expected).enumerate() {
                let expected = egui::Color32::from_rgba_unmultiplied(r, g, b, a).to_array();
                let near = found.iter().zip(expected).all(|(f, e)| f.abs_diff(e) <= 1);
                assert!(near, "person {person}, {joint:?}, cell {cell}: {found:?} is not {expected:?}");
            }
        }
    }
}

#[test]
fn heatmaps_outlive_their_tensor() {
    let device = gpu();
    let kernels = kernels(&device);
    let maps = bells(&[[4.0, 5.0, 1.0]], Size::new(10, 12), 2.0, 0.0);
    let kept = kernels
        .peaks(batch(std::slice::from_ref(&maps), 1, &device), 1, Decoding::Plain)
        .unwrap()
        .remove(0)
        .1;
    // Others of the same size would take the memory if it were free.
    let others: Vec<Tensor<4>> =
        (0..8).map(|n| Tensor::ones([1, 1, 12, 10], &device.device) * n as f32).collect();
    others.into_iter().for_each(|other| assert_eq!(values(other).len(), 120));
    let texture = kernels.heat_texture(&kept);
    std::thread::scope(|scope| {
        scope.spawn(|| kernels.color(&kept, &[[255, 255, 255]], Some(0), &texture));
    });
    let expected = heat_layer(&maps, &[[255; 3]], Some(0));
    let alpha = texels(kernels, &texture).iter().map(|c| c[3]).collect::<Vec<_>>();
    assert!(alpha.iter().zip(&expected).all(|(a, e)| a.abs_diff(e[3]) <= 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_boxes_are_cut_as_the_twin_cuts_them(
        size in (1u32..60, 1u32..60),
        boxes in proptest::collection::vec((-40f64..90.0, -40f64..90.0, 0.006f64..0.6, -180f64..180.0), 1..6),
        hw in (1usize..20, 1usize..20),
        upright: bool,
    ) {
        let output = Size::from_hw([hw.0, hw.1]);
        let crops: Vec<(usize, Affine)> = boxes
            .iter()
            .map(|&(x, y, s, turn)| {
                let crop = CropBox { center: [x, y], scale: [s, s] };
                (0, Affine::from_crop(&crop, if upright { 0.0 } else { turn }, output))
            })
            .collect();
        check_crops(&[picture(size.0, size.1, 5)], &crops, output);
    }

    #[test]
    fn any_bells_are_found_where_the_twin_finds_them(
        persons in proptest::collection::vec(
            proptest::collection::vec((-2f32..26.0, -2f32..34.0, 0.05f32..1.0), 3), 1..6),
        sigma in 1.2f32..3.0,
        ground in 0f32..0.004,
        blur in 3usize..14,
    ) {
        let maps: Vec<Heatmaps> = persons
            .iter()
            .map(|places| {
                let places: Vec<[f32; 3]> = places.iter().map(|&(x, y, s)| [x, y, s]).collect();
                bells(&places, Size::new(24, 32), sigma, ground)
            })
            .collect();
        check_peaks(&maps, Decoding::Dark { blur });
        check_peaks(&maps, Decoding::Plain);
    }
}
