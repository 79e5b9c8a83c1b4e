//! Refuses settings of a training that cannot work. Each rule stands here once, or beside the struct that it checks.

use super::config::{DistillationSection, LossSection, MaskSection, ScheduleSection, TrainConfig};
use crate::settings::{InvalidSetting, require, require_share};

/// Refuses settings that cannot work, before anything is computed.
///
/// # Errors
/// The first such setting.
pub(super) fn check(config: &TrainConfig) -> Result<(), InvalidSetting> {
    let TrainConfig { data, masks, loss, distillation, .. } = config;
    let must = "a list of sets, e.g. [\"data/people:2\"]";
    require(!data.train.is_empty(), "data.train", "empty", must)?;
    config.schedule.check(data.val.is_some())?;
    masks.check()?;
    config.augmentation.check()?;
    distillation.check()?;
    let learns_maps = distillation.learns_heatmaps() || masks.sandwich && masks.sandwich_weight > 0.0;
    let must = "above 0 when heatmaps of a teacher or a sandwich are learnt";
    require(!learns_maps || loss.mse > 0.0, "loss.mse", loss.mse, must)?;
    loss.check()
}

impl ScheduleSection {
    /// Refuses a schedule that cannot work; `validated` is whether there is a set to validate on.
    ///
    /// # Errors
    /// The first setting that cannot work.
    pub(super) fn check(&self, validated: bool) -> Result<(), InvalidSetting> {
        let ScheduleSection { steps, epochs, batch, accumulate, patience, learning_rate, betas, ema, .. } =
            self;
        let positive = |number: f64| number.is_finite() && number > 0.0;
        require(*batch > 0, "schedule.batch", batch, "1 or more")?;
        require(*accumulate > 0, "schedule.accumulate", accumulate, "1 or more")?;
        require(
            *patience == 0 || validated,
            "schedule.patience",
            patience,
            "0 when there is no set to validate on (data.val)",
        )?;
        let must = "above 0 when schedule.steps is 0";
        require(*steps > 0 || positive(*epochs), "schedule.epochs", epochs, must)?;
        require(positive(*learning_rate), "schedule.learning_rate", learning_rate, "above 0")?;
        let below_one = |number: &f64| (0.0..1.0).contains(number);
        let must = "two numbers from 0 to below 1";
        require(betas.iter().all(below_one), "schedule.betas", format!("{betas:?}"), must)?;
        require(below_one(ema), "schedule.ema", ema, "from 0 to below 1")
    }
}

impl MaskSection {
    fn check(&self) -> Result<(), InvalidSetting> {
        let [low, high] = self.ratio;
        let must = "[low, high] with 0 < low <= high <= 1";
        require(low <= high, "masks.ratio", format!("[{low}, {high}]"), must)?;
        require_share("masks.full", self.full)?;
        require_share("masks.fixed_share", self.fixed_share)?;
        require_weight("masks.sandwich_weight", self.sandwich_weight)
    }
}

impl DistillationSection {
    /// Whether the teacher's heatmaps are part of the loss.
    fn learns_heatmaps(&self) -> bool {
        self.teacher.is_some() && self.heatmaps > 0.0
    }

    fn check(&self) -> Result<(), InvalidSetting> {
        require_weight("distillation.heatmaps", self.heatmaps)?;
        require_weight("distillation.tokens", self.tokens)?;
        require_weight("distillation.attention", self.attention)?;
        let learns_layers = self.tokens.max(self.attention) > 0.0;
        require(
            self.teacher.is_none() || self.learns_heatmaps() || learns_layers,
            "distillation.heatmaps",
            0,
            "above 0 when nothing else is learnt from the teacher",
        )?;
        require(
            self.teacher.is_some() || !learns_layers,
            "distillation.teacher",
            "missing",
            "a file when tokens or attention are learnt from it",
        )
    }
}

impl LossSection {
    fn check(&self) -> Result<(), InvalidSetting> {
        require_share("loss.cross_entropy_until", self.cross_entropy_until)?;
        require(self.sigma > 0.0, "loss.sigma", self.sigma, "above 0")
    }
}

/// Requires the factor of a term of the loss: a finite number, 0 or more.
fn require_weight(name: &'static str, value: f64) -> Result<(), InvalidSetting> {
    require(value.is_finite() && value >= 0.0, name, value, "0 or more")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::KeepRatio;
    use crate::train::TrainSettings;

    #[test]
    fn impossible_settings_are_named_before_anything_runs() {
        let mut config = TrainConfig::default();
        assert!(config.check().unwrap_err().to_string().contains("data.train"));
        config.data.train = vec!["data/people".parse().unwrap()];
        config.masks.ratio = [0.5, 0.2].map(KeepRatio::constant);
        assert!(config.check().unwrap_err().to_string().contains("masks.ratio"));
        config.masks.ratio = [0.2, 0.5].map(KeepRatio::constant);
        config.distillation.tokens = 0.1;
        assert!(config.check().unwrap_err().to_string().contains("distillation.teacher"));
        config.distillation.teacher = Some("teacher.onnx".into());
        config.check().unwrap();
        (config.distillation.heatmaps, config.distillation.tokens) = (0.0, 0.0);
        assert!(config.check().unwrap_err().to_string().contains("distillation.heatmaps"));
    }
}
