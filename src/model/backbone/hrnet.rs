//! HRNet-W32-s and -W48-s: the first three stages of HRNet, read at the highest resolution.

use super::stem::StemNet;
use crate::cpu::{Activation, Epilogue, NetBuilder, Part, Term};
use crate::model::conv::ConvBn;
use crate::pose::Size;
use burn::prelude::*;
use burn::tensor::activation::relu;
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};

/// Two 3x3 convolutions with a residual.
#[derive(Module, Debug)]
pub struct BasicBlock {
    pub c1: ConvBn,
    pub c2: ConvBn,
}

impl BasicBlock {
    fn new(channels: usize, device: &Device) -> BasicBlock {
        BasicBlock {
            c1: ConvBn::new(channels, channels, 3, 1, device),
            c2: ConvBn::new(channels, channels, 3, 1, device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = relu(self.c1.forward(x.clone()));
        relu(self.c2.forward(y) + x)
    }

    fn build(&self, net: &mut NetBuilder, x: Part) -> Part {
        let y = net.convolution(&[x], self.c1.filter(), 1, Epilogue::new(Activation::Relu));
        net.convolution(&[y], self.c2.filter(), 1, Epilogue::new(Activation::Relu).plus(x.once()))
    }

    fn fold(self) -> BasicBlock {
        BasicBlock { c1: self.c1.fold(), c2: self.c2.fold() }
    }
}

/// The blocks of one resolution in an [`HrModule`].
#[derive(Module, Debug)]
pub struct HrBranch {
    pub blocks: Vec<BasicBlock>,
}

/// The way from resolution j to resolution i: nothing for i = j, a 1x1 convolution and nearest
/// upsampling for j > i, a chain of strided 3x3 convolutions for j < i (docs/METHOD.md, "HRNet").
#[derive(Module, Debug)]
pub struct FuseLayer {
    pub convs: Vec<ConvBn>,
    /// Factor of the upsampling, 1 for none.
    pub up: usize,
}

impl FuseLayer {
    fn new(i: usize, j: usize, channels: &[usize], device: &Device) -> FuseLayer {
        if j > i {
            return FuseLayer {
                convs: vec![ConvBn::new(channels[j], channels[i], 1, 1, device)],
                up: 1 << (j - i),
            };
        }
        let convs = (j + 1..=i)
            .map(|step| {
                let outputs = if step == i { channels[i] } else { channels[j] };
                ConvBn::new(channels[j], outputs, 3, 2, device)
            })
            .collect();
        FuseLayer { convs, up: 1 }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mut y = x;
        for (k, conv) in self.convs.iter().enumerate() {
            y = conv.forward(y);
            if k + 1 < self.convs.len() {
                y = relu(y);
            }
        }
        if self.up > 1 { upsample_nearest(y, self.up) } else { y }
    }

    /// Writes the chain of strided convolutions down; `terms` are added to its last one, which `activation` follows.
    fn build_chain(&self, net: &mut NetBuilder, x: Part, terms: Vec<Term>, activation: Activation) -> Part {
        let last = self.convs.len() - 1;
        let inner = self.convs[..last]
            .iter()
            .fold(x, |x, conv| net.convolution(&[x], conv.filter(), 2, Epilogue::new(Activation::Relu)));
        let epilogue = Epilogue::new(activation).plus_all(terms);
        net.convolution(&[inner], self.convs[last].filter(), 2, epilogue)
    }

    fn fold(self) -> FuseLayer {
        FuseLayer { convs: self.convs.into_iter().map(ConvBn::fold).collect(), up: self.up }
    }

    fn macs(&self, size: Size) -> u64 {
        let mut total = 0;
        let mut size = size;
        for conv in &self.convs {
            let (next, macs) = conv.macs(size);
            size = next;
            total += macs;
        }
        total
    }
}

fn upsample_nearest(x: Tensor<4>, factor: usize) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let options = InterpolateOptions::new(InterpolateMode::Nearest)
        .with_align_corners(false)
        .with_output_size([height * factor, width * factor]);
    interpolate(x, options)
}

/// Parallel branches, then their exchange.
#[derive(Module, Debug)]
pub struct HrModule {
    pub branches: Vec<HrBranch>,
    /// `[output][input]`.
    pub fuse_layers: Vec<Vec<FuseLayer>>,
}

impl HrModule {
    fn new(channels: &[usize], outputs: usize, device: &Device) -> HrModule {
        let branch = |&c: &usize| HrBranch { blocks: (0..4).map(|_| BasicBlock::new(c, device)).collect() };
        let row = |i| (0..channels.len()).map(|j| FuseLayer::new(i, j, channels, device)).collect();
        HrModule {
            branches: channels.iter().map(branch).collect(),
            fuse_layers: (0..outputs).map(row).collect(),
        }
    }

    /// One map for each resolution to one for each row of `fuse_layers`.
    pub fn forward(&self, inputs: Vec<Tensor<4>>) -> Vec<Tensor<4>> {
        let inputs: Vec<_> = inputs
            .into_iter()
            .zip(&self.branches)
            .map(|(x, branch)| branch.blocks.iter().fold(x, |x, block| block.forward(x)))
            .collect();
        let fused = |row: &Vec<FuseLayer>| {
            row.iter().zip(&inputs).map(|(fuse, x)| fuse.forward(x.clone())).reduce(|sum, y| sum + y)
        };
        self.fuse_layers.iter().filter_map(fused).map(relu).collect()
    }

    /// Writes the module down. The coarser maps are added to each other from the coarsest on, since nearest up-sampling
    /// by 4 is that by 2 twice; what arrives from finer ones is added by the convolutions that bring it.
    fn build(&self, net: &mut NetBuilder, inputs: &[Part]) -> Vec<Part> {
        let branches = inputs.iter().zip(&self.branches);
        let inputs: Vec<Part> = branches
            .map(|(&x, branch)| branch.blocks.iter().fold(x, |x, block| block.build(net, x)))
            .collect();
        let rows = self.fuse_layers.iter().enumerate();
        rows.map(|(i, row)| {
            let mut coarser: Option<Part> = None;
            for (fuse, &x) in row.iter().zip(&inputs).skip(i + 1).rev() {
                let below = coarser.map(|part| part.doubled().once());
                let epilogue = Epilogue::new(Activation::None).plus_all(below);
                coarser = Some(net.convolution(&[x], fuse.convs[0].filter(), 1, epilogue));
            }
            let own = inputs[i].once();
            let terms: Vec<Term> =
                std::iter::once(own).chain(coarser.map(|part| part.doubled().once())).collect();
            if i == 0 {
                return net.sum(terms, Activation::Relu);
            }
            let mut sum = terms;
            for (j, (fuse, &x)) in row.iter().zip(&inputs).take(i).enumerate() {
                let activation = if j + 1 == i { Activation::Relu } else { Activation::None };
                sum = vec![fuse.build_chain(net, x, sum, activation).once()];
            }
            sum[0].part
        })
        .collect()
    }

    fn fold(self) -> HrModule {
        let fold_branch =
            |b: HrBranch| HrBranch { blocks: b.blocks.into_iter().map(BasicBlock::fold).collect() };
        HrModule {
            branches: self.branches.into_iter().map(fold_branch).collect(),
            fuse_layers: self
                .fuse_layers
                .into_iter()
                .map(|row| row.into_iter().map(FuseLayer::fold).collect())
                .collect(),
        }
    }

    /// `size`: of branch 0.
    fn macs(&self, size: Size) -> u64 {
        let at = |j: usize| Size::new(size.width >> j, size.height >> j);
        let branches = self.branches.iter().enumerate().flat_map(|(j, branch)| {
            branch.blocks.iter().map(move |b| b.c1.macs(at(j)).1 + b.c2.macs(at(j)).1)
        });
        let fuses = self
            .fuse_layers
            .iter()
            .flat_map(|row| row.iter().enumerate().map(move |(j, fuse)| fuse.macs(at(j))));
        branches.sum::<u64>() + fuses.sum::<u64>()
    }
}

/// HRNet up to stage 3; of stage 3 only the highest resolution is made.
#[derive(Module, Debug)]
pub struct HrNet {
    /// From the picture to 256 channels at a quarter of its size.
    pub stem: StemNet,
    /// From layer1 to resolutions 0 and 1.
    pub transition1: Vec<ConvBn>,
    /// One module of two branches.
    pub stage2: Vec<HrModule>,
    /// From resolution 1 to resolution 2; resolutions 0 and 1 pass unchanged.
    pub transition2: Vec<ConvBn>,
    /// Four modules of three branches; the last makes the highest resolution only.
    pub stage3: Vec<HrModule>,
}

impl HrNet {
    /// Fresh weights; `width` is 32 or 48.
    pub fn new(width: usize, device: &Device) -> HrNet {
        let channels = [width, 2 * width, 4 * width];
        HrNet {
            stem: StemNet::new(device),
            transition1: vec![
                ConvBn::new(StemNet::CHANNELS, channels[0], 3, 1, device),
                ConvBn::new(StemNet::CHANNELS, channels[1], 3, 2, device),
            ],
            stage2: vec![HrModule::new(&channels[..2], 2, device)],
            transition2: vec![ConvBn::new(channels[1], channels[2], 3, 2, device)],
            stage3: (0..4).map(|m| HrModule::new(&channels, if m < 3 { 3 } else { 1 }, device)).collect(),
        }
    }

    /// `[B,3,H,W]` to `[B,width,H/4,W/4]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let x = self.stem.forward(images);
        let mut xs: Vec<_> = self.transition1.iter().map(|conv| relu(conv.forward(x.clone()))).collect();
        drop(x);
        for module in &self.stage2 {
            xs = module.forward(xs);
        }
        for conv in &self.transition2 {
            xs.push(relu(conv.forward(xs[xs.len() - 1].clone())));
        }
        for module in &self.stage3 {
            xs = module.forward(xs);
        }
        xs.swap_remove(0)
    }

    /// Writes the network down for the CPU's engine.
    pub fn build(&self, net: &mut NetBuilder, picture: Part) -> Part {
        let relu = || Epilogue::new(Activation::Relu);
        let x = self.stem.build(net, picture);
        let [finest, second] = &self.transition1[..] else { unreachable!("two branches begin") };
        let mut xs = vec![
            net.convolution(&[x], finest.filter(), 1, relu()),
            net.convolution(&[x], second.filter(), 2, relu()),
        ];
        for module in &self.stage2 {
            xs = module.build(net, &xs);
        }
        for conv in &self.transition2 {
            xs.push(net.convolution(&[xs[xs.len() - 1]], conv.filter(), 2, relu()));
        }
        for module in &self.stage3 {
            xs = module.build(net, &xs);
        }
        xs[0]
    }

    /// Batch norms folded into the convolutions; inference only.
    pub fn fold(self) -> HrNet {
        let convs = |list: Vec<ConvBn>| list.into_iter().map(ConvBn::fold).collect();
        let modules = |list: Vec<HrModule>| list.into_iter().map(HrModule::fold).collect();
        HrNet {
            stem: self.stem.fold(),
            transition1: convs(self.transition1),
            stage2: modules(self.stage2),
            transition2: convs(self.transition2),
            stage3: modules(self.stage3),
        }
    }

    /// Multiply-accumulates for an input of `[height, width]`.
    pub fn macs(&self, input: Size) -> u64 {
        let divided = |size: Size, by: u32| Size::new(size.width.div_ceil(by), size.height.div_ceil(by));
        let size = divided(input, 4);
        let half = divided(size, 2);
        let modules = |list: &[HrModule]| list.iter().map(|m| m.macs(size)).sum::<u64>();
        self.stem.macs(input)
            + self.transition1.iter().map(|conv| conv.macs(size).1).sum::<u64>()
            + modules(&self.stage2)
            + self.transition2.iter().map(|conv| conv.macs(half).1).sum::<u64>()
            + modules(&self.stage3)
    }
}
