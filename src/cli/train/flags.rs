//! The flags of the trainings, made from their settings.

use crate::settings::{Catalogue, Choice, Setting, ValueField, set_value};
use crate::train::{Defaults, TrainSettings, holds_training};
use anyhow::bail;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::ffi::OsStr;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// The flags of a training whose settings are a `C`.
#[derive(clap::Args)]
pub struct ConfigArgs<C: TrainSettings + Send + Sync> {
    #[command(flatten)]
    flags: SettingFlags<C>,
    /// Settings file (TOML); settings that it does not name have their defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Resume the training in this folder
    #[arg(long, value_name = "RUN", conflicts_with = "config")]
    resume: Option<PathBuf>,
    /// Print the settings as a file for --config, each with its explanation, and exit
    #[arg(long)]
    pub print_config: bool,
}

impl<C: TrainSettings + Send + Sync> ConfigArgs<C> {
    /// The settings of the file or the defaults, replaced by those whose flags were given.
    ///
    /// # Errors
    /// The file cannot be read, names an unknown setting, or a value cannot work.
    pub fn settings(&self) -> anyhow::Result<C> {
        let mut flags = self.flags.values.clone();
        let mut file = self.config.clone();
        if let Some(run) = &self.resume {
            file = Some(run.join("config.toml"));
            if self.flags.out().is_none() {
                // The folder may have been moved.
                set_value(&mut flags, "run.out", Value::String(run.display().to_string()));
            }
        }
        Ok(match file {
            Some(path) => C::load(&path, flags)?,
            None => C::parse("", "the flags", flags)?,
        })
    }

    /// True when a training is resumed.
    pub fn resumes(&self) -> bool {
        self.resume.is_some()
    }

    /// Checks the run folder: a new training must not replace another one, and a resumed one stays where it is.
    ///
    /// # Errors
    /// It would; the sentence says what to do.
    pub fn check_folder(&self, run: &Path) -> anyhow::Result<()> {
        if let Some(resume) = &self.resume {
            if self.flags.out().is_some_and(|out| out != resume) {
                bail!("--resume {} continues in that folder; leave --out away", resume.display());
            }
        } else if holds_training(run) {
            let out = run.display();
            bail!(
                "{out} holds a training already: resume it with --resume {out}, or choose another folder with --out"
            );
        }
        Ok(())
    }
}

/// The flags that were given, as values by section and name.
struct SettingFlags<C> {
    values: Table,
    settings: PhantomData<C>,
}

impl<C> SettingFlags<C> {
    /// The folder that was asked for.
    fn out(&self) -> Option<&Path> {
        self.values.get("run")?.get("out")?.as_str().map(Path::new)
    }
}

/// A setting that has a flag.
struct Flag {
    setting: &'static Setting,
    /// The setting's declaration.
    field: &'static ValueField,
    /// The flag's name without dashes.
    name: &'static str,
    /// The name of its value in the help; `None` for a flag that only switches on.
    value_name: Option<&'static str>,
}

/// The flags of all settings that have one.
fn flags(catalogue: &'static Catalogue) -> impl Iterator<Item = Flag> {
    catalogue.all().filter_map(|setting| {
        let field = setting.field?;
        let flag = field.flag.first()?.trim_start_matches('-');
        let (name, value_name) = match flag.split_once(' ') {
            Some((name, value_name)) => (name, Some(value_name)),
            None => (flag, None),
        };
        Some(Flag { setting, field, name, value_name })
    })
}

impl Flag {
    /// The argument for clap.
    fn arg(&self, defaults: &Defaults) -> Arg {
        let mut help = self.setting.help.trim_end_matches('.').to_owned();
        if let Some(default) = defaults.text(&self.setting.path) {
            help += &format!(" [default: {default}]");
        }
        let mut arg = Arg::new(self.name).long(self.name).help(help);
        if !self.setting.section.is_empty() {
            arg = arg.help_heading(self.setting.section.as_str());
        }
        if self.name == "recipe" {
            arg = arg.conflicts_with("resume");
        }
        let Some(value_name) = self.value_name else { return arg.action(ArgAction::SetTrue) };
        let arg = arg.value_name(value_name).value_parser(ValueParser(self.field));
        if self.field.is_list { arg.action(ArgAction::Append) } else { arg }
    }

    /// The value that was given, as TOML.
    fn value(&self, matches: &ArgMatches) -> Option<Value> {
        if self.value_name.is_none() {
            return matches.get_flag(self.name).then_some(Value::Boolean(true));
        }
        let mut values = matches.get_many::<Value>(self.name).into_iter().flatten().cloned();
        if self.field.is_list {
            Some(values.collect::<Vec<_>>()).filter(|list| !list.is_empty()).map(Value::Array)
        } else {
            values.next_back()
        }
    }
}

impl<C: TrainSettings> clap::Args for SettingFlags<C> {
    fn augment_args(command: Command) -> Command {
        let defaults = Defaults::of::<C>();
        command.args(flags(C::catalogue()).map(|flag| flag.arg(&defaults)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<C: TrainSettings> clap::FromArgMatches for SettingFlags<C> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<SettingFlags<C>, clap::Error> {
        let mut flags = SettingFlags { values: Table::new(), settings: PhantomData };
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for flag in flags(C::catalogue()) {
            if let Some(value) = flag.value(matches) {
                set_value(&mut self.values, &flag.setting.path, value);
            }
        }
        Ok(())
    }
}

/// Reads the value of a setting's flag; the help lists the possible values.
#[derive(Clone)]
struct ValueParser(&'static ValueField);

impl ValueParser {
    fn listed(&self) -> Vec<PossibleValue> {
        let value = |choice: Choice| PossibleValue::new(choice.name).help(choice.description);
        (self.0.choices)().into_iter().map(value).collect()
    }
}

impl TypedValueParser for ValueParser {
    type Value = Value;

    fn parse_ref(&self, command: &Command, flag: Option<&Arg>, value: &OsStr) -> Result<Value, clap::Error> {
        let parse = self.0.parse;
        let listed = self.listed();
        if !listed.is_empty() && value.to_str().is_some_and(|text| parse(text).is_err()) {
            // clap's own parser lists the names that exist and suggests the most similar one.
            PossibleValuesParser::new(listed).parse_ref(command, flag, value)?;
        }
        parse.parse_ref(command, flag, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let listed = self.listed();
        (!listed.is_empty()).then(|| Box::new(listed.into_iter()) as Box<dyn Iterator<Item = PossibleValue>>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::value_at;
    use crate::train::TrainConfig;
    use crate::train::detector::DetectorTrainConfig;
    use clap::Parser;

    #[derive(Parser)]
    struct TrainCommandLine<C: TrainSettings + Send + Sync> {
        #[command(flatten)]
        config: ConfigArgs<C>,
    }

    fn settings<C: TrainSettings + Send + Sync>(flags: &[&str]) -> C {
        let line = std::iter::once("train").chain(flags.iter().copied());
        TrainCommandLine::<C>::try_parse_from(line).unwrap().config.settings().unwrap()
    }

    /// Flags with a value that is no default, and what it is in the file.
    const POSES: [(&str, &str, &str); 26] = [
        ("--recipe tmpose", "recipe", "\"tmpose\""),
        ("--variant s", "model.variant", "\"tmpose-s\""),
        ("--skeleton mpii16", "model.skeleton", "\"mpii16\""),
        ("--depth 3", "model.depth", "3"),
        ("--init a.pth", "model.init", "\"a.pth\""),
        ("--freeze-backbone", "model.freeze_backbone", "true"),
        ("--data a:2 --data b --data mannequin:7", "data.train", "[\"a:2\", \"b\", \"mannequin:7\"]"),
        ("--val mannequin:40", "data.val", "\"mannequin:40\""),
        ("--report a --report b", "data.report", "[\"a\", \"b\"]"),
        ("--limit 5", "data.limit", "5"),
        ("--val-limit 6", "data.val_limit", "6"),
        ("--draws 4", "data.draws", "4"),
        ("--cache c", "data.cache", "\"c\""),
        ("--teacher t.onnx", "distillation.teacher", "\"t.onnx\""),
        ("--sandwich", "masks.sandwich", "true"),
        ("--steps 9", "schedule.steps", "9"),
        ("--epochs 2.5", "schedule.epochs", "2.5"),
        ("--batch 3", "schedule.batch", "3"),
        ("--accumulate 2", "schedule.accumulate", "2"),
        ("--learning-rate 1e-5", "schedule.learning_rate", "0.00001"),
        ("--patience 3", "schedule.patience", "3"),
        ("--out r", "run.out", "\"r\""),
        ("--device cpu", "run.device", "\"cpu\""),
        ("--seed 8", "run.seed", "8"),
        ("--val-steps 11", "run.val_steps", "11"),
        ("--batch 3 --batch 4", "schedule.batch", "4"),
    ];

    #[test]
    fn each_flag_sets_its_setting_and_no_other() {
        for (flags, path, value) in &POSES[..25] {
            let flags: Vec<&str> = flags.split(' ').collect();
            let changed: TrainConfig = settings(&flags);
            let table = Table::try_from(&changed).unwrap();
            let expected: Table = toml::from_str(&format!("value = {value}")).unwrap();
            assert_eq!(value_at(&table, path), expected.get("value"), "{flags:?}");
            if *path != "recipe" {
                let mut restored = table.clone();
                let default = Table::try_from(TrainConfig::default()).unwrap();
                match value_at(&default, path) {
                    Some(before) => set_value(&mut restored, path, before.clone()),
                    None => {
                        let (section, key) = path.split_once('.').unwrap();
                        restored.get_mut(section).unwrap().as_table_mut().unwrap().remove(key);
                    }
                }
                assert_eq!(restored, default, "{flags:?} changes more than {path}");
            }
        }
        assert_eq!(flags(TrainConfig::catalogue()).count(), 25);
        let detector: DetectorTrainConfig =
            settings(&["--freeze", "neck", "--mosaic", "0.25", "--mixup", "1"]);
        assert_eq!(detector.model.freeze.name(), "neck");
        assert_eq!((detector.augmentation.mosaic, detector.augmentation.mixup), (0.25, 1.0));
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_recipe() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.toml");
        std::fs::write(&path, "recipe = \"modern\"\n[schedule]\nbatch = 8\nepochs = 3").unwrap();
        let file = path.to_str().unwrap();
        let config: TrainConfig = settings(&["--config", file, "--recipe", "tmpose", "--batch", "5"]);
        assert_eq!((config.schedule.batch, config.schedule.epochs, config.schedule.accumulate), (5, 3.0, 4));
        assert_eq!(config.model.variant.name(), "tmpose-b");
    }

    #[test]
    fn the_help_has_the_texts_of_the_settings_and_the_defaults_of_every_recipe() {
        let help = |command: Command| {
            let help = command.term_width(0).render_help().to_string();
            help.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let poses = help(<TrainCommandLine<TrainConfig> as clap::CommandFactory>::command());
        for Flag { setting, name, .. } in flags(TrainConfig::catalogue()) {
            assert!(poses.contains(&format!("--{name} ")), "{name}: {poses}");
            assert!(poses.contains(setting.help.trim_end_matches('.')), "{}: {poses}", setting.path);
        }
        for part in [
            "Passes over all samples [default: modern: 5, tmpose: 300]",
            "Samples that the network sees at once [default: 32]",
            "[default: modern: 1, tmpose: 4]",
            "[possible values: tmpose-t, tmpose-s,",
        ] {
            assert!(poses.contains(part), "{part} is not in {poses}");
        }
        let detector = help(<TrainCommandLine<DetectorTrainConfig> as clap::CommandFactory>::command());
        assert!(detector.contains("Passes over all samples [default: 12]"), "{detector}");
        assert!(detector.contains("[possible values: none, backbone, neck]"), "{detector}");
    }

    #[test]
    fn a_wrong_value_is_refused_with_the_reason() {
        let error = |flags: [&str; 2]| {
            let line = std::iter::once("train").chain(flags);
            TrainCommandLine::<TrainConfig>::try_parse_from(line)
                .err()
                .map(|e| e.to_string())
                .unwrap_or_default()
        };
        assert!(error(["--batch", "many"]).contains("'many' for '--batch <N>': invalid digit"));
        assert!(error(["--variant", "tmpose-x"]).contains("tmpose-l-d24"));
        assert!(error(["--data", "a:0"]).contains("FOLDER:N"));
        assert!(error(["--device", "tpu"]).contains("tpu"));
    }
}
