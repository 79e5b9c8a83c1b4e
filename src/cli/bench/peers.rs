//! PyTorch and ONNX Runtime in a Python process that answers line by line.

use crate::detect::DetectorConfig;
use crate::model::{Counting, PoseNetConfig, list_params};
use crate::train::TrainConfig;
use crate::train::detector::DetectorTrainConfig;
use anyhow::{Context, bail};
use burn::module::Module;
use burn::prelude::Device;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// Part of the program, so that an installed one has it too.
const SCRIPT: &str = include_str!("../../../scripts/bench_peers.py");

/// Counted runs of a turn.
const TURN: u32 = 5;
/// Runs before the first that is counted, in the first turn and in later ones.
const FIRST_WARM_UP: u32 = 2;
const WARM_UP: u32 = 1;
/// Pause before a turn: the threads of PyTorch and ONNX Runtime, and ours, look for work for a while after a run, which
/// would slow down whoever runs next.
const PAUSE: Duration = Duration::from_millis(300);

/// The running Python process.
pub struct Peers {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

#[derive(Deserialize)]
struct PeerNetwork {
    /// Names of the peers that could build it.
    peers: Vec<String>,
    /// Trained parameters of the network that was built.
    parameters: Option<u64>,
    /// Multiply-adds of one person with all tokens, where it can count them.
    macs: Option<u64>,
}

#[derive(Deserialize)]
struct PeerRun {
    /// Milliseconds by stage.
    ms: BTreeMap<String, f64>,
}

impl Peers {
    /// Starts the process; `None` if there is no Python or it has no PyTorch.
    pub fn start(python: &Path) -> Option<Peers> {
        let has_torch = Command::new(python)
            .args(["-c", "import torch"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !has_torch {
            return None;
        }
        let mut child = Command::new(python)
            .args(["-u", "-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let requests = child.stdin.take()?;
        let answers = BufReader::new(child.stdout.take()?);
        Some(Peers { child, requests, answers })
    }

    /// Builds the network in every peer that can, for `batch` persons at once; returns the peers' names.
    ///
    /// # Errors
    /// The process ended, or it built another network than ours.
    pub fn load(&mut self, config: &PoseNetConfig, gpu: bool, batch: usize) -> anyhow::Result<Vec<String>> {
        let loaded: PeerNetwork = self.ask(&request(serde_json::json!({ "load": config }), gpu, batch))?;
        same_network("parameters", trained_parameters(config), loaded.parameters)?;
        let macs = config.macs(config.tokens(), Counting::Executed).total();
        same_network("multiply-adds", macs, loaded.macs)?;
        Ok(loaded.peers)
    }

    /// Builds the person detector's network in every peer that can; returns the peers' names.
    ///
    /// # Errors
    /// The process ended, or it built another network than ours.
    pub fn load_detector(&mut self, config: &DetectorConfig, gpu: bool) -> anyhow::Result<Vec<String>> {
        let loaded: PeerNetwork = self.ask(&request(serde_json::json!({ "detector": config }), gpu, 1))?;
        // The weights are lazy: only their shapes are made.
        let parameters = config.init(&Device::flex()).num_params();
        same_network("parameters", parameters as u64, loaded.parameters)?;
        same_network("multiply-adds", config.macs(), loaded.macs)?;
        Ok(loaded.peers)
    }

    /// Prepares training steps with the settings `train` and `parameters` trained parameters; returns the names of the
    /// peers that can.
    ///
    /// # Errors
    /// The process ended, or it trains another number of parameters.
    pub fn load_training(
        &mut self,
        config: &PoseNetConfig,
        train: &TrainConfig,
        gpu: bool,
        parameters: usize,
    ) -> anyhow::Result<Vec<String>> {
        let what = serde_json::json!({
            "train": config,
            "from": if train.model.freeze_backbone { "features" } else { "pictures" },
            "loss": train.loss,
            "schedule": train.schedule,
        });
        let loaded: PeerNetwork = self.ask(&request(what, gpu, train.schedule.batch))?;
        same_network("trained parameters", parameters as u64, loaded.parameters)?;
        Ok(loaded.peers)
    }

    /// As [`Peers::load_training`], for the person detector.
    ///
    /// # Errors
    /// The process ended, or it trains another number of parameters.
    pub fn load_detector_training(
        &mut self,
        config: &DetectorConfig,
        train: &DetectorTrainConfig,
        gpu: bool,
        parameters: usize,
    ) -> anyhow::Result<Vec<String>> {
        let what = serde_json::json!({ "train_detector": config, "schedule": train.schedule });
        let loaded: PeerNetwork = self.ask(&request(what, gpu, train.schedule.batch))?;
        same_network("trained parameters", parameters as u64, loaded.parameters)?;
        Ok(loaded.peers)
    }

    /// One run of the peer of number `peer` with the visual tokens `kept`: milliseconds of each stage that it can tell
    /// apart.
    ///
    /// # Errors
    /// The process ended.
    pub fn run(&mut self, peer: usize, kept: &[usize]) -> anyhow::Result<BTreeMap<String, f64>> {
        let ran: PeerRun = self.ask(&serde_json::json!({ "run": peer, "kept": kept }))?;
        Ok(ran.ms)
    }

    fn ask<T: for<'a> Deserialize<'a>>(&mut self, request: &serde_json::Value) -> anyhow::Result<T> {
        let gone =
            "the Python process with PyTorch ended: its message stands above; --no-peers runs without it";
        writeln!(self.requests, "{request}").context(gone)?;
        let mut answer = String::new();
        if self.answers.read_line(&mut answer).context(gone)? == 0 {
            bail!(gone);
        }
        serde_json::from_str(&answer).context("the Python process with PyTorch gave a wrong answer")
    }
}

/// What was measured in the counted runs, ours and each peer's.
pub struct InterleavedRuns<T> {
    /// What each of our runs measured.
    pub ours: Vec<T>,
    /// For each peer, for each run: milliseconds of the stages that it can tell apart.
    pub theirs: Vec<Vec<BTreeMap<String, f64>>>,
}

/// Runs `ours` and each of the first `count` peers in turns of [`TURN`] runs, so that other load on the machine slows all
/// of them alike. `runs` runs of each are counted. The first runs of each turn are not: in these, memory is allocated,
/// kernels are compiled and tuned, and caches filled again. Before a turn there is a pause ([`PAUSE`]). `ours` returns
/// what it measured and the visual tokens that it kept; `None` ends the measurement.
///
/// # Errors
/// Those of `ours`, or the Python process ended.
pub fn run_interleaved<T>(
    runs: u32,
    mut peers: Option<&mut Peers>,
    count: usize,
    mut ours: impl FnMut() -> anyhow::Result<Option<(T, Vec<usize>)>>,
) -> anyhow::Result<Option<InterleavedRuns<T>>> {
    let mut interleaved = InterleavedRuns { ours: Vec::new(), theirs: vec![Vec::new(); count] };
    let pause = || {
        if count > 0 {
            std::thread::sleep(PAUSE);
        }
    };
    let mut first_turn = true;
    let mut left = runs;
    while left > 0 {
        let turn = left.min(TURN);
        let warm_up = if std::mem::take(&mut first_turn) { FIRST_WARM_UP } else { WARM_UP };
        let mut kept = Vec::new();
        pause();
        for run in 0..warm_up + turn {
            let Some((measured, tokens)) = ours()? else { return Ok(None) };
            kept = tokens;
            if run >= warm_up {
                interleaved.ours.push(measured);
            }
        }
        for (peer, measured) in interleaved.theirs.iter_mut().enumerate() {
            let Some(peers) = peers.as_deref_mut() else { continue };
            pause();
            for run in 0..warm_up + turn {
                let ms = peers.run(peer, &kept)?;
                if run >= warm_up {
                    measured.push(ms);
                }
            }
        }
        left -= turn;
    }
    Ok(Some(interleaved))
}

/// The request `what`, with what every request needs: device, batch size and number of threads.
fn request(mut what: serde_json::Value, gpu: bool, batch: usize) -> serde_json::Value {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    what["device"] = if gpu { "gpu" } else { "cpu" }.into();
    what["batch"] = batch.into();
    what["threads"] = threads.into();
    what
}

/// Parameters that a training of the whole network changes.
fn trained_parameters(config: &PoseNetConfig) -> u64 {
    // The weights are lazy: only their shapes are made.
    let params = list_params(&config.init(&Device::flex()));
    let trained = params.iter().filter(|p| !p.path.contains(".running_"));
    trained.map(|p| p.shape.iter().product::<usize>() as u64).sum()
}

/// Refuses to compare different networks.
fn same_network(what: &str, ours: u64, theirs: Option<u64>) -> anyhow::Result<()> {
    match theirs {
        Some(theirs) if theirs != ours => bail!(
            "PyTorch's network has {theirs} {what}, ours {ours}: scripts/bench_peers.py must build the same \
             network; --no-peers runs without it"
        ),
        _ => Ok(()),
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        // It holds nothing worth keeping; an error means that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Variant;
    use crate::pose::Skeleton;

    #[test]
    fn only_the_same_network_is_compared() {
        assert!(
            same_network("parameters", 5, Some(5)).is_ok() && same_network("parameters", 5, None).is_ok()
        );
        let error = same_network("parameters", 5, Some(6)).unwrap_err().to_string();
        assert!(error.contains("6 parameters, ours 5"), "{error}");
    }

    #[test]
    fn trained_parameters_are_those_of_the_method() {
        // As docs/METHOD.md, "Variants", without the frozen positions.
        for (variant, all) in [(Variant::S, 6_669_888), (Variant::B, 13_514_368), (Variant::LD24, 27_531_552)]
        {
            let config = PoseNetConfig::new(variant, Skeleton::coco17());
            assert_eq!(trained_parameters(&config), all - 256 * 192, "{variant}");
        }
    }
}
