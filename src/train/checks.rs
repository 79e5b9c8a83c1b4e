//! Which settings of a training can work.

use super::config::{ConfigError, ScheduleSection, TrainConfig};

/// A setting's value that cannot work.
pub(super) fn refused(name: &'static str, value: String, must: &'static str) -> Result<(), ConfigError> {
    Err(ConfigError::Range { name, value, must })
}

impl ScheduleSection {
    /// Refuses a schedule that cannot work; `validated` says whether there is a set to validate on.
    pub(super) fn check(&self, validated: bool) -> Result<(), ConfigError> {
        let s = self;
        for (name, value) in [("schedule.batch", s.batch), ("schedule.accumulate", s.accumulate)] {
            if value == 0 {
                return refused(name, "0".into(), "1 or more");
            }
        }
        if s.patience > 0 && !validated {
            return refused("schedule.patience", s.patience.to_string(), "0 when there is no data.val");
        }
        if s.steps == 0 && !(s.epochs.is_finite() && s.epochs > 0.0) {
            return refused("schedule.epochs", s.epochs.to_string(), "above 0 when schedule.steps is 0");
        }
        if !(s.learning_rate.is_finite() && s.learning_rate > 0.0) {
            return refused("schedule.learning_rate", s.learning_rate.to_string(), "above 0");
        }
        if s.betas.iter().any(|b| !(0.0..1.0).contains(b)) {
            return refused("schedule.betas", format!("{:?}", s.betas), "two numbers from 0 to below 1");
        }
        if !(0.0..1.0).contains(&s.ema) {
            return refused("schedule.ema", s.ema.to_string(), "from 0 to below 1");
        }
        Ok(())
    }
}

impl TrainConfig {
    /// Refuses settings that cannot work, before anything is computed.
    pub fn check(&self) -> Result<(), ConfigError> {
        let s = &self.schedule;
        let m = &self.masks;
        if self.data.train.is_empty() {
            return refused("data.train", "empty".into(), "a list of sets, e.g. [\"data/people:2\"]");
        }
        s.check(self.data.val.is_some())?;
        let [low, high] = m.ratio;
        if !(low > 0.0 && low <= high && high <= 1.0) {
            return refused("masks.ratio", format!("{:?}", m.ratio), "[low, high] with 0 < low <= high <= 1");
        }
        if !(m.validation > 0.0 && m.validation <= 1.0) {
            return refused("masks.validation", m.validation.to_string(), "above 0 and at most 1");
        }
        for (name, value) in [("masks.full", m.full), ("masks.fixed_share", m.fixed_share)] {
            if !(0.0..=1.0).contains(&value) {
                return refused(name, value.to_string(), "from 0 to 1");
            }
        }
        if let Some((name, value, must)) = self.augmentation.fault() {
            return refused(name, value, must);
        }
        let d = &self.distillation;
        let weights = [
            ("distillation.heatmaps", d.heatmaps),
            ("distillation.tokens", d.tokens),
            ("distillation.attention", d.attention),
            ("masks.sandwich_weight", m.sandwich_weight),
        ];
        for (name, value) in weights {
            if !(value.is_finite() && value >= 0.0) {
                return refused(name, value.to_string(), "0 or more");
            }
        }
        let heatmaps = d.teacher.is_some() && d.heatmaps > 0.0;
        if d.teacher.is_some() && !heatmaps && d.tokens == 0.0 && d.attention == 0.0 {
            return refused(
                "distillation.heatmaps",
                "0".into(),
                "above 0 when nothing else is learnt from the teacher",
            );
        }
        if d.teacher.is_none() && d.tokens.max(d.attention) > 0.0 {
            return refused(
                "distillation.teacher",
                "missing".into(),
                "a file when tokens or attention are learnt from it",
            );
        }
        if (heatmaps || m.sandwich && m.sandwich_weight > 0.0) && self.loss.mse <= 0.0 {
            return refused(
                "loss.mse",
                self.loss.mse.to_string(),
                "above 0 when heatmaps of a teacher or a sandwich are learnt",
            );
        }
        let until = self.loss.cross_entropy_until;
        if !(0.0..=1.0).contains(&until) {
            return refused("loss.cross_entropy_until", until.to_string(), "from 0 to 1");
        }
        if self.loss.sigma.is_nan() || self.loss.sigma <= 0.0 {
            return refused("loss.sigma", self.loss.sigma.to_string(), "above 0");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_settings_are_named_before_anything_runs() {
        let mut config = TrainConfig::default();
        assert!(config.check().unwrap_err().to_string().contains("data.train"));
        config.data.train = vec!["data/people".parse().unwrap()];
        config.masks.ratio = [0.5, 0.2];
        assert!(config.check().unwrap_err().to_string().contains("masks.ratio"));
        config.masks.ratio = [0.2, 0.5];
        config.distillation.tokens = 0.1;
        assert!(config.check().unwrap_err().to_string().contains("distillation.teacher"));
        config.distillation.teacher = Some("teacher.onnx".into());
        config.check().unwrap();
        (config.distillation.heatmaps, config.distillation.tokens) = (0.0, 0.0);
        assert!(config.check().unwrap_err().to_string().contains("distillation.heatmaps"));
    }
}
