//! The settings of each recipe, which a training starts from; a file or flag then says what differs.

use super::checks;
use super::config::{
    DataSection, Decay, LossSection, MaskSection, ModelSection, Recipe, ScheduleSection, TrainConfig,
};
use super::settings::TrainSettings;
use crate::data::Augmentation;
use crate::model::{KeepRatio, Variant};
use crate::settings::{Catalogue, InvalidSetting, value_at};
use std::sync::LazyLock;
use toml::{Table, Value};

impl TrainConfig {
    /// The settings of a recipe. Data, starting weights and folders are left as they are by default.
    pub fn recipe(recipe: Recipe) -> TrainConfig {
        match recipe {
            Recipe::Modern => TrainConfig::default(),
            Recipe::Tmpose => tmpose(),
        }
    }
}

/// The settings of the paper (docs/METHOD.md, "Paper recipe"); what it does not say keeps its default.
fn tmpose() -> TrainConfig {
    TrainConfig {
        recipe: Recipe::Tmpose,
        model: ModelSection { variant: Variant::B, ..ModelSection::default() },
        data: DataSection { teacher_labels: false, ..DataSection::default() },
        augmentation: Augmentation::tmpose(),
        loss: LossSection { mse: 1.0, cross_entropy: 0.0, ..LossSection::default() },
        masks: MaskSection {
            full: 0.0,
            ratio: [const { KeepRatio::constant(0.6) }; 2],
            fixed_share: 0.0,
            shared: true,
            validation: const { KeepRatio::constant(0.6) },
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

impl TrainSettings for TrainConfig {
    fn catalogue() -> &'static Catalogue {
        static ALL: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::of::<TrainConfig>("tmpose train"));
        &ALL
    }

    /// The settings of the recipe that `chosen` names.
    fn defaults_for(chosen: &Table) -> TrainConfig {
        let name = value_at(chosen, "recipe").and_then(Value::as_str);
        // A name that is no recipe is refused when the settings are read.
        TrainConfig::recipe(name.and_then(|name| name.parse().ok()).unwrap_or_default())
    }

    fn named_defaults() -> Vec<(&'static str, TrainConfig)> {
        Recipe::ALL.into_iter().map(|recipe| (recipe.name(), TrainConfig::recipe(recipe))).collect()
    }

    fn check(&self) -> Result<(), InvalidSetting> {
        checks::check(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::schedule::{learning_rate, total_steps};

    #[test]
    fn settings_name_the_recipe_that_they_come_from() {
        for recipe in Recipe::ALL {
            assert_eq!(TrainConfig::recipe(recipe).recipe, recipe);
        }
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

    #[test]
    fn a_file_names_only_what_differs_and_survives_a_round_trip() {
        let text = r#"
            [data]
            train = ["data/people", "data/people_coco:2"]
            [masks]
            fixed_share = 0.25
        "#;
        let config: TrainConfig = toml::from_str(text).unwrap();
        assert_eq!(config.data.train[1].repeat, 2);
        assert_eq!(config.masks.fixed_share, 0.25);
        assert_eq!(config.schedule, ScheduleSection::default());
        config.check().unwrap();
        assert_eq!(toml::from_str::<TrainConfig>(&config.to_toml()).unwrap(), config);
    }

    #[test]
    fn a_file_names_a_recipe_and_what_differs() {
        let read = |text, recipe: Option<Recipe>| {
            let flags =
                recipe.map(|recipe| ("recipe".to_owned(), recipe.name().into())).into_iter().collect();
            TrainConfig::parse(text, "a.toml", flags).unwrap()
        };
        let text = "recipe = \"tmpose\"\n[schedule]\nbatch = 8\ndecay = \"constant\"";
        let config = read(text, None);
        assert_eq!((config.schedule.batch, config.schedule.accumulate), (8, 4));
        assert_eq!(config.schedule.decay, Decay::Constant);
        assert_eq!(config.augmentation, Augmentation::tmpose());
        // A recipe that is asked for beside the file wins; what the file names stays.
        let config = read(text, Some(Recipe::Modern));
        assert_eq!((config.recipe, config.schedule.batch), (Recipe::Modern, 8));
        assert_eq!(config.augmentation, Augmentation::default());
        // What a run leaves in its folder is complete: it comes back unchanged.
        let config = read("recipe = \"tmpose\"\n[masks]\nratio = [0.2, 1.0]", None);
        assert_eq!(read(&config.to_toml(), None), config);
    }

    #[test]
    fn an_unknown_setting_is_refused_and_the_nearest_one_named() {
        let error = |text| TrainConfig::parse(text, "a.toml", Table::new()).unwrap_err().to_string();
        assert_eq!(
            error("[schedule]\nleraning_rate = 1"),
            "unknown setting schedule.leraning_rate in a.toml; did you mean schedule.learning_rate?"
        );
        assert!(error("[xyzzy]").contains("--print-config"));
        assert!(error("recipe = \"paper\"").contains("modern or tmpose"));
        assert!(error("[schedule]\n\nbatch = \"many\"").contains("line 3"));
    }
}
