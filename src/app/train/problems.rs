//! What keeps a training from starting, found before it starts and said at the field that is wrong.

use super::job::MANNEQUIN;
use super::words::sentence;
use crate::data::find_poses;
use crate::pose::Skeleton;
use crate::train::{ConfigError, TrainConfig};
use std::path::Path;

/// A part of the form, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FormField {
    Start,
    Backbone,
    /// One set by its place in the list.
    Set(usize),
    /// The list of sets as a whole.
    Data,
    Validation,
    Length,
    Batch,
    LearningRate,
    Folder,
    /// A setting that only the text of all settings shows.
    Other,
}

impl FormField {
    /// Its label in the form; empty where the problem says it all.
    fn label(self) -> &'static str {
        match self {
            FormField::Start => "Start weights",
            FormField::Set(_) => "Train on",
            FormField::Validation => "Validate on",
            FormField::Length => "Length",
            FormField::Batch => "Batch",
            FormField::LearningRate => "Learning rate",
            FormField::Folder => "Run folder",
            FormField::Backbone | FormField::Data | FormField::Other => "",
        }
    }
}

/// Something to be said about a field.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
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
        let (field, text) = of_range(&error);
        say(field, text);
    }
    for (n, spec) in config.data.train.iter().enumerate() {
        if let Some(text) = set(&spec.path, "train") {
            say(FormField::Set(n), text);
        }
    }
    if let Some(text) = config.data.val.as_deref().and_then(|path| set(path, "val")) {
        say(FormField::Validation, text);
    }
    for path in &config.data.report {
        if let Some(text) = set(path, "val") {
            say(FormField::Other, text);
        }
    }
    if let Some(path) = config.model.init.as_deref().filter(|path| !path.is_file()) {
        say(FormField::Start, format!("There is no file {}: choose another one.", path.display()));
    }
    let known = ["coco17", "mpii16"].contains(&config.model.skeleton.as_str());
    if let (false, Err(error)) = (known, Skeleton::load(Path::new(&config.model.skeleton))) {
        say(FormField::Other, sentence(&format!("model.skeleton: {error}")));
    }
    if let Some(text) = folder(&config.run.out) {
        say(FormField::Folder, text);
    }
    if config.model.freeze_backbone && config.model.init.is_none() {
        let text = "A frozen backbone without starting weights stays random and finds little.".into();
        found.push(Problem { field: FormField::Backbone, text, fatal: false });
    }
    found.sort_by_key(|problem| problem.field);
    found
}

fn of_range(error: &ConfigError) -> (FormField, String) {
    let ConfigError::Range { name, value, must } = error else {
        return (FormField::Other, sentence(&error.to_string()));
    };
    let field = match *name {
        "data.train" => {
            let text = "Choose people to learn from: add a folder, or the mannequin.";
            return (FormField::Data, text.into());
        }
        "schedule.batch" => FormField::Batch,
        "schedule.epochs" | "schedule.steps" => FormField::Length,
        "schedule.learning_rate" => FormField::LearningRate,
        _ => return (FormField::Other, format!("{name} is {value}; it must be {must}.")),
    };
    (field, format!("This is {value}; it must be {must}."))
}

fn set(path: &Path, split: &str) -> Option<String> {
    if path == Path::new(MANNEQUIN) {
        return None;
    }
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

/// True for a run's folder that can be gone on with.
pub fn holds_training(folder: &Path) -> bool {
    folder.join("checkpoint.safetensors").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::SetSpec;

    fn config(out: &Path) -> TrainConfig {
        let mut config = TrainConfig::default();
        config.data.train = vec![SetSpec { path: MANNEQUIN.into(), repeat: 8 }];
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
        wrong.data.train.push(SetSpec { path: dir.path().join("a/b"), repeat: 1 });
        wrong.data.val = Some(dir.path().into());
        wrong.model.init = Some("nowhere.onnx".into());
        wrong.schedule.batch = 0;
        let all = [FormField::Start, FormField::Set(1), FormField::Validation, FormField::Batch];
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
