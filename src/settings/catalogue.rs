//! All settings of a command by path.

use super::{Choice, SectionField, SettingsGroup, ValueField};
use serde::Serialize;
use std::fmt::Write;
use toml::Value;

/// Jaro-Winkler similarity, 0 to 1, below which a name is not suggested (clap's own limit).
const MIN_SIMILARITY: f64 = 0.7;

/// One setting, or a section of settings.
pub struct Setting {
    /// Its path in the file, e.g. `schedule.batch`.
    pub path: String,
    /// The lines of its comment in a settings file.
    pub doc: Vec<String>,
    /// What it means, in one line: for help texts and tooltips.
    pub help: String,
    /// The settings of a section, in the order of the struct; empty for a single value.
    pub children: Vec<Setting>,
    /// Title of its section, e.g. `Schedule`; empty outside of sections.
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
    /// Its name in its section, e.g. `batch`.
    pub fn key(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    /// The possible values; empty where they cannot be listed.
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
        Setting { path, doc, help, children: Vec::new(), section: title(prefix), field: Some(field) }
    }

    fn section(prefix: &str, section: &'static SectionField) -> Setting {
        let path = format!("{prefix}{}", section.key);
        let children = group(&format!("{path}."), section.values, section.sections);
        let doc = lines(section.doc);
        Setting { path, help: doc.join(" "), doc, children, section: title(prefix), field: None }
    }

    /// Itself, and if it is a section everything in it.
    fn all(&self) -> Box<dyn Iterator<Item = &Setting> + '_> {
        Box::new(std::iter::once(self).chain(self.children.iter().flat_map(Setting::all)))
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

    /// The settings and sections at the top, in the order of the struct.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// All settings and sections; each section comes before its settings.
    pub fn all(&self) -> impl Iterator<Item = &Setting> {
        self.settings.iter().flat_map(Setting::all)
    }

    /// The setting or section at `path`.
    pub fn find(&self, path: &str) -> Option<&Setting> {
        self.all().find(|setting| setting.path == path)
    }

    /// The path of the first key in `table` that is no setting.
    pub fn unknown_key(&self, table: &toml::Table) -> Option<String> {
        unknown_in(table, "", &self.settings)
    }

    /// The setting or section whose path is most similar to `path`, for a hint; `None` where none is. A right key in a wrong
    /// section counts as similar.
    pub fn nearest(&self, path: &str) -> Option<&str> {
        let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
        let similarity = |known: &str| {
            let whole = strsim::jaro_winkler(path, known);
            whole.max(strsim::jaro_winkler(&last(path), &last(known)) - 0.01)
        };
        let (best, similarity) =
            self.all().map(|s| (s.path.as_str(), similarity(&s.path))).max_by(|a, b| a.1.total_cmp(&b.1))?;
        (similarity > MIN_SIMILARITY).then_some(best)
    }

    /// `config` as a TOML file with a comment above each setting. A setting without a value is commented out.
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

/// The value at `path`, e.g. `schedule.batch`, in `table`.
pub fn value_at<'a>(table: &'a toml::Table, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        Some((section, rest)) => value_at(table.get(section)?.as_table()?, rest),
        None => table.get(path),
    }
}

/// Sets the value at `path`, e.g. `schedule.batch`, in `table`, and adds the sections that are missing.
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
                unknown_in(inner, &format!("{path}."), &s.children)
            }
            _ => None,
        }
    })
}

/// Writes the single values of a section, then its sections. `values` are the values of the section.
fn write_section(settings: &[Setting], values: &toml::Table, text: &mut String) {
    // Writing to a String cannot fail.
    let mut line = |s: String| writeln!(text, "{s}").unwrap_or_default();
    for setting in settings.iter().filter(|s| s.field.is_some()) {
        line(String::new());
        setting.doc.iter().for_each(|d| line(format!("# {d}")));
        match values.get(setting.key()) {
            Some(value) => line(format!("{} = {}", setting.key(), inline(value))),
            None => line(format!("# {} =", setting.key())),
        }
    }
    let nothing = toml::Table::new();
    for setting in settings.iter().filter(|s| s.field.is_none()) {
        let mut line = |s: String| writeln!(text, "{s}").unwrap_or_default();
        line(String::new());
        setting.doc.iter().for_each(|d| line(format!("# {d}")));
        line(format!("[{}]", setting.path));
        let values = values.get(setting.key()).and_then(Value::as_table).unwrap_or(&nothing);
        write_section(&setting.children, values, text);
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
