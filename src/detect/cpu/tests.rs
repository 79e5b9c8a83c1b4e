//! The pass written by hand against the network as Burn computes it.

use super::*;
use crate::detect::DetectorConfig;
use burn::prelude::*;
use burn::tensor::Distribution;

fn close(what: &str, ours: &[f32], theirs: &[f32]) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let largest = theirs.iter().fold(1.0f32, |m, v| m.max(v.abs()));
    let worst = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-4 * largest, "{what}: differs by {worst} where the largest value is {largest}");
}

fn values(tensor: Tensor<4>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("f32 on the CPU")
}

fn agrees(config: &DetectorConfig, size: [usize; 2]) {
    let device = Device::flex();
    device.seed(11);
    let net = config.init(&device);
    let [height, width] = size;
    let picture = Tensor::<4>::random([1, height, width, 3], Distribution::Normal(0.0, 1.0), &device);
    let expected = net.forward(picture.clone().permute([0, 3, 1, 2]));
    let map = Map { values: values(picture), height, width, channels: 3 };
    for (ours, theirs) in CpuNet::new(&net).forward(&map).into_iter().zip(expected) {
        close("scores", &ours.scores, &values(theirs.scores));
        let distances: Vec<f32> = ours.distances.as_flattened().iter().map(|d| d.max(0.0)).collect();
        close("distances", &distances, &values(theirs.distances.permute([0, 2, 3, 1])));
    }
}

#[test]
fn the_pass_by_hand_is_the_network() {
    agrees(&DetectorConfig::default(), [320, 320]);
    agrees(&DetectorConfig::default(), [64, 96]);
    agrees(&DetectorConfig::default(), [32, 32]);
}

#[test]
fn widths_that_no_vector_holds_are_right_too() {
    let odd = DetectorConfig {
        input: 64,
        stem: 6,
        widths: [10, 22, 34, 50],
        blocks: [2, 1, 1, 2],
        head: 18,
        head_layers: 1,
    };
    agrees(&odd, [64, 64]);
}
