//! The settings of the next training, field by field and as one text.

use crate::app::actions::{ActionQueue, AppAction, DialogPurpose};
use crate::app::sentence::sentence;
use crate::app::theme;
use crate::app::train::{FormField, Problem, TrainDialog, TrainForm, TrainingState};
use crate::app::widgets::{
    Icon, check, choice, closed_section, device_choice, hint, row, row_icon_button, section,
};
use crate::data::{SetSource, SetSpec};
use crate::model::Variant;
use crate::train::{Recipe, TrainConfig, TrainSettings};
use egui::{Button, DragValue, Label, Response, RichText, Stroke, TextEdit, Ui, Vec2};
use std::path::PathBuf;

/// Width of a field with a number.
const NUMBER: f32 = 96.0;
/// Width of a set's repeat count.
const COUNT: f32 = 100.0;
/// Pictures of the mannequin that a new line asks for.
const PICTURES: usize = 200;

/// Draws the form; it cannot be changed while a training runs.
pub fn show(ui: &mut Ui, training: &mut TrainingState, actions: &mut ActionQueue) {
    if training.running {
        ui.disable();
    }
    let form = &mut training.form;
    let mut pick = None;
    section(ui, "Recipe and network", |ui| network(ui, form, &mut pick));
    section(ui, "Data", |ui| data(ui, form, &mut pick));
    section(ui, "Schedule", |ui| schedule(ui, form));
    section(ui, "Run", |ui| run(ui, form, &mut pick));
    closed_section(ui, "All settings", |ui| everything(ui, form, &mut pick));
    if let Some(pick) = pick {
        actions.push(AppAction::OpenDialog(DialogPurpose::Training(pick)));
    }
}

/// What a setting means, for its tooltip.
fn help(setting: &str) -> &'static str {
    TrainConfig::catalogue().find(setting).map_or("", |setting| setting.help.as_str())
}

fn network(ui: &mut Ui, form: &mut TrainForm, pick: &mut Option<TrainDialog>) {
    let mut recipe = form.config.recipe;
    let tip = format!("{} Data, start weights and folders stay as they are.", help("recipe"));
    let chosen = row(ui, "Recipe", &tip, |ui| {
        choice(ui, "recipe", &mut recipe, &Recipe::ALL, |recipe| recipe.to_string())
    });
    if chosen.changed() {
        form.apply_recipe(recipe);
    }
    indented(ui, |ui| hint(ui, sentence(form.config.recipe.description())));
    let model = &mut form.config.model;
    row(ui, "Variant", help("model.variant"), |ui| {
        choice(ui, "variant", &mut model.variant, &Variant::ALL, |v| v.to_string())
    });
    let mut start = shown(model.init.as_ref());
    let wrong = is_wrong(form, FormField::Init);
    let changed = row(ui, "Start weights", help("model.init"), |ui| {
        path_field(ui, &mut start, "random", wrong, 0.0, Some((TrainDialog::InitWeights, pick)))
    })
    .changed();
    if changed {
        form.config.model.init = path(&start);
    }
    problem(ui, form, FormField::Init);
    indented(ui, |ui| {
        let tip = help("model.freeze_backbone");
        check(ui, &mut form.config.model.freeze_backbone, "Freeze the backbone", tip);
    });
    problem(ui, form, FormField::Backbone);
}

fn data(ui: &mut Ui, form: &mut TrainForm, pick: &mut Option<TrainDialog>) {
    let mut remove = None;
    for n in 0..form.config.data.train.len() {
        if training_set(ui, form, n, pick) {
            remove = Some(n);
        }
        problem(ui, form, FormField::Set(n));
    }
    if let Some(n) = remove {
        form.config.data.train.remove(n);
    }
    problem(ui, form, FormField::Data);
    indented(ui, |ui| {
        let half = half(ui);
        if ui.add_sized(half, Button::new("Add a folder…")).clicked() {
            *pick = Some(TrainDialog::AddSet);
        }
        let tip = "Rendered people whose joints are known: enough to try a training.";
        if ui.add_sized(half, Button::new("Add mannequin")).on_hover_text(tip).clicked() {
            let data = &mut form.config.data;
            data.train.push(SetSource::Mannequin(Some(PICTURES)).into());
            // The pictures that belong to those that are trained on.
            data.val.get_or_insert(SetSource::Mannequin(None));
        }
    });
    let mut val = form.config.data.val.as_ref().map(SetSource::to_string).unwrap_or_default();
    let wrong = is_wrong(form, FormField::Validation);
    let changed = row(ui, "Validate on", help("data.val"), |ui| {
        path_field(ui, &mut val, "nothing", wrong, 0.0, Some((TrainDialog::Validation, pick)))
    })
    .changed();
    if changed {
        form.config.data.val = (!val.is_empty()).then(|| set_source(&val));
    }
    problem(ui, form, FormField::Validation);
}

/// The row of set `n`: its path, its repeats or its number of pictures, and a button that removes it. True when that
/// button is pressed.
fn training_set(ui: &mut Ui, form: &mut TrainForm, n: usize, pick: &mut Option<TrainDialog>) -> bool {
    let wrong = is_wrong(form, FormField::Set(n));
    let spec = &mut form.config.data.train[n];
    let label = if n == 0 { "Train on" } else { "" };
    let mut removed = false;
    row(ui, label, help("data.train"), |ui| {
        let mut text = match &spec.source {
            SetSource::Path(path) => path.display().to_string(),
            // Its number has a field of its own.
            SetSource::Mannequin(_) => SetSource::Mannequin(None).to_string(),
        };
        // Space for the count and the button that removes the line.
        let right = COUNT + theme::ROW + 8.0;
        let field =
            path_field(ui, &mut text, "folder", wrong, right, Some((TrainDialog::ReplaceSet(n), pick)));
        let name = format!("Training set {}", n + 1);
        field.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, name.clone()));
        if field.changed() {
            spec.source = match set_source(&text) {
                SetSource::Mannequin(pictures) => SetSource::Mannequin(pictures.or(Some(PICTURES))),
                path => path,
            };
        }
        // "people:2", as on the command line.
        if let (true, Ok(written)) = (field.lost_focus(), text.parse::<SetSpec>())
            && written.source != spec.source
            && matches!(written.source, SetSource::Path(_))
        {
            *spec = written;
        }
        let (number, unit, tip) = match &mut spec.source {
            SetSource::Mannequin(pictures) => {
                let tip = "Pictures of the mannequin that are rendered before the training.";
                (pictures.get_or_insert(1), " pictures", tip)
            }
            SetSource::Path(_) => {
                let unit = if spec.repeat == 1 { " time" } else { " times" };
                (&mut spec.repeat, unit, "How often an epoch passes through this set.")
            }
        };
        let count = DragValue::new(number).range(1..=1000).speed(0.1).suffix(unit);
        ui.add_sized(Vec2::new(COUNT, theme::ROW), count).on_hover_text(tip);
        let tip = "Do not train on this set.";
        removed = row_icon_button(ui, Icon::Close, "Remove the set", tip).clicked();
        field
    });
    removed
}

/// The set that the text of a field names; a path unless it names the mannequin.
fn set_source(text: &str) -> SetSource {
    text.parse().unwrap_or_else(|_| SetSource::Path(text.into()))
}

fn schedule(ui: &mut Ui, form: &mut TrainForm) {
    let schedule = &mut form.config.schedule;
    let mut by_steps = schedule.steps > 0;
    let tip = help(if by_steps { "schedule.steps" } else { "schedule.epochs" });
    row(ui, "Length", tip, |ui| {
        let size = Vec2::new(NUMBER, theme::ROW);
        let number = if by_steps {
            ui.add_sized(size, DragValue::new(&mut schedule.steps).range(1..=100_000_000).speed(10.0))
        } else {
            let epochs = DragValue::new(&mut schedule.epochs).speed(0.1).max_decimals(2);
            ui.add_sized(size, epochs.range(0.01..=10_000.0).clamp_existing_to_range(false))
        };
        let chosen = choice(ui, "length", &mut by_steps, &[false, true], |steps| {
            if steps { "steps" } else { "epochs" }.into()
        });
        if chosen.changed() {
            schedule.steps = if by_steps { 1000 } else { 0 };
        }
        number
    });
    problem(ui, form, FormField::Length);
    let schedule = &mut form.config.schedule;
    row(ui, "Batch", help("schedule.batch"), |ui| {
        let batch = DragValue::new(&mut schedule.batch).range(1..=4096).speed(0.2);
        ui.add_sized(Vec2::new(NUMBER, theme::ROW), batch.clamp_existing_to_range(false))
    });
    problem(ui, form, FormField::Batch);
    let rate = &mut form.config.schedule.learning_rate;
    row(ui, "Learning rate", help("schedule.learning_rate"), |ui| {
        let speed = (*rate * 0.02).abs().max(1e-7);
        let rate = DragValue::new(rate).range(1e-8..=10.0).speed(speed).max_decimals(8);
        ui.add_sized(Vec2::new(NUMBER, theme::ROW), rate.clamp_existing_to_range(false))
    });
    problem(ui, form, FormField::LearningRate);
}

fn run(ui: &mut Ui, form: &mut TrainForm, pick: &mut Option<TrainDialog>) {
    let device = &mut form.config.run.device;
    let tip = format!("{} On the CPU a core is left to the viewer.", help("run.device"));
    row(ui, "Device", &tip, |ui| device_choice(ui, "training device", device));
    let mut out = shown(Some(&form.config.run.out));
    let wrong = is_wrong(form, FormField::Folder);
    let changed = row(ui, "Run folder", help("run.out"), |ui| {
        path_field(ui, &mut out, "folder", wrong, 0.0, Some((TrainDialog::RunFolder, pick)))
    })
    .changed();
    if changed {
        form.config.run.out = out.into();
    }
    problem(ui, form, FormField::Folder);
}

/// The text of all settings, and its file.
fn everything(ui: &mut Ui, form: &mut TrainForm, pick: &mut Option<TrainDialog>) {
    hint(ui, "Every setting, as in a file for tmpose train --config. The fields above follow the text.");
    ui.horizontal(|ui| {
        let half = half(ui);
        for (text, what) in [("Load…", TrainDialog::LoadSettings), ("Save…", TrainDialog::SaveSettings)] {
            if ui.add_sized(half, Button::new(text)).clicked() {
                *pick = Some(what);
            }
        }
    });
    if let Some((text, error)) = &form.file {
        let color = if *error { theme::ERROR } else { theme::MUTED };
        ui.add(Label::new(RichText::new(text).color(color).small()).wrap());
    }
    let others = form.problems().iter().filter(|p| p.field == FormField::Other).map(|p| p.text.clone());
    let wrong: Vec<String> = form.unreadable.iter().cloned().chain(others).collect();
    for text in &wrong {
        ui.add(Label::new(RichText::new(text).color(theme::ERROR).small()).wrap());
    }
    let text = TextEdit::multiline(&mut form.text)
        .font(egui::TextStyle::Monospace)
        .desired_width(f32::INFINITY)
        .desired_rows(16)
        .margin(egui::Margin::same(8));
    let field = ui.add(text);
    field.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "All settings as text"));
    if !wrong.is_empty() {
        outline(ui, &field);
    }
    if field.changed() {
        form.text_edited();
    }
}

/// A text field for a path that leaves `right` points free beside it, with a button that opens a dialog.
fn path_field(
    ui: &mut Ui,
    text: &mut String,
    empty: &str,
    wrong: bool,
    right: f32,
    dialog: Option<(TrainDialog, &mut Option<TrainDialog>)>,
) -> Response {
    ui.spacing_mut().item_spacing.x = 4.0;
    let button = if dialog.is_some() { theme::ROW + 4.0 } else { 0.0 };
    let width = (ui.available_width() - right - button).max(40.0);
    let hint = RichText::new(empty.to_owned()).color(theme::MUTED);
    let field = TextEdit::singleline(text)
        .hint_text(hint)
        .align(egui::Align2::LEFT_CENTER)
        .min_size(Vec2::new(width, theme::ROW))
        .desired_width(width);
    let field = ui.add(field);
    if wrong {
        outline(ui, &field);
    }
    if let Some((what, pick)) = dialog
        && row_icon_button(ui, Icon::Folder, "Choose…", "Choose it in a dialog.").clicked()
    {
        *pick = Some(what);
    }
    if text.is_empty() { field } else { field.on_hover_text(text.as_str()) }
}

fn outline(ui: &Ui, field: &Response) {
    let line = Stroke::new(1.0, theme::ERROR);
    ui.painter().rect_stroke(field.rect, 5.0, line, egui::StrokeKind::Inside);
}

/// A row without a label, under the fields of the others.
fn indented(ui: &mut Ui, content: impl FnOnce(&mut Ui)) {
    ui.horizontal(|ui| {
        ui.add_space(theme::LABELS + ui.spacing().item_spacing.x);
        content(ui);
    });
}

fn half(ui: &Ui) -> Vec2 {
    Vec2::new((ui.available_width() - ui.spacing().item_spacing.x) / 2.0, 24.0)
}

fn is_wrong(form: &TrainForm, field: FormField) -> bool {
    form.problem(field).is_some_and(|p| p.fatal)
}

/// What is wrong with a field, under it.
fn problem(ui: &mut Ui, form: &TrainForm, field: FormField) {
    let Some(problem) = form.problem(field) else { return };
    // A form that nobody has filled in yet is not a mistake.
    let color = match problem {
        Problem { field: FormField::Data, .. } => theme::MUTED,
        Problem { fatal: true, .. } => theme::ERROR,
        _ => theme::WARN,
    };
    ui.horizontal_top(|ui| {
        ui.spacing_mut().interact_size.y = 0.0;
        ui.add_space(theme::LABELS + ui.spacing().item_spacing.x);
        ui.add(Label::new(RichText::new(&problem.text).color(color).small()).wrap());
    });
}

fn shown(path: Option<&PathBuf>) -> String {
    path.map(|path| path.display().to_string()).unwrap_or_default()
}

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| text.into())
}
