//! A picture that several networks look at.

use super::ComputeDevice;
use super::kernels::{Kernels, UploadedImage};
use image::RgbImage;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// A picture in the CPU's memory and, as soon as a network asks for it there, on a device. All networks that look at
/// it (the person detector, the pose network) share one upload a device. It stays on one thread, as tensors do.
#[derive(Debug)]
pub struct DeviceImage<'a> {
    pixels: &'a RgbImage,
    uploads: RefCell<Vec<Upload>>,
}

/// A device that the picture was wanted on.
#[derive(Debug)]
struct Upload {
    kernels: Arc<Kernels>,
    /// `None` if the picture is too large for it.
    image: Option<Rc<UploadedImage>>,
}

impl<'a> DeviceImage<'a> {
    /// Nothing is uploaded yet.
    pub fn new(pixels: &'a RgbImage) -> DeviceImage<'a> {
        DeviceImage { pixels, uploads: RefCell::default() }
    }

    /// The picture in the CPU's memory.
    pub fn pixels(&self) -> &'a RgbImage {
        self.pixels
    }

    /// The picture where the kernels of `device` see it; uploaded when it is first asked for. `None` on a device
    /// without kernels, and when it is too large for them.
    pub fn on(&self, device: &ComputeDevice) -> Option<Rc<UploadedImage>> {
        let kernels = device.kernels()?;
        let mut uploads = self.uploads.borrow_mut();
        if let Some(upload) = uploads.iter().find(|upload| Arc::ptr_eq(&upload.kernels, kernels)) {
            return upload.image.clone();
        }
        let image = kernels.upload(self.pixels).map(Rc::new);
        uploads.push(Upload { kernels: kernels.clone(), image: image.clone() });
        image
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_goes_up_once_to_each_device_and_only_when_wanted() {
        let img = RgbImage::new(12, 7);
        let [one, other] = [0, 1].map(|_| ComputeDevice::gpu_alone_for_test());
        let image = DeviceImage::new(&img);
        assert_eq!([one.uploads(), other.uploads()], [0, 0]);
        let (first, second) = (image.on(&one).unwrap(), image.on(&one).unwrap());
        assert!(Rc::ptr_eq(&first, &second));
        assert_eq!([one.uploads(), other.uploads()], [1, 0]);
        assert!(!Rc::ptr_eq(&first, &image.on(&other).unwrap()));
        assert!(Rc::ptr_eq(&first, &image.on(&one).unwrap()));
        assert_eq!([one.uploads(), other.uploads()], [1, 1]);
        assert!(image.on(&ComputeDevice::cpu()).is_none());
    }
}
