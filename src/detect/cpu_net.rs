//! The detector's network on the CPU, by its engine.

use super::DetectorConfig;
use super::decode::LevelValues;
use super::net::topology::{self, Branches, Layers};
use super::net::{ConvSilu, Csp, DetectorNet, STRIDES, Separable};
use crate::cpu::profile::OperationTime;
use crate::cpu::{
    Activation, Epilogue, Filter, Net, NetBuilder, Part, Plan, Workspace, Workspaces, simd, team,
};
use crate::model::filter;
use crate::pose::Size;
use burn::nn::conv::Conv2d;

/// A network ready for pictures of one size.
pub struct CpuNet {
    plan: Plan,
    workspaces: Workspaces,
}

impl CpuNet {
    /// Takes the weights of `net`, wherever it lives, for pictures whose sides are multiples of 32 pixels.
    pub fn new(net: &DetectorNet, input: Size) -> CpuNet {
        let plan = Plan::new(&describe(net, input), simd::kernels(), team::threads());
        CpuNet { plan, workspaces: Workspaces::default() }
    }

    /// From normalised pictures, pixel by pixel with three channels together, to what the maps at strides 8, 16 and 32
    /// say.
    ///
    /// # Panics
    /// When a picture has another size.
    pub fn forward(&self, pictures: &[Vec<f32>]) -> Vec<Vec<LevelValues>> {
        self.workspaces.run(
            &self.plan,
            pictures.len(),
            |i, workspace| workspace.map(&self.plan, self.plan.inputs[0]).copy_from_slice(&pictures[i]),
            |workspace| self.levels(workspace),
        )
    }

    fn levels(&self, workspace: &mut Workspace) -> Vec<LevelValues> {
        let outputs = self.plan.outputs.as_chunks::<2>().0;
        outputs
            .iter()
            .zip(STRIDES)
            .map(|(&[scores, distances], stride)| {
                let shape = self.plan.maps[scores.map].shape;
                let cells = workspace.map(&self.plan, distances).as_chunks::<4>().0;
                let distances = cells.iter().map(|cell| cell.map(|d| d * stride as f32)).collect();
                let scores = workspace.map(&self.plan, scores).to_vec();
                LevelValues { size: Size::from_hw([shape.height, shape.width]), scores, distances }
            })
            .collect()
    }
}

/// How long the network's operations take on one thread of the CPU, the fastest of `runs` runs.
pub fn profile(net: &DetectorNet, config: &DetectorConfig, runs: usize) -> Vec<OperationTime> {
    let plan = CpuNet::new(net, Size::square(config.input as u32)).plan;
    plan.profile(&mut Workspace::new(&plan, 1), runs)
}

/// The network for the engine; its outputs are scores and distances of each map, in cells.
pub fn describe(net: &DetectorNet, input: Size) -> Net {
    let mut layers = EngineLayers { net: NetBuilder::new() };
    let [height, width] = input.hw();
    let picture = vec![layers.net.input(height, width, 3)];
    let maps = topology::trunk(&net.backbone, &net.neck, &mut layers, picture);
    let mut outputs = Vec::new();
    for (head, map) in net.heads.iter().zip(&maps) {
        outputs.extend(topology::scores(head, &mut layers, map));
        outputs.extend(topology::distances(head, &mut layers, map));
    }
    layers.net.finish(&outputs)
}

/// Writes the network down; a map is the parts that lie side by side in it.
struct EngineLayers {
    net: NetBuilder,
}

fn silu() -> Epilogue {
    Epilogue::new(Activation::Silu)
}

fn filters(layer: &Separable) -> [Filter; 2] {
    [filter(&layer.depthwise.conv), filter(&layer.pointwise.conv)]
}

impl EngineLayers {
    fn separable_with(&mut self, layer: &Separable, x: &[Part], epilogue: Epilogue) -> Part {
        let stride = layer.depthwise.conv.stride[0];
        self.net.separable(x, filters(layer), stride, Activation::Silu, epilogue)
    }
}

impl Layers for EngineLayers {
    type Map = Vec<Part>;

    fn conv(&mut self, layer: &ConvSilu, x: &Vec<Part>) -> Vec<Part> {
        vec![self.net.convolution(x, filter(&layer.conv), layer.conv.stride[0], silu())]
    }

    fn linear(&mut self, layer: &Conv2d, x: &Vec<Part>) -> Vec<Part> {
        vec![self.net.convolution(x, filter(layer), 1, Epilogue::new(Activation::None))]
    }

    fn separable(&mut self, layer: &Separable, x: &Vec<Part>) -> Vec<Part> {
        vec![self.separable_with(layer, x, silu())]
    }

    /// The result takes the place of `old`.
    fn separable_over(
        &mut self,
        layer: &Separable,
        x: &Vec<Part>,
        old: Vec<Part>,
        residual: bool,
    ) -> Vec<Part> {
        let epilogue = if residual { silu().with_residual(old[0]) } else { silu() };
        self.net.separable_into(old[0], x, filters(layer), 1, Activation::Silu, epilogue);
        old
    }

    /// Both branches as one convolution into one map.
    fn branches(&mut self, csp: &Csp, x: &Vec<Part>) -> Branches<Vec<Part>> {
        let [main, short] = [&csp.main, &csp.short].map(|layer| filter(&layer.conv));
        let [main, short] = self.net.convolution(x, main.beside(short), 1, silu()).halves();
        Branches { main: vec![main], short: vec![short] }
    }

    /// Parts that are neighbours in a map are one part again.
    fn concat(&mut self, parts: &[&Vec<Part>]) -> Vec<Part> {
        let mut joined: Vec<Part> = Vec::new();
        for &part in parts.iter().copied().flatten() {
            match joined.last_mut() {
                Some(last)
                    if (last.map, last.first + last.channels, last.up) == (part.map, part.first, part.up) =>
                {
                    last.channels += part.channels;
                }
                _ => joined.push(part),
            }
        }
        joined
    }

    fn upsample_concat(&mut self, coarse: &Vec<Part>, fine: &Vec<Part>) -> Vec<Part> {
        let coarse = coarse.iter().map(|part| part.doubled());
        coarse.chain(fine.iter().copied()).collect()
    }

    fn max_pool(&mut self, x: &Vec<Part>) -> Vec<Part> {
        let (height, width) = self.net.size(x[0]);
        let output = self.net.map(height, width, x[0].channels);
        self.net.max_pool_into(output, x[0]);
        vec![output]
    }

    fn gated_conv(&mut self, gate: &Conv2d, layer: &ConvSilu, x: &Vec<Part>) -> Vec<Part> {
        vec![self.net.gated(x[0], filter(gate), filter(&layer.conv), silu())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::audit::audit;
    use crate::model::numbers;
    use burn::prelude::*;
    use burn::tensor::Distribution;

    fn close(what: &str, ours: &[f32], theirs: &[f32]) {
        assert_eq!(ours.len(), theirs.len(), "{what}");
        let largest = theirs.iter().fold(1.0f32, |m, v| m.max(v.abs()));
        let worst = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-4 * largest, "{what}: differs by {worst} where the largest value is {largest}");
    }

    fn agrees(config: &DetectorConfig, size: Size) {
        let device = Device::flex();
        device.seed(11);
        let net = config.init(&device);
        let [height, width] = size.hw();
        let picture = Tensor::<4>::random([1, height, width, 3], Distribution::Normal(0.0, 1.0), &device);
        let expected = net.forward(picture.clone().permute([0, 3, 1, 2]));
        let found = CpuNet::new(&net, size).forward(&[numbers(picture)]).remove(0);
        assert_eq!(found.len(), expected.len());
        for (ours, theirs) in found.into_iter().zip(expected) {
            close("scores", &ours.scores, &numbers(theirs.scores));
            let distances: Vec<f32> = ours.distances.as_flattened().iter().map(|d| d.max(0.0)).collect();
            close("distances", &distances, &numbers(theirs.distances.permute([0, 2, 3, 1])));
        }
        let description = describe(&net, size);
        assert_eq!(description.macs(), net.macs(size));
        audit(&description, &Plan::new(&description, simd::kernels(), 3));
    }

    #[test]
    fn the_engine_computes_the_network() {
        agrees(&DetectorConfig::default(), Size::square(320));
        agrees(&DetectorConfig::default(), Size::new(96, 64));
        agrees(&DetectorConfig::default(), Size::square(32));
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
        agrees(&odd, Size::square(64));
    }
}
