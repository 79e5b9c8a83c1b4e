//! Starts the window: device, options, and what it begins with.

use super::actions::{AppAction, DialogPurpose};
use super::automation::Automation;
use super::state::Preferences;
use super::train::TrainDialog;
use super::window::Window;
use crate::detect::DetectorChoice;
use crate::gpu::{self, DeviceChoice};
use crate::model::{KeepRatio, MaskKind};
use crate::source::SourceSpec;
use crate::track::FollowMode;
use crate::train::TrainSettings;
use crate::weights;
use eframe::egui_wgpu;
use std::path::PathBuf;

/// What the command line asks of the window; `None` leaves what the window remembers.
#[derive(Clone, Debug, Default)]
pub struct WindowOptions {
    /// What to open first; `None` opens the mannequin.
    pub source: Option<SourceSpec>,
    /// The model's weights file.
    pub weights: Option<PathBuf>,
    /// Where the network runs.
    pub device: Option<DeviceChoice>,
    /// How the kept tokens are chosen.
    pub mask: Option<MaskKind>,
    /// Share of the visual tokens that is kept.
    pub keep_ratio: Option<KeepRatio>,
    /// The person detector.
    pub detector: DetectorChoice,
    /// Who is followed.
    pub people: Option<FollowMode>,
    /// At most this many people, at least 1.
    pub most_people: Option<usize>,
    /// Frames from one detection to the next, at least 1.
    pub detect_every: Option<u32>,
    /// Whether keypoints are smoothed.
    pub smooth: Option<bool>,
    /// Show the heatmaps.
    pub heatmaps: bool,
    /// Show which visual tokens are kept.
    pub tokens: bool,
    /// Show the mannequin's true joints.
    pub truth: bool,
    /// Start from the defaults and store nothing.
    pub fresh: bool,
    /// What to do without the user.
    pub automation: Automation,
    /// Open the training panel.
    pub training: Option<TrainPanelOptions>,
}

impl WindowOptions {
    /// Replaces what was remembered by what was asked for.
    fn apply(&self, preferences: &mut Preferences) {
        preferences.device = self.device.unwrap_or(preferences.device);
        preferences.mask = self.mask.unwrap_or(preferences.mask);
        preferences.keep_ratio = self.keep_ratio.unwrap_or(preferences.keep_ratio);
        let people = &mut preferences.people;
        people.mode = self.people.unwrap_or(people.mode);
        people.most = self.most_people.unwrap_or(people.most);
        people.detect_every = self.detect_every.unwrap_or(people.detect_every);
        people.smooth = self.smooth.unwrap_or(people.smooth);
        let layers = &mut preferences.layers;
        layers.heatmaps |= self.heatmaps;
        layers.tokens |= self.tokens;
        layers.truth |= self.truth;
    }
}

/// What the training panel begins with.
#[derive(Clone, Debug, Default)]
pub struct TrainPanelOptions {
    /// A settings file to fill the form from.
    pub settings: Option<PathBuf>,
    /// Start at once.
    pub start: bool,
}

/// The window could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// There is no display or no graphics driver; the text is the reason.
    #[error(
        "the window cannot be opened ({0}): on Linux a display (X11 or Wayland) and a Vulkan driver are needed \
         (sudo apt install mesa-vulkan-drivers); tmpose predict works without a window"
    )]
    Window(String),
}

/// Opens the window and returns when it is closed.
///
/// # Errors
/// There is no display, or no graphics driver.
pub fn run(options: WindowOptions) -> Result<(), AppError> {
    let viewport = egui::ViewportBuilder::default()
        .with_title("TMPose")
        .with_app_id("tmpose")
        .with_icon(icon())
        .with_inner_size([1360.0, 840.0])
        .with_min_inner_size([760.0, 480.0])
        .with_drag_and_drop(true);
    let mut native = eframe::NativeOptions {
        viewport,
        renderer: eframe::Renderer::Wgpu,
        persist_window: !options.fresh,
        ..eframe::NativeOptions::default()
    };
    if let Some(shared) = shared_device(options.device) {
        native.wgpu_options.wgpu_setup = shared;
    }
    let app = move |cc: &eframe::CreationContext<'_>| Ok(Box::new(WindowApp::new(cc, options)?) as _);
    eframe::run_native("tmpose", native, Box::new(app)).map_err(|error| {
        // eframe and winit write the position in their source code before the reason.
        let text = error.to_string();
        AppError::Window(text.rsplit(": ").next().unwrap_or(&text).to_owned())
    })
}

/// The network's device for the window to draw with, where that is a real GPU. An emulated one is not
/// shared: its queue is busy for seconds with each pass of the network, and the window would stand still.
fn shared_device(device: Option<DeviceChoice>) -> Option<egui_wgpu::WgpuSetup> {
    let compute = gpu::choose(device.unwrap_or_default()).ok()?;
    let shared = gpu::shared_setup().filter(|_| compute.kernels().is_some() && !compute.software)?.setup;
    Some(egui_wgpu::WgpuSetup::Existing(egui_wgpu::WgpuSetupExisting {
        instance: shared.instance,
        adapter: shared.adapter,
        device: shared.device,
        queue: shared.queue,
    }))
}

fn icon() -> egui::IconData {
    let png = include_bytes!("../../assets/icon.png");
    // A window without its icon is better than none.
    eframe::icon_data::from_png_bytes(png).unwrap_or_default()
}

/// The window as eframe wants it.
struct WindowApp {
    window: Window,
    /// Nothing is remembered.
    fresh: bool,
}

impl WindowApp {
    fn new(cc: &eframe::CreationContext<'_>, options: WindowOptions) -> std::io::Result<WindowApp> {
        let stored = if options.fresh { None } else { cc.storage };
        let mut preferences = Preferences::load(stored);
        options.apply(&mut preferences);
        let detector = detector_file(options.detector, &mut preferences);
        // A file that was chosen once and is gone must not hide the weights that are there.
        let chosen = preferences.weights.clone().filter(|path| path.exists());
        let weights = options.weights.or(chosen).or_else(weights::default_weights);
        let mut window = Window::new(&cc.egui_ctx, preferences, options.automation)?;
        if let Some(render) = &cc.wgpu_render_state {
            window.services.textures.heatmaps.draw_with(render);
        }
        let mut executor = window.executor(&cc.egui_ctx);
        executor.load_model(weights);
        executor.load_detector(detector);
        executor.execute(options.source.map_or(AppAction::OpenMannequin, AppAction::OpenSource));
        executor.execute(AppAction::ScanCameras);
        if let Some(training) = options.training {
            executor.execute(AppAction::ShowTraining(true));
            if let Some(path) = training.settings {
                let load = DialogPurpose::Training(TrainDialog::LoadSettings);
                executor.take_chosen(load, vec![path]);
            }
            if training.start {
                executor.execute(AppAction::StartTraining);
            }
        }
        Ok(WindowApp { window, fresh: options.fresh })
    }
}

/// The person detector's file to begin with.
fn detector_file(choice: DetectorChoice, preferences: &mut Preferences) -> Option<PathBuf> {
    let people = &mut preferences.people;
    match choice {
        DetectorChoice::None => None,
        DetectorChoice::File(path) => {
            people.detect = true;
            Some(path)
        }
        DetectorChoice::Default => {
            let chosen = people.detector.clone().filter(|path| path.exists());
            chosen.or_else(weights::default_detector)
        }
    }
}

impl eframe::App for WindowApp {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        self.window.ui(ui);
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        if !self.fresh {
            let state = &mut self.window.state;
            state.preferences.training = state.training.form.config.to_toml();
            state.preferences.save(storage);
        }
    }

    fn persist_egui_memory(&self) -> bool {
        !self.fresh
    }
}
