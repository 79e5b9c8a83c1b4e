//! What is drawn over the picture.

use crate::app::commands::Command;
use crate::app::preferences::{HeatmapJoint, SkeletonColors};
use crate::app::theme;
use crate::app::widgets::{check, choice, row};
use crate::app::window::Window;
use crate::live::ModelStatus;
use crate::pose::Skeleton;
use egui::{Slider, Ui};

/// Draws the section.
pub fn show(ui: &mut Ui, window: &mut Window) {
    let ctx = ui.ctx().clone();
    let model = window.live.model();
    let skeleton = match &model {
        ModelStatus::Ready(summary) => &summary.info.skeleton,
        _ => Skeleton::coco17(),
    };
    let layers = &mut window.preferences.layers;
    let named = |command: Command| (command.text(), command.hint(&ctx));

    let (text, tip) = named(Command::ToggleSkeleton);
    check(ui, &mut layers.skeleton, text, &tip);
    ui.add_enabled_ui(layers.skeleton, |ui| {
        row(ui, "Least score", "Joints that the network is less sure of are not drawn.", |ui| {
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
    let (text, tip) = named(Command::ToggleNumbers);
    check(ui, &mut layers.numbers, text, &tip);

    let (text, tip) = named(Command::ToggleHeatmaps);
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
        (&mut layers.tokens, Command::ToggleTokens),
        (&mut layers.crop, Command::ToggleCrop),
        (&mut layers.truth, Command::ToggleTruth),
        (&mut layers.mirror, Command::ToggleMirror),
    ] {
        let (text, tip) = named(command);
        check(ui, on, text, &tip);
    }
    check(
        ui,
        &mut window.preferences.newest_picture,
        "Newest picture at once",
        "Show each frame as it arrives and the skeleton when it is ready, instead of both together.",
    );
}

/// A slider that fills its row. What it leaves must hold the widest value, "100 %": a row that is wider
/// than its panel would push the panel wider with every frame.
pub(super) fn slider(ui: &mut Ui, slider: Slider<'_>) -> egui::Response {
    ui.spacing_mut().slider_width = (ui.available_width() - 68.0).max(40.0);
    ui.add(slider)
}

fn joint(ui: &mut Ui, chosen: &mut HeatmapJoint, skeleton: &Skeleton) -> egui::Response {
    let spoken =
        |j: usize| skeleton.joints.get(j).map_or_else(|| "all".into(), |name| name.replace('_', " "));
    let name = |joint: HeatmapJoint| match joint {
        HeatmapJoint::All => "all".to_owned(),
        HeatmapJoint::One(j) => spoken(j),
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
                    ui.selectable_value(chosen, HeatmapJoint::One(j), spoken(j));
                });
            }
        })
        .response
}
