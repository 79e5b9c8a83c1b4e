//! The little of ONNX that a convolutional backbone needs: nodes and initializers, in file order.
//!
//! Messages follow `onnx.proto` (only the fields read here; protobuf skips the others).

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::TensorData;
use prost::Message;

use super::WeightsError;
use crate::model::backbone::ConvWeights;

#[derive(Clone, PartialEq, Message)]
struct ModelProto {
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphProto>,
}

#[derive(Clone, PartialEq, Message)]
struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    node: Vec<NodeProto>,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<TensorProto>,
}

#[derive(Clone, PartialEq, Message)]
struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    op_type: String,
}

#[derive(Clone, PartialEq, Message)]
struct TensorProto {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(float, repeated, tag = "4")]
    float_data: Vec<f32>,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
}

/// `TensorProto.DataType.FLOAT`
const FLOAT: i32 = 1;

/// The weights of all `Conv` nodes in file order, which ONNX keeps topologically sorted.
///
/// # Errors
/// The file cannot be read, or is no ONNX file with the weights of its convolutions.
pub fn convolutions(path: &Path) -> Result<Vec<ConvWeights>, WeightsError> {
    let foreign = |reason: String| WeightsError::Damaged { path: path.to_owned(), reason };
    let bytes = std::fs::read(path).map_err(|source| WeightsError::Read { path: path.to_owned(), source })?;
    let model = ModelProto::decode(bytes.as_slice()).map_err(|e| foreign(format!("it is not ONNX ({e})")))?;
    let graph = model.graph.ok_or_else(|| foreign("it holds no ONNX graph".into()))?;
    let tensors: HashMap<&str, &TensorProto> =
        graph.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    let initializer = |node: &NodeProto, place: usize| {
        let name = node.input.get(place).map_or("", String::as_str);
        let tensor = tensors.get(name).ok_or_else(|| {
            foreign(format!(
                "the convolution giving `{}` has no stored weight and bias",
                node.output.join(", ")
            ))
        })?;
        tensor.values().ok_or_else(|| foreign(format!("tensor `{name}` is not plain f32")))
    };
    let convolutions = graph.node.iter().filter(|node| node.op_type == "Conv");
    convolutions
        .map(|node| {
            Ok(ConvWeights {
                name: node.input.get(1).cloned().unwrap_or_default(),
                weight: initializer(node, 1)?,
                bias: initializer(node, 2)?,
            })
        })
        .collect()
}

impl TensorProto {
    /// The values if they are f32 and as many as the shape says.
    fn values(&self) -> Option<TensorData> {
        let shape: Vec<usize> = self.dims.iter().map(|&d| usize::try_from(d).ok()).collect::<Option<_>>()?;
        let count = shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d))?;
        let values: Vec<f32> = if self.raw_data.is_empty() {
            self.float_data.clone()
        } else {
            let (words, rest) = self.raw_data.as_chunks::<4>();
            if !rest.is_empty() {
                return None;
            }
            words.iter().map(|&word| f32::from_le_bytes(word)).collect()
        };
        (self.data_type == FLOAT && values.len() == count).then(|| TensorData::new(values, shape))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, dims: &[i64], raw: bool) -> TensorProto {
        let values: Vec<f32> = (0..dims.iter().product::<i64>()).map(|i| i as f32).collect();
        let raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        TensorProto {
            dims: dims.to_vec(),
            data_type: FLOAT,
            name: name.into(),
            float_data: if raw { vec![] } else { values },
            raw_data: if raw { raw_data } else { vec![] },
        }
    }

    fn node(op_type: &str, input: &[&str], output: &str) -> NodeProto {
        NodeProto {
            input: input.iter().map(|&s| s.into()).collect(),
            output: vec![output.into()],
            name: String::new(),
            op_type: op_type.into(),
        }
    }

    fn two_convolutions() -> ModelProto {
        let graph = GraphProto {
            node: vec![
                node("Conv", &["image", "a.w", "a.b"], "x"),
                node("Relu", &["x"], "y"),
                node("Conv", &["y", "b.w", "b.b"], "z"),
                node("Relu", &["z"], "end"),
            ],
            initializer: vec![
                tensor("b.b", &[3], false),
                tensor("b.w", &[3, 2, 1, 1], false),
                tensor("a.w", &[2, 1, 3, 3], true),
                tensor("a.b", &[2], true),
            ],
        };
        ModelProto { graph: Some(graph) }
    }

    fn read(bytes: &[u8]) -> Result<Vec<ConvWeights>, WeightsError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        convolutions(file.path())
    }

    #[test]
    fn convolutions_come_in_graph_order_with_either_storage() {
        let convolutions = read(&two_convolutions().encode_to_vec()).unwrap();
        let names: Vec<_> = convolutions.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["a.w", "b.w"]);
        assert_eq!(convolutions[0].weight.shape().to_vec(), [2, 1, 3, 3]);
        assert_eq!(convolutions[1].bias.clone().try_into_vec::<f32>().unwrap(), [0.0, 1.0, 2.0]);
    }

    #[test]
    fn other_files_are_refused_in_one_sentence() {
        let whole = two_convolutions().encode_to_vec();
        let cut = read(&whole[..whole.len() / 2]).unwrap_err().to_string();
        assert!(cut.contains("is damaged or no weight file (it is not ONNX"), "{cut}");
        let mut model = two_convolutions();
        model.graph.as_mut().unwrap().initializer[2].raw_data.pop();
        let short = read(&model.encode_to_vec()).unwrap_err().to_string();
        assert!(short.contains("`a.w` is not plain f32"), "{short}");
    }
}
