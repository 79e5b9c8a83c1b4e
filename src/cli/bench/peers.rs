//! PyTorch and ONNX Runtime in a Python process that answers line by line.

use crate::detect::DetectorConfig;
use crate::model::{Counting, ModelConfig, list_params};
use crate::train::TrainConfig;
use anyhow::{Context, bail};
use burn::module::Module;
use burn::prelude::Device;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Part of the program, so that an installed one has it too.
const SCRIPT: &str = include_str!("../../../scripts/bench_peers.py");

/// Runs that are not counted.
const WARM_UP: u32 = 2;

/// The running Python process.
pub struct Peers {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

#[derive(Deserialize)]
struct PeerNetwork {
    peers: Vec<String>,
    /// Trained numbers of the network that was built.
    parameters: Option<u64>,
    /// Multiply-accumulates of one person with all tokens, where it can count them.
    macs: Option<u64>,
}

#[derive(Deserialize)]
struct PeerRun {
    ms: BTreeMap<String, f64>,
}

impl Peers {
    /// None if there is no Python or it has no PyTorch.
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

    /// Builds the network in every peer that can; their names.
    pub fn load(&mut self, config: &ModelConfig, gpu: bool, batch: usize) -> anyhow::Result<Vec<String>> {
        let loaded: PeerNetwork = self.ask(&request(serde_json::json!({ "load": config }), gpu, batch))?;
        same_network("parameters", trained_numbers(config), loaded.parameters)?;
        let macs = config.macs(config.tokens(), Counting::Executed).total();
        same_network("multiply-accumulates", macs, loaded.macs)?;
        Ok(loaded.peers)
    }

    /// Builds the person detector's network in every peer that can; their names.
    pub fn load_detector(&mut self, config: &DetectorConfig, gpu: bool) -> anyhow::Result<Vec<String>> {
        let loaded: PeerNetwork = self.ask(&request(serde_json::json!({ "detector": config }), gpu, 1))?;
        // The weights are lazy: only their shapes are made.
        let parameters = config.init(&Device::flex()).num_params();
        same_network("parameters", parameters as u64, loaded.parameters)?;
        same_network("multiply-accumulates", config.macs(), loaded.macs)?;
        Ok(loaded.peers)
    }

    /// Prepares training steps as `train` has them, with `parameters` trained numbers: the peers that can.
    pub fn load_training(
        &mut self,
        config: &ModelConfig,
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

    /// One run of a peer: milliseconds of each stage that it can tell apart.
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

/// Milliseconds of each counted run, ours and each peer's.
pub struct Turns<T> {
    pub ours: Vec<T>,
    /// For each peer, for each run: the stages that it can tell apart.
    pub theirs: Vec<Vec<BTreeMap<String, f64>>>,
}

/// Runs `ours` and each of the first `count` peers in turn, so that whatever else the machine does falls on all of
/// them alike. After runs that nobody counts, since memory is claimed, and kernels are compiled and tuned in them,
/// `runs` are counted. `ours` returns what it measured and the visual tokens that it kept; `None` ends everything.
///
/// # Errors
/// Those of `ours`, or the Python process ended.
pub fn take_turns<T>(
    runs: u32,
    mut peers: Option<&mut Peers>,
    count: usize,
    mut ours: impl FnMut() -> anyhow::Result<Option<(T, Vec<usize>)>>,
) -> anyhow::Result<Option<Turns<T>>> {
    let mut turns = Turns { ours: Vec::new(), theirs: vec![Vec::new(); count] };
    for run in 0..WARM_UP + runs {
        let Some((measured, kept)) = ours()? else { return Ok(None) };
        if run >= WARM_UP {
            turns.ours.push(measured);
        }
        for (peer, runs) in turns.theirs.iter_mut().enumerate() {
            let Some(peers) = peers.as_deref_mut() else { continue };
            let ms = peers.run(peer, &kept)?;
            if run >= WARM_UP {
                runs.push(ms);
            }
        }
    }
    Ok(Some(turns))
}

/// `what` with the device and what else every peer must know.
fn request(mut what: serde_json::Value, gpu: bool, batch: usize) -> serde_json::Value {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    what["device"] = if gpu { "gpu" } else { "cpu" }.into();
    what["batch"] = batch.into();
    what["threads"] = threads.into();
    what
}

/// Numbers that a training of the whole network moves.
fn trained_numbers(config: &ModelConfig) -> u64 {
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
    fn trained_numbers_are_those_of_the_method() {
        // As docs/METHOD.md, "Variants", without the frozen positions.
        for (variant, all) in [(Variant::S, 6_669_888), (Variant::B, 13_514_368), (Variant::LD24, 27_531_552)]
        {
            let config = ModelConfig::new(variant, Skeleton::coco17());
            assert_eq!(trained_numbers(&config), all - 256 * 192, "{variant}");
        }
    }
}
