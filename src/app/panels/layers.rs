//! What is drawn over the picture.

use crate::app::actions::ActionQueue;
use crate::app::commands::AppCommand;
use crate::app::state::{HeatmapJoint, SkeletonColors, State};
use crate::app::theme;
use crate::app::widgets::{check, choice, row};
use crate::pose::Skeleton;
use egui::{Slider, Ui};

/// Draws the section.
pub fn show(ui: &mut Ui, state: &mut State, _: &mut ActionQueue) {
    let ctx = ui.ctx().clone();
    let skeleton = state.pipeline.skeleton();
    let layers = &mut state.preferences.layers;
    let named = |command: AppCommand| (command.name(), command.hint(&ctx));

    let (text, tip) = named(AppCommand::ToggleSkeleton);
    check(ui, &mut layers.skeleton, text, &tip);
    ui.add_enabled_ui(layers.skeleton, |ui| {
        row(ui, "Minimum score", "Joints with a lower confidence are not drawn.", |ui| {
            slider(ui, Slider::new(&mut layers.min_score, 0.0..=1.0).fixed_decimals(2).step_by(0.01))
        });
        let help = "People: each has a colour and keeps it, lighter on the left side. Sides: warm on the left, \
                    cool on the right.";
        row(ui, "Colours", help, |ui| {
            let all = [SkeletonColors::People, SkeletonColors::Sides];
            choice(ui, "skeleton colours", &mut layers.colors, &all, |colors| {
                match colors {
                    SkeletonColors::People => "people",
                    SkeletonColors::Sides => "left and right",
                }
                .into()
            })
        });
    });
    let (text, tip) = named(AppCommand::ToggleNumbers);
    check(ui, &mut layers.numbers, text, &tip);

    let (text, tip) = named(AppCommand::ToggleHeatmaps);
    check(ui, &mut layers.heatmaps, text, &tip);
    ui.add_enabled_ui(layers.heatmaps, |ui| {
        let help = "All: the strongest joint of each cell in its colour. One: dark violet to yellow.";
        row(ui, "Joint", help, |ui| joint(ui, &mut layers.heatmap_joint, skeleton));
        let mut percent = layers.heatmap_opacity * 100.0;
        row(ui, "Opacity", "How much the heatmaps cover the picture.", |ui| {
            slider(ui, Slider::new(&mut percent, 0.0..=100.0).fixed_decimals(0).suffix(" %"))
        });
        layers.heatmap_opacity = percent / 100.0;
    });

    for (on, command) in [
        (&mut layers.tokens, AppCommand::ToggleTokens),
        (&mut layers.crop, AppCommand::ToggleCrop),
        (&mut layers.truth, AppCommand::ToggleTruth),
        (&mut layers.mirror, AppCommand::ToggleMirror),
    ] {
        let (text, tip) = named(command);
        check(ui, on, text, &tip);
    }
    check(
        ui,
        &mut state.preferences.newest_picture,
        "Newest picture at once",
        "Show each frame as it arrives and the skeleton when it is ready, instead of both together.",
    );
}

/// A slider that fills its row and leaves space for the widest value, "100 %": a row wider than its panel would widen
/// the panel with every frame.
pub(super) fn slider(ui: &mut Ui, slider: Slider<'_>) -> egui::Response {
    ui.spacing_mut().slider_width = (ui.available_width() - 68.0).max(40.0);
    ui.add(slider)
}

fn joint(ui: &mut Ui, chosen: &mut HeatmapJoint, skeleton: &Skeleton) -> egui::Response {
    let words = |j: usize| skeleton.joints.get(j).map_or_else(|| "all".into(), |name| name.replace('_', " "));
    let name = |joint: HeatmapJoint| match joint {
        HeatmapJoint::All => "all".to_owned(),
        HeatmapJoint::One(j) => words(j),
    };
    egui::ComboBox::from_id_salt("heatmap joint")
        .width(ui.available_width())
        .height(420.0)
        .selected_text(name(*chosen))
        .show_ui(ui, |ui| {
            ui.selectable_value(chosen, HeatmapJoint::All, "all");
            for j in 0..skeleton.len() {
                let [r, g, b] = crate::draw::joint_color(skeleton, j);
                ui.horizontal(|ui| {
                    let (rect, _) = ui.allocate_exact_size(egui::vec2(8.0, theme::ROW), egui::Sense::hover());
                    ui.painter().circle_filled(rect.center(), 4.0, egui::Color32::from_rgb(r, g, b));
                    ui.selectable_value(chosen, HeatmapJoint::One(j), words(j));
                });
            }
        })
        .response
}
