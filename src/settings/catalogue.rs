//! All settings of a command by path.

use super::{Choice, SectionField, SettingsGroup, ValueField};
use serde::Serialize;
use std::fmt::Write;
use toml::Value;

/// Names less alike than this are not suggested (clap's own limit).
const ALIKE: f64 = 0.7;

/// One setting, or a section of them.
pub struct Setting {
    /// Its place in the file, e.g. `schedule.batch`.
    pub path: String,
    /// What it means, one entry a line.
    pub doc: Vec<String>,
    /// The same as one text.
    pub help: String,
    /// The settings inside a section, in the order of the struct; empty for a single value.
    pub inside: Vec<Setting>,
    /// Title of the section that it is in, e.g. `Schedule`; empty for those that are in none.
    pub section: String,
    /// Its declaration; `None` for a section.
    pub field: Option<&'static ValueField>,
}

/// All settings of one command, with what they mean.
pub struct Catalogue {
    /// The command, e.g. `tmpose train`.
    pub command: &'static str,
    settings: Vec<Setting>,
}

impl Setting {
    /// Its name in its section.
    pub fn key(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    /// The values that there are; empty where they cannot be listed.
    pub fn choices(&self) -> Vec<Choice> {
        self.field.map(|field| (field.choices)()).unwrap_or_default()
    }

    fn value(prefix: &str, field: &'static ValueField) -> Setting {
        let mut doc = lines(field.doc);
        let names: Vec<&str> = (field.choices)().iter().map(|choice| choice.name).collect();
        if !names.is_empty() {
            doc.push(format!("One of {}.", names.join(", ")));
        }
        let (path, help) = (format!("{prefix}{}", field.key), lines(field.doc).join(" "));
        Setting { path, doc, help, inside: Vec::new(), section: title(prefix), field: Some(field) }
    }

    fn section(prefix: &str, section: &'static SectionField) -> Setting {
        let path = format!("{prefix}{}", section.key);
        let inside = group(&format!("{path}."), section.values, section.sections);
        let doc = lines(section.doc);
        Setting { path, help: doc.join(" "), doc, inside, section: title(prefix), field: None }
    }

    /// Itself and everything inside it.
    fn all(&self) -> Box<dyn Iterator<Item = &Setting> + '_> {
        Box::new(std::iter::once(self).chain(self.inside.iter().flat_map(Setting::all)))
    }
}

/// The section's name in `prefix`, such as `schedule.`, with a capital.
fn title(prefix: &str) -> String {
    let name = prefix.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let mut letters = name.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().collect::<String>() + letters.as_str())
        .unwrap_or_default()
}

fn lines(doc: &[&str]) -> Vec<String> {
    doc.iter().map(|line| line.trim().to_owned()).collect()
}

fn group(prefix: &str, values: &'static [ValueField], sections: &'static [SectionField]) -> Vec<Setting> {
    let values = values.iter().map(|field| Setting::value(prefix, field));
    values.chain(sections.iter().map(|section| Setting::section(prefix, section))).collect()
}

impl Catalogue {
    /// The settings of `command`, which the struct `C` holds.
    pub fn of<C: SettingsGroup>(command: &'static str) -> Catalogue {
        Catalogue { command, settings: group("", C::VALUES, C::SECTIONS) }
    }

    /// The settings in the order of their structs, sections with what is inside them.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// All settings and sections, each section before what is inside it.
    pub fn all(&self) -> impl Iterator<Item = &Setting> {
        self.settings.iter().flat_map(Setting::all)
    }

    /// The setting or section at `path`.
    pub fn find(&self, path: &str) -> Option<&Setting> {
        self.all().find(|setting| setting.path == path)
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
        let (best, how) =
            self.all().map(|s| (s.path.as_str(), alike(&s.path))).max_by(|a, b| a.1.total_cmp(&b.1))?;
        (how > ALIKE).then_some(best)
    }

    /// `config` as a TOML file with each setting's meaning above it. A setting without a value stands there as a
    /// comment.
    ///
    /// # Errors
    /// `config` holds something that TOML cannot.
    pub fn documented(&self, config: &impl Serialize) -> Result<String, toml::ser::Error> {
        let values = toml::Table::try_from(config)?;
        let command = self.command;
        let mut text = format!("# Settings of `{command}`; what a file leaves out keeps its default.\n");
        write_section(&self.settings, &values, &mut text);
        Ok(text)
    }
}

/// The value at `path` in `table`.
pub fn value_at<'a>(table: &'a toml::Table, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        Some((section, rest)) => value_at(table.get(section)?.as_table()?, rest),
        None => table.get(path),
    }
}

/// Puts `value` at `path` in `table`, and makes its sections where they are missing.
pub fn set_value(table: &mut toml::Table, path: &str, value: Value) {
    match path.split_once('.') {
        Some((section, rest)) => {
            let inside = table.entry(section).or_insert_with(|| Value::Table(toml::Table::new()));
            if let Value::Table(inside) = inside {
                set_value(inside, rest, value);
            }
        }
        None => drop(table.insert(path.to_owned(), value)),
    }
}

fn unknown_in(table: &toml::Table, prefix: &str, known: &[Setting]) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let path = format!("{prefix}{key}");
        match (known.iter().find(|s| s.path == path), value) {
            (None, _) => Some(path),
            (Some(s), Value::Table(inner)) if s.field.is_none() => {
                unknown_in(inner, &format!("{path}."), &s.inside)
            }
            _ => None,
        }
    })
}

/// Writes the single values of a section, then the sections inside it. `values` are those of the section.
fn write_section(inside: &[Setting], values: &toml::Table, text: &mut String) {
    // Writing to a String cannot fail.
    let mut line = |s: String| writeln!(text, "{s}").unwrap_or_default();
    for setting in inside.iter().filter(|s| s.field.is_some()) {
        line(String::new());
        setting.doc.iter().for_each(|d| line(format!("# {d}")));
        match values.get(setting.key()) {
            Some(value) => line(format!("{} = {}", setting.key(), inline(value))),
            None => line(format!("# {} =", setting.key())),
        }
    }
    let nothing = toml::Table::new();
    for setting in inside.iter().filter(|s| s.field.is_none()) {
        let mut line = |s: String| writeln!(text, "{s}").unwrap_or_default();
        line(String::new());
        setting.doc.iter().for_each(|d| line(format!("# {d}")));
        line(format!("[{}]", setting.path));
        let values = values.get(setting.key()).and_then(Value::as_table).unwrap_or(&nothing);
        write_section(&setting.inside, values, text);
    }
}

/// A value as TOML on one line.
fn inline(value: &Value) -> String {
    match value {
        Value::Float(number) => {
            let (text, narrow) = (value.to_string(), *number as f32);
            // A table holds 64 bits of every number; those of an f32 are written with as few digits as it needs.
            let short = narrow.to_string();
            let same = f64::from(narrow) == *number && short.contains('.') && short.len() < text.len();
            if same { short } else { text }
        }
        Value::Array(values) => {
            format!("[{}]", values.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        Value::Table(table) => {
            let pairs: Vec<String> = table.iter().map(|(key, v)| format!("{key} = {}", inline(v))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_on_one_line_with_the_digits_they_need() {
        let text = |value: Value| inline(&value);
        assert_eq!(text(Value::Float(f64::from(0.35f32))), "0.35");
        assert_eq!(text(Value::Float(0.35)), "0.35");
        assert_eq!(text(Value::Float(5.0)), "5.0");
        assert_eq!(text(Value::Array(vec![Value::Float(0.1), Value::Integer(2)])), "[0.1, 2]");
        let mut table = toml::Table::new();
        set_value(&mut table, "decay.steps", Value::Float(0.5));
        assert_eq!(text(table["decay"].clone()), "{ steps = 0.5 }");
        assert_eq!(value_at(&table, "decay.steps"), Some(&Value::Float(0.5)));
        assert_eq!(value_at(&table, "decay.parts"), None);
    }
}
