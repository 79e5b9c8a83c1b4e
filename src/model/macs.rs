//! Multiply-accumulates of a model, counted honestly and as the paper's repository counts (docs/METHOD.md,
//! "Multiply-adds").

use super::TmPoseConfig;
use burn::prelude::*;
use serde::Serialize;

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counting {
    /// What this program really multiplies: tokens are selected before the embedding, and the last layer
    /// computes the keypoint queries only.
    #[default]
    Executed,
    /// All tokens embedded, every layer complete: for comparing
    /// models.
    Reference,
    /// The counter behind the published tables, which takes a linear layer's token count for its input
    /// width (`outputs * tokens * tokens`) and leaves out the products of attention; the tables print
    /// the sum in units of 2^30. Not a measure of work: kept to reproduce and explain Tables 1 to 4 of
    /// the paper.
    Repository,
}

/// Multiply-accumulates for one person. Norms, softmax, activations and additions are not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Macs {
    /// The convolutions: the backbone's, and the heatmap head on its feature where there is one.
    pub conv: u64,
    /// The tokenizer's linear layer.
    pub embed: u64,
    /// The linear layers of the transformer layers.
    pub linear: u64,
    /// The two products of attention.
    pub attention: u64,
    /// The heatmap head on the keypoint tokens.
    pub head: u64,
}

impl Macs {
    /// Convolutions and transformer part.
    pub fn total(&self) -> u64 {
        self.conv + self.transformer()
    }

    /// Everything behind the convolutions: the part that shrinks with the keep ratio.
    pub fn transformer(&self) -> u64 {
        self.embed + self.linear + self.attention + self.head
    }
}

impl TmPoseConfig {
    /// Counts for `kept` visual tokens.
    pub fn macs(&self, kept: usize, counting: Counting) -> Macs {
        let cells = self.heatmap.area();
        let feature_head = if self.feature_head { cells * self.feature_channels * self.joints } else { 0 };
        let conv = self.backbone_macs() + feature_head as u64;
        let (d, joints) = (self.dim, self.joints);
        let all = joints + kept;
        let hidden = d * self.mlp_ratio;
        let layers = self.depth * self.transformers;
        let embedded = if counting == Counting::Executed { kept } else { self.tokens() };
        let head_layers: Vec<(usize, usize)> = {
            let inputs = d * self.transformers;
            match self.head_hidden {
                Some(hidden) => vec![(inputs, hidden), (hidden, cells)],
                None => vec![(inputs, cells)],
            }
        };
        let (embed, linear, attention, head) = match counting {
            Counting::Repository => (
                embedded * embedded * d,
                layers * all * all * (3 * d + d + hidden + d),
                0,
                head_layers.iter().map(|&(_, outputs)| joints * joints * outputs).sum::<usize>(),
            ),
            Counting::Reference | Counting::Executed => {
                // Tokens asked and passed through the MLP, in the last layer.
                let asked = if counting == Counting::Executed { joints } else { all };
                let whole = layers.saturating_sub(1);
                let linear = |asked: usize| 2 * all * d * d + asked * (2 * d * d + 2 * d * hidden);
                (
                    embedded * self.patch_values() * d,
                    whole * linear(all) + linear(asked),
                    whole * 2 * all * all * d + 2 * asked * all * d,
                    head_layers.iter().map(|&(inputs, outputs)| joints * inputs * outputs).sum::<usize>(),
                )
            }
        };
        Macs {
            conv,
            embed: embed as u64,
            linear: linear as u64,
            attention: attention as u64,
            head: head as u64,
        }
    }

    /// Walks the backbone's convolutions. Its weights are lazy, so that none is made for this.
    fn backbone_macs(&self) -> u64 {
        self.backbone.init(&Device::flex()).macs(self.input)
    }
}
