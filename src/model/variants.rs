//! The table of variants: every named architecture, its family, its dimensions and its source.

use super::BackboneKind;
use super::backbone::TinyPose;
use crate::pose::{UnknownName, find_by_name};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A family of pose networks: those that share their code, a member of [`super::PoseNet`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// The token-masked pose transformer (docs/METHOD.md, "Network"); TokenPose is the same without a mask.
    #[default]
    #[serde(rename = "tmpose")]
    TmPose,
}

impl Family {
    /// Every family.
    pub const ALL: [Family; 1] = [Family::TmPose];

    /// The name used in the headers of weight files.
    pub fn name(self) -> &'static str {
        match self {
            Family::TmPose => "tmpose",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Family {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Family, UnknownName> {
        find_by_name("family of networks", &Family::ALL, Family::name, text)
    }
}

/// The licence of published weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Licence {
    /// Apache License 2.0.
    #[serde(rename = "Apache-2.0")]
    Apache2,
    /// MIT License.
    #[serde(rename = "MIT")]
    Mit,
}

impl Licence {
    /// Its SPDX identifier.
    pub fn spdx(self) -> &'static str {
        match self {
            Licence::Apache2 => "Apache-2.0",
            Licence::Mit => "MIT",
        }
    }
}

impl fmt::Display for Licence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.spdx())
    }
}

/// A named architecture; its row of the table is [`Variant::info`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Variant {
    /// `tmpose-t`.
    #[serde(rename = "tmpose-t")]
    T,
    /// `tmpose-s`.
    #[serde(rename = "tmpose-s")]
    S,
    /// `tmpose-b`.
    #[serde(rename = "tmpose-b")]
    B,
    /// `tmpose-l-d6`.
    #[serde(rename = "tmpose-l-d6")]
    LD6,
    /// `tmpose-l-d18`.
    #[serde(rename = "tmpose-l-d18")]
    LD18,
    /// `tmpose-l-d24`.
    #[serde(rename = "tmpose-l-d24")]
    LD24,
}

/// A row of the table of variants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VariantInfo {
    /// The variant that the row describes.
    pub variant: Variant,
    /// The name used in flags, file headers and file names.
    pub name: &'static str,
    /// Whose code runs it.
    pub family: Family,
    /// What it is made of, for people.
    pub description: &'static str,
    /// The convolutional part.
    pub backbone: BackboneKind,
    /// Channels of the backbone's feature map.
    pub feature_channels: usize,
    /// Chained transformers.
    pub transformers: usize,
    /// Layers of one transformer.
    pub depth: usize,
    /// Heads of attention.
    pub heads: usize,
    /// Where the architecture was published.
    pub source: &'static str,
    /// Published weights that it can start from.
    pub starting_weights: &'static str,
    /// Their licence, as far as it is known.
    pub licence: Option<Licence>,
}

const HRNET_W32: BackboneKind = BackboneKind::HrNet { width: 32 };
const HRNET_W48: BackboneKind = BackboneKind::HrNet { width: 48 };
const TMPOSE: &str = "TMPose (doi:10.32604/cmc.2025.059006)";
const HRNET_WEIGHTS: &str = "HRNet's backbone, trained on ImageNet";

/// Every variant, smallest first.
const TABLE: [VariantInfo; 6] = [
    VariantInfo {
        variant: Variant::T,
        name: "tmpose-t",
        family: Family::TmPose,
        description: "for real time on small machines: PP-TinyPose's network, 6 layers",
        backbone: BackboneKind::TinyPose,
        feature_channels: TinyPose::CHANNELS,
        transformers: 1,
        depth: 6,
        heads: 8,
        source: "ours, on PP-TinyPose (PaddleDetection)",
        starting_weights: "PP-TinyPose, trained on COCO train2017 and AI Challenger",
        licence: Some(Licence::Apache2),
    },
    VariantInfo {
        variant: Variant::S,
        name: "tmpose-s",
        family: Family::TmPose,
        description: "the network of TokenPose-S: HRNet's stem, 12 layers",
        backbone: BackboneKind::Stem,
        feature_channels: 256,
        transformers: 1,
        depth: 12,
        heads: 8,
        source: "TokenPose-S-v1 (arXiv 2104.03516)",
        starting_weights: "TokenPose-S",
        licence: None,
    },
    VariantInfo {
        variant: Variant::B,
        name: "tmpose-b",
        family: Family::TmPose,
        description: "HRNet-W32-s, 12 layers",
        backbone: HRNET_W32,
        feature_channels: 32,
        transformers: 1,
        depth: 12,
        heads: 8,
        source: TMPOSE,
        starting_weights: HRNET_WEIGHTS,
        licence: Some(Licence::Mit),
    },
    VariantInfo {
        variant: Variant::LD6,
        name: "tmpose-l-d6",
        family: Family::TmPose,
        description: "HRNet-W48-s, three transformers of 2 layers",
        backbone: HRNET_W48,
        feature_channels: 48,
        transformers: 3,
        depth: 2,
        heads: 8,
        source: TMPOSE,
        starting_weights: HRNET_WEIGHTS,
        licence: Some(Licence::Mit),
    },
    // What the reference's settings for COCO of "L/D6" build.
    VariantInfo {
        variant: Variant::LD18,
        name: "tmpose-l-d18",
        family: Family::TmPose,
        description: "HRNet-W48-s, three transformers of 6 layers",
        backbone: HRNET_W48,
        feature_channels: 48,
        transformers: 3,
        depth: 6,
        heads: 8,
        source: TMPOSE,
        starting_weights: HRNET_WEIGHTS,
        licence: Some(Licence::Mit),
    },
    VariantInfo {
        variant: Variant::LD24,
        name: "tmpose-l-d24",
        family: Family::TmPose,
        description: "HRNet-W48-s, three transformers of 8 layers",
        backbone: HRNET_W48,
        feature_channels: 48,
        transformers: 3,
        depth: 8,
        heads: 12,
        source: TMPOSE,
        starting_weights: HRNET_WEIGHTS,
        licence: Some(Licence::Mit),
    },
];

impl Variant {
    /// Every variant, smallest first.
    pub const ALL: [Variant; TABLE.len()] = {
        let mut all = [Variant::T; TABLE.len()];
        let mut i = 0;
        while i < TABLE.len() {
            all[i] = TABLE[i].variant;
            i += 1;
        }
        all
    };

    /// Its row of the table.
    pub const fn info(self) -> &'static VariantInfo {
        // Rows stand in the order of the enum; a test compares them.
        &TABLE[self as usize]
    }

    /// The name used in flags, file headers and file names.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// What it is made of, for people.
    pub fn description(self) -> &'static str {
        self.info().description
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Variant {
    type Err = UnknownName;

    /// Accepts the full name and, in the family of TMPose, the name without `tmpose-`, in any case.
    fn from_str(text: &str) -> Result<Variant, UnknownName> {
        let lower = text.to_lowercase();
        let short = |variant: &Variant| variant.name().strip_prefix("tmpose-") == Some(&lower);
        match Variant::ALL.iter().find(|variant| short(variant)) {
            Some(variant) => Ok(*variant),
            None => find_by_name("model variant", &Variant::ALL, Variant::name, text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_has_its_row_and_its_name_in_files() {
        for variant in Variant::ALL {
            assert_eq!(variant.info().variant, variant);
            assert_eq!(serde_json::to_value(variant).unwrap(), variant.name());
        }
        for family in Family::ALL {
            assert_eq!(serde_json::to_value(family).unwrap(), family.name());
        }
    }
}
