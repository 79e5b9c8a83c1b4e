//! What every setting means, taken from the doc comments of the structs that hold them, so that the
//! documentation in files, forms and messages is the one in the source.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::LazyLock;

/// Names less alike than this are not suggested (clap's own limit).
const ALIKE: f64 = 0.7;

/// One setting, or a section of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Its place in the file, e.g. `schedule.batch`.
    pub path: String,
    /// Its doc comment, one entry a line.
    pub doc: Vec<String>,
    /// The settings inside a section, in the order of the struct; empty for a single value.
    pub inside: Vec<Setting>,
}

impl Setting {
    fn key(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }
}

/// All settings of one command, with what they mean.
pub struct Catalogue {
    /// The command, e.g. `tmpose train`.
    pub command: &'static str,
    settings: Vec<Setting>,
}

/// The settings of `tmpose train`.
pub fn catalogue() -> &'static Catalogue {
    static ALL: LazyLock<Catalogue> = LazyLock::new(|| {
        let sources = [
            include_str!("config.rs"),
            include_str!("../data/augment.rs"),
            include_str!("../data/teacher.rs"),
        ];
        Catalogue::read("tmpose train", "TrainConfig", &sources)
    });
    &ALL
}

/// All settings of `tmpose train` in the order of their structs, sections with what is inside them.
pub fn settings() -> &'static [Setting] {
    &catalogue().settings
}

/// What the setting at `path` means, as one line; `None` when there is no such setting.
pub fn setting_doc(path: &str) -> Option<String> {
    find(settings(), path).map(|s| s.doc.join(" "))
}

impl Catalogue {
    /// The settings of the struct `root`, which `sources`, the text of Rust files, declare.
    pub fn read(command: &'static str, root: &str, sources: &[&str]) -> Catalogue {
        let mut structs = BTreeMap::new();
        sources.iter().for_each(|source| read_structs(source, &mut structs));
        Catalogue { command, settings: section(root, "", &structs) }
    }

    /// The first key of `table` that is no setting.
    pub fn unknown_key(&self, table: &toml::Table) -> Option<String> {
        unknown_in(table, "", &self.settings)
    }

    /// The setting that was probably meant by `path`. A right key in a wrong section counts as alike.
    pub fn nearest(&self, path: &str) -> Option<&str> {
        let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
        let alike = |known: &str| {
            let whole = strsim::jaro_winkler(path, known);
            whole.max(strsim::jaro_winkler(&last(path), &last(known)) - 0.01)
        };
        let mut all = Vec::new();
        flatten(&self.settings, &mut all);
        let (best, how) =
            all.into_iter().map(|s| (s.path.as_str(), alike(&s.path))).max_by(|a, b| a.1.total_cmp(&b.1))?;
        (how > ALIKE).then_some(best)
    }

    /// `config` as a TOML file with each setting's meaning above it. A setting without a value stands there as a
    /// comment.
    pub fn documented(&self, config: &impl Serialize) -> Result<String, toml::ser::Error> {
        let values = self.read_values(&toml::to_string(config)?);
        let command = self.command;
        let mut text = format!("# Settings of `{command}`; what a file leaves out keeps its default.\n");
        write_section(&self.settings, &values, &mut text);
        Ok(text)
    }

    /// The values of a serialised file by path, each as TOML text on one line.
    fn read_values(&self, toml: &str) -> BTreeMap<String, String> {
        let mut values = BTreeMap::<String, String>::new();
        let mut section = String::new();
        for line in toml.lines() {
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                section = name.to_owned();
            } else if let Some((key, value)) = line.split_once(" = ") {
                // A single setting whose value is a table, such as a decay with its steps.
                match find(&self.settings, &section).filter(|s| s.inside.is_empty()) {
                    Some(setting) => values.insert(setting.path.clone(), format!("{{ {key} = {value} }}")),
                    None if section.is_empty() => values.insert(key.to_owned(), value.to_owned()),
                    None => values.insert(format!("{section}.{key}"), value.to_owned()),
                };
            }
        }
        values
    }
}

fn unknown_in(table: &toml::Table, prefix: &str, known: &[Setting]) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let path = format!("{prefix}{key}");
        match (known.iter().find(|s| s.path == path), value) {
            (None, _) => Some(path),
            (Some(s), toml::Value::Table(inner)) if !s.inside.is_empty() => {
                unknown_in(inner, &format!("{path}."), &s.inside)
            }
            _ => None,
        }
    })
}

fn flatten<'a>(some: &'a [Setting], out: &mut Vec<&'a Setting>) {
    for setting in some {
        out.push(setting);
        flatten(&setting.inside, out);
    }
}

fn find<'a>(some: &'a [Setting], path: &str) -> Option<&'a Setting> {
    some.iter().find_map(|s| if s.path == path { Some(s) } else { find(&s.inside, path) })
}

/// Writes the single values of a section, then the sections inside it.
fn write_section(inside: &[Setting], values: &BTreeMap<String, String>, text: &mut String) {
    // Writing to a String cannot fail.
    let mut line = |s: String| writeln!(text, "{s}").unwrap_or_default();
    for setting in inside.iter().filter(|s| s.inside.is_empty()) {
        line(String::new());
        setting.doc.iter().for_each(|d| line(format!("# {d}")));
        match values.get(&setting.path) {
            Some(value) => line(format!("{} = {value}", setting.key())),
            None => line(format!("# {} =", setting.key())),
        }
    }
    for setting in inside.iter().filter(|s| !s.inside.is_empty()) {
        let mut line = |s: String| writeln!(text, "{s}").unwrap_or_default();
        line(String::new());
        setting.doc.iter().for_each(|d| line(format!("# {d}")));
        line(format!("[{}]", setting.path));
        write_section(&setting.inside, values, text);
    }
}

/// A struct of the sources: its own comment, and name, type and comment of its fields.
#[derive(Default)]
struct Declared {
    doc: Vec<String>,
    fields: Vec<(String, String, Vec<String>)>,
}

/// Collects the public structs of a source file as rustfmt lays them out.
fn read_structs(source: &str, into: &mut BTreeMap<String, Declared>) {
    let mut comment = Vec::new();
    let mut open: Option<(String, Declared)> = None;
    for line in source.lines() {
        let words = line.trim();
        if let Some(text) = words.strip_prefix("///") {
            comment.push(text.trim().to_owned());
        } else if words.starts_with("#[") {
            // Attributes stand between a comment and what it is about.
        } else if let Some(name) = line.strip_prefix("pub struct ").and_then(|l| l.strip_suffix(" {")) {
            open =
                Some((name.to_owned(), Declared { doc: std::mem::take(&mut comment), fields: Vec::new() }));
        } else if let Some((_, declared)) = &mut open
            && let Some((name, kind)) = words.strip_prefix("pub ").and_then(|l| l.split_once(": "))
        {
            let kind = kind.trim_end_matches(',').to_owned();
            declared.fields.push((name.to_owned(), kind, std::mem::take(&mut comment)));
        } else {
            comment.clear();
            if line == "}"
                && let Some((name, declared)) = open.take()
            {
                into.insert(name, declared);
            }
        }
    }
}

fn section(name: &str, prefix: &str, structs: &BTreeMap<String, Declared>) -> Vec<Setting> {
    let fields = structs.get(name).map_or(&[][..], |declared| &declared.fields);
    fields
        .iter()
        .map(|(field, kind, doc)| {
            let path = format!("{prefix}{field}");
            let inside = section(kind, &format!("{path}."), structs);
            // A section without a comment of its own is described by its struct.
            let of_struct = || structs.get(kind).map(|declared| declared.doc.clone()).unwrap_or_default();
            let doc = if doc.is_empty() { of_struct() } else { doc.clone() };
            Setting { path, doc, inside }
        })
        .collect()
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

    #[test]
    fn every_setting_is_documented_and_nothing_else_is() {
        let serialised: BTreeSet<String> =
            catalogue().read_values(&toml::to_string(&complete()).unwrap()).into_keys().collect();
        let mut all = Vec::new();
        flatten(settings(), &mut all);
        let single: BTreeSet<String> =
            all.iter().filter(|s| s.inside.is_empty()).map(|s| s.path.clone()).collect();
        assert_eq!(serialised, single);
        for setting in all {
            assert!(!setting.doc.join("").is_empty(), "{} has no doc comment", setting.path);
        }
    }

    #[test]
    fn a_documented_file_holds_the_same_settings() {
        for config in [TrainConfig::default(), TrainConfig::recipe(Recipe::Tmpose), complete()] {
            let text = catalogue().documented(&config).unwrap();
            assert_eq!(toml::from_str::<TrainConfig>(&text).unwrap(), config, "{text}");
            assert!(text.contains("# Steps over which the learning rate rises from 0."), "{text}");
        }
        assert!(catalogue().documented(&TrainConfig::default()).unwrap().contains("\n# init =\n"));
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
            assert_eq!(catalogue().nearest(written), Some(meant), "{written}");
        }
        assert_eq!(catalogue().nearest("xyzzy"), None);
    }

    #[test]
    fn a_form_can_ask_for_one_meaning() {
        assert!(setting_doc("run.seed").is_some_and(|doc| doc.len() > 10));
        assert_eq!(setting_doc("run.nothing"), None);
    }
}
