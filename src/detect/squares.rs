//! The network's input: pictures in squares of one size, where the network runs.

use super::letterbox::{Letterbox, PADDING};
use crate::gpu::kernels::{KernelError, UploadedImage};
use crate::gpu::{ComputeDevice, DeviceImage};
use crate::pose::Size;
use burn::prelude::*;
use image::RgbImage;
use rayon::prelude::*;
use std::rc::Rc;

/// The squares in the CPU's memory, one for each picture; see [`Letterbox::square`].
pub fn in_memory(placed: &[(&DeviceImage, Letterbox)]) -> Vec<Vec<f32>> {
    let placed: Vec<(&RgbImage, &Letterbox)> =
        placed.iter().map(|(image, letterbox)| (image.pixels(), letterbox)).collect();
    placed.par_iter().map(|(pixels, letterbox)| letterbox.square(pixels)).collect()
}

/// The squares on a device, `[pictures, 3, side, side]`: made there where it has kernels and the pictures fit, else on
/// the CPU.
///
/// # Errors
/// The device fails.
pub fn on_device(
    placed: &[(&DeviceImage, Letterbox)],
    side: usize,
    device: &ComputeDevice,
) -> Result<Tensor<4>, KernelError> {
    let uploaded: Option<Vec<Rc<UploadedImage>>> = placed.iter().map(|(image, _)| image.on(device)).collect();
    if let (Some(kernels), Some(uploaded)) = (device.kernels(), uploaded) {
        let pictures: Vec<(&UploadedImage, Size)> = uploaded
            .iter()
            .zip(placed)
            .map(|(picture, (_, letterbox))| (picture.as_ref(), letterbox.size_in_square()))
            .collect();
        return kernels.letterbox(&pictures, side, PADDING, &device.device);
    }
    let values: Vec<f32> = in_memory(placed).concat();
    let data = TensorData::new(values, [placed.len(), side, side, 3]);
    Ok(Tensor::<4>::from_data(data, &device.device).permute([0, 3, 1, 2]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;
    use proptest::prelude::*;

    /// A picture in which every pixel tells where it is.
    fn picture(Size { width, height }: Size) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            let mixed = (x * 7919 + y * 104_729 + 5).wrapping_mul(2_654_435_761);
            Rgb([mixed as u8, (mixed >> 8) as u8, (mixed >> 16) as u8])
        })
    }

    /// Makes squares on a device and on the CPU; returns the largest difference.
    fn apart(sizes: &[Size], side: usize, device: &ComputeDevice) -> f32 {
        let pictures: Vec<RgbImage> = sizes.iter().copied().map(picture).collect();
        let images: Vec<DeviceImage> = pictures.iter().map(DeviceImage::new).collect();
        let placed: Vec<(&DeviceImage, Letterbox)> = images
            .iter()
            .zip(sizes)
            .map(|(image, size)| (image, Letterbox::new(*size, side).unwrap()))
            .collect();
        let squares = on_device(&placed, side, device).unwrap();
        assert_eq!(squares.dims(), [sizes.len(), 3, side, side]);
        // What Burn computes from a square comes after the square.
        let halves = (squares * 0.5).permute([0, 2, 3, 1]);
        let found: Vec<f32> = halves.into_data().try_into_vec().unwrap();
        let expected: Vec<f32> = in_memory(&placed).concat();
        assert_eq!(found.len(), expected.len());
        found.iter().zip(expected).map(|(f, e)| (f * 2.0 - e).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn the_kernels_squares_are_those_of_the_cpu() {
        let device = ComputeDevice::gpu_alone_for_test();
        let sizes = [
            [640, 480],
            [333, 500],
            [320, 320],
            [321, 319],
            [97, 131],
            [64, 64],
            [1, 1],
            [2, 1],
            [1, 7],
            [10_000, 10],
            [3, 4000],
            [1921, 1083],
        ]
        .map(|[width, height]| Size::new(width, height));
        for size in sizes {
            let apart = apart(&[size], 320, &device);
            assert!(apart <= 1e-4, "{size}: {apart}");
        }
        assert_eq!(device.uploads(), sizes.len());
    }

    #[test]
    fn pictures_of_several_sizes_become_one_batch() {
        let device = ComputeDevice::gpu_alone_for_test();
        let sizes = [[70, 30], [1, 1], [500, 900], [70, 30], [32, 32]];
        let sizes = sizes.map(|[width, height]| Size::new(width, height));
        assert!(apart(&sizes, 96, &device) <= 1e-4);
        let blank = RgbImage::new(0, 0);
        let empty = device.kernels().unwrap().upload(&blank).unwrap();
        let squares =
            device.kernels().unwrap().letterbox(&[(&empty, Size::default())], 8, PADDING, &device.device);
        let found: Vec<f32> = squares.unwrap().into_data().try_into_vec().unwrap();
        let grey = crate::vision::normalization_table().map(|values| values[usize::from(PADDING)]);
        let plane = |c: usize| &found[c * 64..][..64];
        assert!((0..3).all(|c| plane(c).iter().all(|v| (v - grey[c]).abs() < 1e-5)));
    }

    #[test]
    fn without_kernels_the_cpus_squares_go_to_the_device() {
        assert_eq!(apart(&[Size::new(70, 30), Size::new(9, 200)], 64, &ComputeDevice::cpu()), 0.0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn any_picture_has_the_square_that_the_cpu_gives_it(
            width in 1u32..300, height in 1u32..300, side in 1usize..80,
        ) {
            let device = crate::gpu::choose(crate::gpu::DeviceChoice::Gpu).unwrap();
            let apart = apart(&[Size::new(width, height)], side, &device);
            prop_assert!(apart <= 1e-4, "{}", apart);
        }
    }
}
