//! How the settings of a training are read: defaults, overridden by a file, overridden by flags.

use crate::settings::{Catalogue, InvalidSetting, SettingsGroup, value_at};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use toml::{Table, Value};

/// Why a settings file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the settings {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The text is no TOML, or a setting holds something else than it should.
    #[error("{path} is not a settings file of `{command}`: {reason}")]
    Parse {
        /// The file, or what else the text came from.
        path: String,
        /// The command whose settings were expected, e.g. `tmpose train`.
        command: &'static str,
        /// What the parser says, with the line's number where it knows it.
        reason: String,
    },
    /// There is no such setting.
    #[error("unknown setting {name} in {path}{hint}")]
    Unknown {
        /// The file, or what else the text came from.
        path: String,
        /// The path of the setting, e.g. `schedule.leraning_rate`.
        name: String,
        /// The end of the message: what may have been meant, or where all settings are listed.
        hint: String,
    },
}

/// The settings of a command that trains.
pub trait TrainSettings: SettingsGroup + Default + Serialize + DeserializeOwned {
    /// All of them by path, with their texts.
    fn catalogue() -> &'static Catalogue;

    /// The defaults of what `chosen`, the values of file and flags, leaves out.
    fn defaults_for(_chosen: &Table) -> Self {
        Self::default()
    }

    /// All sets of defaults, each with its name.
    fn named_defaults() -> Vec<(&'static str, Self)> {
        vec![("", Self::default())]
    }

    /// Refuses settings that cannot work, before anything is computed.
    ///
    /// # Errors
    /// The first such setting.
    fn check(&self) -> Result<(), InvalidSetting>;

    /// Reads a file. `flags` are values by section and name that override those of the file. Whether the settings can work is
    /// checked by [`TrainSettings::check`].
    ///
    /// # Errors
    /// The file cannot be read or is no TOML, a setting does not exist, or its value is of the wrong kind.
    fn load(path: &Path, flags: Table) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: name.clone(), source })?;
        Self::parse(&text, &name, flags)
    }

    /// As [`TrainSettings::load`], for the text of a file; `path` is what messages call it.
    ///
    /// # Errors
    /// As for [`TrainSettings::load`].
    fn parse(text: &str, path: &str, flags: Table) -> Result<Self, ConfigError> {
        let known = Self::catalogue();
        let command = known.command;
        let wrong =
            |reason: String| ConfigError::Parse { path: path.into(), command, reason: reason.trim().into() };
        let mut chosen: Table = toml::from_str(text).map_err(|e| wrong(e.to_string()))?;
        if let Some(name) = known.unknown_key(&chosen) {
            let hint = match known.nearest(&name) {
                Some(near) => format!("; did you mean {near}?"),
                None => format!("; `{command} --print-config` lists all settings"),
            };
            return Err(ConfigError::Unknown { path: path.into(), name, hint });
        }
        // Read by itself first: such an error knows its line.
        let _: Self = toml::from_str(text).map_err(|e| wrong(e.to_string()))?;
        merge(&mut chosen, flags);
        let mut whole = Table::try_from(Self::defaults_for(&chosen)).map_err(|e| wrong(e.to_string()))?;
        merge(&mut whole, chosen);
        whole.try_into().map_err(|e: toml::de::Error| wrong(e.to_string()))
    }

    /// The settings as the text of a TOML file, each with a comment that says what it means.
    fn to_toml(&self) -> String {
        // Every field is a plain number, text or list, which TOML can always hold.
        Self::catalogue().documented(self).unwrap_or_default()
    }
}

/// The default values of settings, as texts.
pub struct Defaults(Vec<(&'static str, Table)>);

impl Defaults {
    /// All sets of defaults of `C`.
    pub fn of<C: TrainSettings>() -> Defaults {
        let table = |(name, base)| (name, Table::try_from(base).unwrap_or_default());
        Defaults(C::named_defaults().into_iter().map(table).collect())
    }

    /// The default of the setting at `path`: "5", or "modern: 5, tmpose: 300" where the sets of defaults differ. `None` where
    /// the default is no value, an empty one, or off.
    pub fn text(&self, path: &str) -> Option<String> {
        let each: Vec<(&str, Option<String>)> =
            self.0.iter().map(|(name, table)| (*name, value_at(table, path).and_then(plain))).collect();
        let (_, first) = each.first()?;
        // The setting that chooses one of several sets of defaults holds its name; the first is the one without a choice.
        let chooses = each.iter().all(|(name, text)| text.as_deref() == Some(*name));
        if chooses || each.iter().all(|(_, text)| text == first) {
            return first.clone();
        }
        let named =
            |(name, text): &(&str, Option<String>)| format!("{name}: {}", text.as_deref().unwrap_or("none"));
        Some(each.iter().map(named).collect::<Vec<_>>().join(", "))
    }
}

/// A value as it is written on the command line; `None` for what is off or empty.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => (!text.is_empty()).then(|| text.clone()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(on) => on.then(|| "on".to_owned()),
        Value::Array(values) if values.is_empty() => None,
        other => Some(other.to_string()),
    }
}

/// Overrides values of `base` by those of `over`, section by section.
fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(value)) => merge(inner, value),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{Recipe, TrainConfig};
    use std::collections::BTreeSet;

    /// Settings with a value for everything that may be left out.
    fn complete() -> TrainConfig {
        let mut c = TrainConfig::recipe(Recipe::Tmpose);
        c.data.train = vec!["people:2".parse().unwrap()];
        c.data.val = Some("people".parse().unwrap());
        c.data.cache = Some("cache".into());
        c.model.init = Some("start.pth".into());
        c.distillation.teacher = Some("teacher.onnx".into());
        c
    }

    /// Paths of all values in a table that are settings.
    fn paths(table: &Table, prefix: &str, into: &mut BTreeSet<String>) {
        for (key, value) in table {
            let path = format!("{prefix}{key}");
            let section = TrainConfig::catalogue().find(&path).is_some_and(|s| s.field.is_none());
            match value {
                Value::Table(inner) if section => paths(inner, &format!("{path}."), into),
                _ => drop(into.insert(path)),
            }
        }
    }

    #[test]
    fn every_setting_is_documented_and_nothing_else_is() {
        let mut serialised = BTreeSet::new();
        paths(&Table::try_from(complete()).unwrap(), "", &mut serialised);
        let all = || TrainConfig::catalogue().all();
        let single: BTreeSet<String> = all().filter(|s| s.field.is_some()).map(|s| s.path.clone()).collect();
        assert_eq!(serialised, single);
        for setting in all() {
            assert!(!setting.help.is_empty(), "{} has no doc comment", setting.path);
        }
    }

    #[test]
    fn a_documented_file_holds_the_same_settings() {
        for config in [TrainConfig::default(), TrainConfig::recipe(Recipe::Tmpose), complete()] {
            let text = config.to_toml();
            assert_eq!(toml::from_str::<TrainConfig>(&text).unwrap(), config, "{text}");
            assert!(text.contains("# Steps over which the learning rate rises from 0."), "{text}");
            assert!(text.contains("# One of tmpose-t, tmpose-s,"), "{text}");
            // As TOML's own writer writes them.
            for line in toml::to_string(&config).unwrap().lines().filter(|line| !line.starts_with('[')) {
                let inside = line.starts_with("steps = ["); // Of the decay, which is written on one line.
                assert!(inside || text.lines().any(|written| written == line), "{line} is not in {text}");
            }
        }
        assert!(TrainConfig::default().to_toml().contains("\n# init =\n"));
    }

    #[test]
    fn a_slip_of_the_pen_or_a_wrong_section_finds_the_setting_that_was_meant() {
        for (written, meant) in [
            ("schedule.leraning_rate", "schedule.learning_rate"),
            ("learning_rate", "schedule.learning_rate"),
            ("shedule", "schedule"),
            ("data.teacher.fill_wieght", "data.teacher.fill_weight"),
            ("augmentation.flip_mirror", "augmentation.mirror"),
            ("masks.seed", "run.seed"),
        ] {
            assert_eq!(TrainConfig::catalogue().nearest(written), Some(meant), "{written}");
        }
        assert_eq!(TrainConfig::catalogue().nearest("xyzzy"), None);
    }

    #[test]
    fn a_form_can_ask_for_one_meaning_and_for_the_defaults() {
        let help = |path| TrainConfig::catalogue().find(path).map(|setting| setting.help.as_str());
        assert!(help("run.seed").is_some_and(|doc| doc.len() > 10));
        assert_eq!(help("run.nothing"), None);
        let defaults = Defaults::of::<TrainConfig>();
        let default = |path| defaults.text(path);
        assert_eq!(default("schedule.epochs").as_deref(), Some("modern: 5, tmpose: 300"));
        assert_eq!(default("schedule.learning_rate").as_deref(), Some("0.001"));
        assert_eq!(default("recipe").as_deref(), Some("modern"));
        assert_eq!((default("model.init"), default("data.train")), (None, None));
    }
}
