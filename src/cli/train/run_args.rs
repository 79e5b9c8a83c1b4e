//! The flags that every training has.

use crate::gpu::DeviceChoice;
use crate::train::config::{RunSection, ScheduleSection};
use anyhow::bail;
use std::path::{Path, PathBuf};

/// Where a training's settings come from, where and how long it runs.
#[derive(clap::Args)]
pub struct RunArgs {
    /// Settings file (TOML); what it does not name keeps its default
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Go on with the training in this folder
    #[arg(long, value_name = "RUN", conflicts_with = "config")]
    resume: Option<PathBuf>,
    /// Folder for the run's checkpoints, log and weights
    #[arg(long, value_name = "RUN")]
    out: Option<PathBuf>,
    /// Where the network is trained: auto, gpu, cpu or cuda [default: auto]
    #[arg(long, value_name = "DEVICE")]
    device: Option<DeviceChoice>,
    /// Steps to train, instead of a number of epochs
    #[arg(long)]
    steps: Option<u64>,
    /// Steps between validations instead of once an epoch
    #[arg(long)]
    val_steps: Option<u64>,
    /// End after this many validations without a better AP; 0 for never [default: 0]
    #[arg(long, value_name = "N")]
    patience: Option<u64>,
    /// Another number draws everything random anew [default: 1]
    #[arg(long)]
    seed: Option<u64>,
    /// Print the settings as a file for --config, each with what it means, and end
    #[arg(long)]
    pub print_config: bool,
}

impl RunArgs {
    /// The settings file to begin with.
    pub fn file(&self) -> Option<PathBuf> {
        self.config.clone().or_else(|| self.resume.as_ref().map(|run| run.join("config.toml")))
    }

    /// Puts the flags that were given in the place of their settings.
    pub fn apply(&self, run: &mut RunSection, schedule: &mut ScheduleSection) {
        set(&mut run.out, &self.out.clone().or(self.resume.clone()));
        set(&mut run.device, &self.device);
        set(&mut run.seed, &self.seed);
        set(&mut run.val_steps, &self.val_steps);
        set(&mut schedule.steps, &self.steps);
        set(&mut schedule.patience, &self.patience);
    }

    /// True when a training goes on.
    pub fn resumes(&self) -> bool {
        self.resume.is_some()
    }

    /// Refuses to begin a training in `run` where another one lies, and to go on with one elsewhere.
    pub fn check_folder(&self, run: &Path) -> anyhow::Result<()> {
        if let Some(resume) = &self.resume {
            if self.out.as_ref().is_some_and(|out| out != resume) {
                bail!("--resume {} goes on in that folder; leave --out away", resume.display());
            }
        } else if run.join("checkpoint.safetensors").exists() {
            let out = run.display();
            bail!(
                "{out} holds a training already; go on with --resume {out}, or choose another folder with --out"
            );
        }
        Ok(())
    }
}

/// Puts a flag that was given in the place of its setting.
pub fn set<T: Clone>(setting: &mut T, flag: &Option<T>) {
    if let Some(value) = flag {
        *setting = value.clone();
    }
}
