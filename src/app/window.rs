//! A frame of the window: takes what is new, draws the panels, and carries out what they ask for.

use super::actions::{ActionQueue, AppAction};
use super::automation::{Automation, AutomationRunner};
use super::commands::AppCommand;
use super::execute::Executor;
use super::services::{DialogResult, Services};
use super::state::{Notification, PipelineStatus, PointerMode, Preferences, State};
use super::{panels, report, theme};
use crate::live::ModelStatus;
use egui::{Context, Ui, ViewportCommand};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Time from one repaint to the next while a source plays but sends nothing.
const IDLE_REPAINT: Duration = Duration::from_millis(500);

/// Shown when the system has no file dialog.
const NO_DIALOG: &str = "This system has no file dialog: drop files or folders onto the window, name them on the \
    command line, or install zenity or a desktop portal (xdg-desktop-portal)";

/// The window: its state, its services, and what its panels have asked for.
pub struct Window {
    // The order matters: the pipeline's threads end before the state that they wake the window for.
    /// What works beside the window.
    pub services: Services,
    /// What the window knows.
    pub state: State,
    actions: ActionQueue,
    automation: AutomationRunner,
}

impl Window {
    /// A window without a source and a model.
    ///
    /// # Errors
    /// The system has no thread left for the network.
    pub fn new(ctx: &Context, preferences: Preferences, automation: Automation) -> std::io::Result<Window> {
        theme::apply(ctx);
        let services = Services::start(ctx, preferences.live_settings(None))?;
        let state = State::new(preferences, PipelineStatus::read(&services.pipeline));
        let automation = AutomationRunner::new(automation);
        Ok(Window { services, state, actions: ActionQueue::default(), automation })
    }

    /// What carries actions out.
    pub fn executor<'a>(&'a mut self, ctx: &'a Context) -> Executor<'a> {
        Executor { ctx, state: &mut self.state, services: &mut self.services }
    }

    /// Carries out a command.
    pub fn run(&mut self, ctx: &Context, command: AppCommand) {
        let action = command.action(&self.state);
        self.executor(ctx).execute(action);
    }

    /// Draws a frame.
    pub fn ui(&mut self, ui: &mut Ui) {
        let ctx = ui.ctx().clone();
        self.update(&ctx);
        panels::draw(ui, &mut self.state, &mut self.services.textures, &mut self.actions);
        self.automation.act(&ctx, || report::report(&self.state));
        let actions = self.actions.take();
        if !actions.is_empty() {
            // The panels that were drawn before show it in the next frame.
            ctx.request_repaint();
        }
        let mut executor = self.executor(&ctx);
        actions.into_iter().for_each(|action| executor.execute(action));
    }

    /// Takes keys, files, answers and results, before anything is drawn.
    fn update(&mut self, ctx: &Context) {
        self.state.repaints.tick(Instant::now());
        self.take_keys(ctx);
        self.take_files(ctx);
        self.services.cameras.poll(&mut self.state.cameras);
        self.state.training.update(&mut self.services.training);
        self.take_close_request(ctx);
        self.executor(ctx).apply_settings();
        if self.state.notification.as_ref().is_some_and(Notification::expired) {
            self.state.notification = None;
        }
        self.state.pipeline = PipelineStatus::read(&self.services.pipeline);
        // A source that sends nothing does not wake the window.
        if self.state.pipeline.transport.playing {
            ctx.request_repaint_after(IDLE_REPAINT);
        }
        self.take_frames();
        self.show_device_note();
    }

    fn take_keys(&mut self, ctx: &Context) {
        for command in AppCommand::pressed(ctx) {
            if command == AppCommand::FollowAll && self.state.selection.pointer == PointerMode::Draw {
                self.executor(ctx).execute(AppAction::CancelBox);
            } else {
                self.run(ctx, command);
            }
        }
    }

    /// Files that were dropped onto the window or chosen in a dialog.
    fn take_files(&mut self, ctx: &Context) {
        let dropped: Vec<PathBuf> =
            ctx.input(|i| i.raw.dropped_files.iter().map(|f| f.path().to_owned()).collect());
        if !dropped.is_empty() {
            self.executor(ctx).execute(AppAction::OpenPaths(dropped));
        }
        match self.services.dialogs.poll() {
            Some(DialogResult::Chosen(purpose, paths)) => self.executor(ctx).take_chosen(purpose, paths),
            Some(DialogResult::NoDialog) => {
                self.state.notification = Some(Notification::error(NO_DIALOG.into()));
            }
            Some(DialogResult::Cancelled) | None => {}
        }
    }

    /// A window that closes must not lose what a training has learned.
    fn take_close_request(&mut self, ctx: &Context) {
        let requested = ctx.input(|i| i.viewport().close_requested());
        let unattended = self.automation.unattended();
        if requested && !self.state.training.may_close(unattended) {
            ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            if unattended {
                self.executor(ctx).execute(AppAction::SaveAndClose);
            }
        }
        if self.state.training.ready_to_close() {
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
    }

    /// Takes the newest frame and the newest people; never waits for them.
    fn take_frames(&mut self) {
        let State { view, pipeline, preferences, accuracy, source, .. } = &mut self.state;
        let ModelStatus::Ready(summary) = &pipeline.model else {
            view.set_result(None);
            // A result of the previous model is out of date.
            self.services.pipeline.take_result();
            if let Some(frame) = self.services.pipeline.take_preview().filter(|f| f.source == source.number) {
                view.set_frame(frame);
            }
            return;
        };
        let together = !preferences.newest_picture && pipeline.measured.error.is_none();
        let result = self.services.pipeline.take_result().filter(|r| r.frame.source == source.number);
        let preview = self.services.pipeline.take_preview().filter(|f| f.source == source.number);
        if let Some(result) = result {
            if together {
                view.set_frame(result.frame.clone());
            }
            accuracy.add(&result, &summary.info.skeleton);
            view.set_result(Some(result));
        }
        if let (false, Some(frame)) = (together, preview) {
            view.set_frame(frame);
        }
    }

    /// Shows the note about the network's device, once for each model.
    fn show_device_note(&mut self) {
        if let ModelStatus::Ready(summary) = &self.state.pipeline.model
            && !std::mem::replace(&mut self.state.device_note_shown, true)
            && let Some(note) = &summary.device.note
        {
            self.state.notification = Some(Notification::note(note.clone()));
        }
    }
}
