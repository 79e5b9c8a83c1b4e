//! Named sets of settings that a training starts from; a file or flag then says what differs.

use super::config::{
    DataSection, Decay, LossSection, MaskSection, ModelSection, ScheduleSection, TrainConfig, keep_ratio,
};
use crate::data::Augmentation;
use crate::model::Variant;

/// A way to train, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Recipe {
    /// What docs/TRAINING.md found good on a small budget; all defaults.
    #[default]
    Modern,
    /// The TMPose paper's own way: long, plain and meant for a large GPU.
    Tmpose,
}

/// A name that is no [`Recipe`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no recipe \"{0}\"; use modern or tmpose")]
pub struct UnknownRecipe(pub String);

impl Recipe {
    /// Every recipe.
    pub const ALL: [Recipe; 2] = [Recipe::Modern, Recipe::Tmpose];

    /// The name used in flags and files.
    pub fn name(self) -> &'static str {
        match self {
            Recipe::Modern => "modern",
            Recipe::Tmpose => "tmpose",
        }
    }

    /// One line for help texts and forms.
    pub fn description(self) -> &'static str {
        match self {
            Recipe::Modern => {
                "short trainings: AdamW, warm-up, cosine, averaged weights, two losses, any keep ratio"
            }
            Recipe::Tmpose => {
                "the paper's: Adam, 300 epochs, squared error only, 60 % of the tokens at random"
            }
        }
    }
}

impl std::fmt::Display for Recipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Recipe {
    type Err = UnknownRecipe;

    fn from_str(text: &str) -> Result<Recipe, UnknownRecipe> {
        let lower = text.to_lowercase();
        Recipe::ALL.into_iter().find(|r| r.name() == lower).ok_or_else(|| UnknownRecipe(text.to_owned()))
    }
}

impl TrainConfig {
    /// The settings of a recipe. Data, starting weights and folders are left as they are by default.
    pub fn recipe(recipe: Recipe) -> TrainConfig {
        match recipe {
            Recipe::Modern => TrainConfig::default(),
            Recipe::Tmpose => tmpose(),
        }
    }
}

/// docs/METHOD.md, "Paper recipe"; what the paper leaves open keeps its default.
fn tmpose() -> TrainConfig {
    TrainConfig {
        recipe: Recipe::Tmpose,
        model: ModelSection { variant: Variant::B, ..ModelSection::default() },
        data: DataSection { teacher_labels: false, ..DataSection::default() },
        augmentation: Augmentation::tmpose(),
        loss: LossSection { mse: 1.0, cross_entropy: 0.0, ..LossSection::default() },
        masks: MaskSection {
            full: 0.0,
            ratio: [keep_ratio(0.6); 2],
            fixed_share: 0.0,
            shared: true,
            validation: keep_ratio(0.6),
            sandwich: false,
            ..MaskSection::default()
        },
        schedule: ScheduleSection {
            epochs: 300.0,
            // The reference's four GPUs with 32 persons and a mask each: 128 persons a step.
            batch: 32,
            accumulate: 4,
            learning_rate: 1e-3,
            warm_up: 0,
            decay: Decay::Steps(vec![200.0 / 300.0, 260.0 / 300.0]),
            weight_decay: 0.0,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            gradient_norm: 0.0,
            ema: 0.0,
            ..ScheduleSection::default()
        },
        ..TrainConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::schedule::{learning_rate, total_steps};

    #[test]
    fn recipes_are_known_by_name() {
        for recipe in Recipe::ALL {
            assert_eq!(recipe.name().parse(), Ok(recipe));
            assert_eq!(TrainConfig::recipe(recipe).recipe, recipe);
        }
        assert!("paper".parse::<Recipe>().unwrap_err().to_string().contains("modern or tmpose"));
    }

    #[test]
    fn the_papers_rate_falls_after_200_and_260_of_300_epochs() {
        let s = TrainConfig::recipe(Recipe::Tmpose).schedule;
        // COCO train2017 has 149,813 labelled persons.
        let samples = 149_813;
        let steps = total_steps(&s, samples);
        assert_eq!(steps, (300.0 * samples as f64 / 128.0).ceil() as u64);
        let at = |epoch: f64| learning_rate(&s, (epoch / 300.0 * steps as f64) as u64, steps);
        let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(near(at(0.0), 1e-3) && near(at(199.9), 1e-3));
        assert!(near(at(200.1), 1e-4) && near(at(259.9), 1e-4) && near(at(260.1), 1e-5));
    }
}
