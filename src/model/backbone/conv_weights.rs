//! Convolutions of a published file, put into a network one by one.

use burn::module::Param;
use burn::nn::conv::Conv2d;
use burn::tensor::TensorData;

/// One convolution of a weight file: weight `[out, in / groups, kh, kw]` and bias `[out]`, f32.
#[derive(Clone, Debug)]
pub struct ConvWeights {
    /// Its name in the file, for messages.
    pub name: String,
    /// `[outputs, inputs of a group, height, width]`.
    pub weight: TensorData,
    /// One number for each output channel.
    pub bias: TensorData,
}

/// The convolutions offered do not fit the network.
// The fields are the words of the messages.
#[allow(missing_docs)]
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum ConvMismatch {
    /// Another number of them.
    #[error("the network has {wanted} convolutions, {found} were given")]
    Count { wanted: usize, found: usize },
    /// One of another shape.
    #[error("convolution {index} ({name}) has weight {weight:?} and bias {bias:?}, {wanted:?} is needed")]
    Shape { index: usize, name: String, weight: Vec<usize>, bias: Vec<usize>, wanted: Vec<usize> },
}

/// Puts the weights given into `convolutions`, one for one; `first` is the place of the first in its file.
///
/// # Errors
/// Another shape than the network's.
pub fn fill_convolutions(
    convolutions: Vec<&mut Conv2d>,
    given: Vec<ConvWeights>,
    first: usize,
) -> Result<(), ConvMismatch> {
    for (place, (conv, new)) in convolutions.into_iter().zip(given).enumerate() {
        let wanted = conv.weight.dims().to_vec();
        let (weight, bias) = (new.weight.shape().to_vec(), new.bias.shape().to_vec());
        if weight != wanted || bias != wanted[..1] {
            let index = first + place;
            return Err(ConvMismatch::Shape { index, name: new.name, weight, bias, wanted });
        }
        let device = conv.weight.device();
        conv.weight = Param::from_data(new.weight, &device);
        conv.bias = Some(Param::from_data(new.bias, &device));
    }
    Ok(())
}
