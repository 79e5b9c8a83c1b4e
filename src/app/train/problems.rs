//! What keeps a training from starting, found before it starts and shown at the field that is wrong.

use crate::app::sentence::sentence;
use crate::data::{SetSource, find_poses};
use crate::pose::Skeleton;
use crate::settings::InvalidSetting;
use crate::train::{TrainConfig, TrainSettings, holds_training};
use std::path::Path;

/// A part of the form, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FormField {
    /// The start weights.
    Init,
    /// Whether the backbone is frozen.
    Backbone,
    /// One set by its number in the list.
    Set(usize),
    /// The list of sets as a whole.
    Data,
    /// The set to validate on.
    Validation,
    /// Epochs or steps.
    Length,
    /// Samples a batch.
    Batch,
    /// The highest learning rate.
    LearningRate,
    /// The run's folder.
    Folder,
    /// A setting that only the text of all settings shows.
    Other,
}

/// A field that shows a setting.
struct SettingField {
    field: FormField,
    setting: &'static str,
    /// Empty where the problem says it all.
    label: &'static str,
}

const fn shows(field: FormField, setting: &'static str, label: &'static str) -> SettingField {
    SettingField { field, setting, label }
}

const SETTING_FIELDS: [SettingField; 8] = [
    shows(FormField::Init, "model.init", "Start weights"),
    shows(FormField::Backbone, "model.freeze_backbone", ""),
    shows(FormField::Data, "data.train", ""),
    shows(FormField::Validation, "data.val", "Validate on"),
    shows(FormField::Length, "schedule.epochs", "Length"),
    shows(FormField::Batch, "schedule.batch", "Batch"),
    shows(FormField::LearningRate, "schedule.learning_rate", "Learning rate"),
    shows(FormField::Folder, "run.out", "Run folder"),
];

impl FormField {
    /// Its label in the form.
    fn label(self) -> &'static str {
        if let FormField::Set(_) = self {
            return "Train on";
        }
        SETTING_FIELDS.iter().find(|shown| shown.field == self).map_or("", |shown| shown.label)
    }

    /// The field that shows a setting.
    fn of(setting: &str) -> FormField {
        let shown = if setting == "schedule.steps" { "schedule.epochs" } else { setting };
        SETTING_FIELDS
            .iter()
            .find(|field| field.setting == shown)
            .map_or(FormField::Other, |field| field.field)
    }
}

/// What is wrong with a field, or not good.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The field.
    pub field: FormField,
    /// One sentence.
    pub text: String,
    /// The training cannot start with it.
    pub fatal: bool,
}

impl Problem {
    /// The problem with its field's name, for a place away from the field.
    pub fn named(&self) -> String {
        match self.field.label() {
            "" => self.text.clone(),
            label => format!("{label}: {}", self.text),
        }
    }
}

/// Everything that is wrong with `config`, in the order of the form. Looks at folders, but reads no data.
pub fn problems(config: &TrainConfig) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut say = |field, text: String| found.push(Problem { field, text, fatal: true });
    if let Err(error) = config.check() {
        let (field, text) = of_setting(&error);
        say(field, text);
    }
    for (n, spec) in config.data.train.iter().enumerate() {
        if let Some(text) = set(&spec.source, "train") {
            say(FormField::Set(n), text);
        }
    }
    if let Some(text) = config.data.val.as_ref().and_then(|source| set(source, "val")) {
        say(FormField::Validation, text);
    }
    for source in &config.data.report {
        if let Some(text) = set(source, "val") {
            say(FormField::Other, text);
        }
    }
    if let Some(path) = config.model.init.as_deref().filter(|path| !path.is_file()) {
        say(FormField::Init, format!("There is no file {}: choose another one.", path.display()));
    }
    if let Err(error) = Skeleton::named(&config.model.skeleton) {
        say(FormField::Other, sentence(&format!("model.skeleton: {error}")));
    }
    if let Some(text) = folder(&config.run.out) {
        say(FormField::Folder, text);
    }
    if config.model.freeze_backbone && config.model.init.is_none() {
        let text =
            "A frozen backbone without start weights stays random, and the network learns little.".into();
        found.push(Problem { field: FormField::Backbone, text, fatal: false });
    }
    found.sort_by_key(|problem| problem.field);
    found
}

/// The sentence on a setting that cannot work, and where it is said.
fn of_setting(error: &InvalidSetting) -> (FormField, String) {
    let InvalidSetting { name, value, must } = error;
    let field = FormField::of(name);
    let text = match field {
        FormField::Data => "Choose training data: add a folder, or the mannequin.".to_owned(),
        FormField::Other => sentence(&error.to_string()),
        _ => format!("This is {value}; it must be {must}."),
    };
    (field, text)
}

fn set(source: &SetSource, split: &str) -> Option<String> {
    let SetSource::Path(path) = source else { return None };
    if path.as_os_str().is_empty() {
        return Some("Choose a folder, or remove this line.".into());
    }
    if !path.exists() && !path.parent().is_some_and(Path::is_dir) {
        return Some(format!("There is no folder {}: choose another one.", path.display()));
    }
    find_poses(path, split).err().map(|error| sentence(&error.to_string()))
}

fn folder(out: &Path) -> Option<String> {
    if out.as_os_str().is_empty() {
        return Some("Choose a folder for the run.".into());
    }
    if out.is_file() {
        return Some(format!("{} is a file: choose a folder.", out.display()));
    }
    holds_training(out).then(|| "This folder holds a training already: resume it, or choose another.".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(out: &Path) -> TrainConfig {
        let mut config = TrainConfig::default();
        config.data.train = vec![SetSource::Mannequin(Some(8)).into()];
        config.run.out = out.join("run");
        config
    }

    fn fields(config: &TrainConfig) -> Vec<FormField> {
        problems(config).into_iter().map(|p| p.field).collect()
    }

    #[test]
    fn each_mistake_is_said_at_its_field_and_a_good_form_is_silent() {
        let dir = tempfile::tempdir().unwrap();
        let good = config(dir.path());
        assert_eq!(problems(&good), []);

        let mut wrong = good.clone();
        wrong.data.train.push(dir.path().join("a/b").into());
        wrong.data.val = Some(dir.path().to_path_buf().into());
        wrong.model.init = Some("nowhere.onnx".into());
        wrong.schedule.batch = 0;
        let all = [FormField::Init, FormField::Set(1), FormField::Validation, FormField::Batch];
        assert_eq!(fields(&wrong), all);
        assert!(problems(&wrong).iter().all(|p| p.text.ends_with('.') && p.fatal));

        assert_eq!(problems(&wrong)[3].named(), "Batch: This is 0; it must be 1 or more.");

        let nobody = TrainConfig { data: Default::default(), ..good.clone() };
        assert_eq!(fields(&nobody), [FormField::Data]);
    }

    #[test]
    fn a_run_is_not_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        std::fs::create_dir(&config.run.out).unwrap();
        std::fs::write(config.run.out.join("checkpoint.safetensors"), b"x").unwrap();
        assert_eq!(fields(&config), [FormField::Folder]);
    }

    #[test]
    fn a_frozen_random_backbone_is_a_warning() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path());
        config.model.freeze_backbone = true;
        let found = problems(&config);
        assert_eq!((found.len(), found[0].field, found[0].fatal), (1, FormField::Backbone, false));
    }
}
