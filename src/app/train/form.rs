//! The settings of the next training. One [`TrainConfig`] stands behind the fields and the text.

use super::problems::{FormField, Problem, problems};
use crate::app::sentence::sentence;
use crate::files;
use crate::train::{ConfigError, Recipe, TrainConfig, TrainSettings, holds_training};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often folders are looked at again while nothing is changed.
const RECHECK: Duration = Duration::from_secs(1);

/// The form's state.
pub struct TrainForm {
    /// The settings; the fields of the form change them.
    pub config: TrainConfig,
    /// All settings as TOML.
    pub text: String,
    /// The settings that `text` shows.
    shown: TrainConfig,
    /// Why `text` cannot be read.
    pub unreadable: Option<String>,
    /// What happened to a settings file, and whether that is an error.
    pub file: Option<(String, bool)>,
    problems: Vec<Problem>,
    checked: Option<(TrainConfig, Instant)>,
}

impl Default for TrainForm {
    fn default() -> Self {
        let mut config = TrainConfig::default();
        config.run.out = free_folder(&config.run.out);
        TrainForm::new(config)
    }
}

impl TrainForm {
    /// A form that shows `config`.
    pub fn new(config: TrainConfig) -> TrainForm {
        TrainForm {
            text: config.to_toml(),
            shown: config.clone(),
            config,
            unreadable: None,
            file: None,
            problems: Vec::new(),
            checked: None,
        }
    }

    /// The form as it was when the window was closed; the defaults when nothing usable is known.
    pub fn remembered(text: &str) -> TrainForm {
        match parse(text) {
            Ok(mut config) if !text.is_empty() => {
                config.run.out = free_folder(&config.run.out);
                TrainForm::new(config)
            }
            _ => TrainForm::default(),
        }
    }

    /// Brings text and problems up to date after a field was changed, and looks at the folders again.
    pub fn update(&mut self, now: Instant) {
        if self.config != self.shown {
            self.text = self.config.to_toml();
            self.shown = self.config.clone();
            self.unreadable = None;
        }
        let known = self.checked.as_ref().is_some_and(|(config, at)| {
            *config == self.config && now.saturating_duration_since(*at) < RECHECK
        });
        if !known {
            self.problems = problems(&self.config);
            self.checked = Some((self.config.clone(), now));
        }
    }

    /// Takes a recipe's settings; data, start weights, folders and device stay.
    pub fn apply_recipe(&mut self, recipe: Recipe) {
        let before = &self.config;
        let mut config = TrainConfig::recipe(recipe);
        config.data.train = before.data.train.clone();
        config.data.val = before.data.val.clone();
        config.data.report = before.data.report.clone();
        config.data.cache = before.data.cache.clone();
        config.data.limit = before.data.limit;
        config.data.val_limit = before.data.val_limit;
        config.model.init = before.model.init.clone();
        config.model.skeleton = before.model.skeleton.clone();
        config.run = before.run.clone();
        self.config = config;
    }

    /// The text was edited: the fields follow as soon as it can be read.
    pub fn text_edited(&mut self) {
        match parse(&self.text) {
            Ok(config) => {
                self.shown = config.clone();
                self.config = config;
                self.unreadable = None;
            }
            Err(reason) => self.unreadable = Some(reason),
        }
    }

    /// What is wrong, in the order of the form.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// What is wrong with a field.
    pub fn problem(&self, field: FormField) -> Option<&Problem> {
        self.problems.iter().find(|p| p.field == field)
    }

    /// The first reason why the training cannot start.
    pub fn obstacle(&self) -> Option<String> {
        let fatal = || self.problems.iter().find(|p| p.fatal).map(Problem::named);
        self.unreadable.clone().or_else(fatal)
    }

    /// True while nothing is wrong except that no data has been chosen yet.
    pub fn is_empty(&self) -> bool {
        self.unreadable.is_none()
            && self.problems.iter().filter(|p| p.fatal).all(|p| p.field == FormField::Data)
    }

    /// Reads a settings file. Settings that cannot work are taken all the same, and named at their fields.
    pub fn load(&mut self, path: &Path) {
        let read = std::fs::read_to_string(path)
            .map_err(|error| format!("{} cannot be read ({error}): choose another file.", path.display()))
            .and_then(|text| parse(&text).map_err(|reason| format!("{}: {reason}", path.display())));
        match read {
            Ok(config) => {
                *self = TrainForm::new(config);
                self.file = Some((format!("These are the settings of {}.", path.display()), false));
            }
            Err(text) => self.file = Some((text, true)),
        }
    }

    /// Writes the settings as a file for this form and for `tmpose train --config`.
    pub fn save(&mut self, path: &Path) {
        self.file = Some(match files::write_whole(path, self.config.to_toml().as_bytes()) {
            Ok(()) => (format!("The settings were written to {}.", path.display()), false),
            Err(e) => (format!("{} cannot be written ({e}): choose another place.", path.display()), true),
        });
    }

    /// The run folder, where it holds a training that can be resumed.
    pub fn taken_folder(&self) -> Option<&Path> {
        let out = &self.config.run.out;
        (self.problem(FormField::Folder).is_some() && holds_training(out)).then_some(out)
    }

    /// Replaces a run folder that holds a training by one that does not.
    pub fn take_free_folder(&mut self) {
        self.config.run.out = free_folder(&self.config.run.out);
    }
}

/// Settings from TOML: a recipe and what differs from it. The error is a sentence with the line's number.
fn parse(text: &str) -> Result<TrainConfig, String> {
    TrainConfig::parse(text, "this text", toml::Table::new()).map_err(|error| {
        match toml::from_str::<TrainConfig>(text) {
            Err(wrong) if !matches!(error, ConfigError::Unknown { .. }) => {
                let line =
                    wrong.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
                let reason = wrong.message().lines().collect::<Vec<_>>().join(", ");
                match line {
                    Some(line) => format!("Line {line}: {reason}."),
                    None => format!("{reason}."),
                }
            }
            _ => sentence(&error.to_string()),
        }
    })
}

/// `runs/tmpose`, or with a number behind it where that is taken.
fn free_folder(wanted: &Path) -> PathBuf {
    let name = wanted.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let numbered =
        name.rsplit_once('-').filter(|(_, n)| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    let stem = numbered.map_or(name.as_str(), |(stem, _)| stem);
    let mut folders = (2..1000).map(|n| wanted.with_file_name(format!("{stem}-{n}")));
    if !holds_training(wanted) {
        return wanted.into();
    }
    folders.find(|folder| !holds_training(folder)).unwrap_or_else(|| wanted.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_text_show_the_same_settings() {
        let mut form = TrainForm::default();
        form.config.schedule.batch = 7;
        form.update(Instant::now());
        assert!(form.text.contains("batch = 7"));

        form.text = form.text.replace("batch = 7", "batch = 9");
        form.text_edited();
        assert_eq!((form.config.schedule.batch, form.unreadable.as_deref()), (9, None));

        // An unreadable text stays as it was typed, and the fields as they were.
        for (text, said) in [
            (
                "[schedule]\nbatsch = 3",
                "Unknown setting schedule.batsch in this text; did you mean schedule.batch?",
            ),
            ("[schedule]\nbatch = \"many\"", "Line 2: invalid type"),
            ("[schedule", "Line 1: "),
        ] {
            form.text = text.into();
            form.text_edited();
            form.update(Instant::now());
            assert!(form.unreadable.as_ref().unwrap().starts_with(said), "{:?}", form.unreadable);
            assert_eq!((form.text.as_str(), form.config.schedule.batch), (text, 9));
            assert!(form.obstacle().is_some());
        }
    }

    #[test]
    fn a_recipe_changes_how_it_is_trained_and_not_what() {
        let mut form = TrainForm::default();
        form.config.data.val = Some("people".parse().unwrap());
        form.config.run.device = crate::gpu::DeviceChoice::Cpu;
        form.apply_recipe(Recipe::Tmpose);
        assert_eq!((form.config.recipe, form.config.schedule.epochs), (Recipe::Tmpose, 300.0));
        assert_eq!(form.config.data.val, Some("people".parse().unwrap()));
        assert_eq!(form.config.run.device, crate::gpu::DeviceChoice::Cpu);
        form.apply_recipe(Recipe::Modern);
        assert_eq!(form.config.schedule, TrainConfig::default().schedule);
    }

    #[test]
    fn settings_come_back_from_their_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("settings.toml");
        let mut form = TrainForm::default();
        form.config.schedule.learning_rate = 0.25;
        form.save(&path);
        let mut again = TrainForm::default();
        again.load(&path);
        assert_eq!(again.config, form.config);
        again.load(&dir.path().join("missing.toml"));
        assert!(again.file.as_ref().is_some_and(|(text, error)| *error && text.contains("missing.toml")));
        assert_eq!(again.config, form.config);
    }

    #[test]
    fn the_next_run_gets_the_next_free_folder() {
        let dir = tempfile::tempdir().unwrap();
        let taken = |name: &str| {
            std::fs::create_dir(dir.path().join(name)).unwrap();
            std::fs::write(dir.path().join(name).join("checkpoint.safetensors"), b"x").unwrap();
        };
        let run = dir.path().join("run");
        assert_eq!(free_folder(&run), run);
        taken("run");
        taken("run-2");
        assert_eq!(free_folder(&run), dir.path().join("run-3"));
        assert_eq!(free_folder(&dir.path().join("run-2")), dir.path().join("run-3"));
    }
}
