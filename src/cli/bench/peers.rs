//! PyTorch and ONNX Runtime in a Python process that answers line by line.

use crate::model::ModelConfig;
use anyhow::{Context, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Part of the program, so that an installed one has it too.
const SCRIPT: &str = include_str!("../../../scripts/bench_peers.py");

/// The running Python process.
pub struct Peers {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

#[derive(Deserialize)]
struct Loaded {
    peers: Vec<String>,
}

#[derive(Deserialize)]
struct Ran {
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
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        let request = serde_json::json!({
            "load": config, "device": if gpu { "gpu" } else { "cpu" }, "batch": batch, "threads": threads,
        });
        let loaded: Loaded = self.ask(&request)?;
        Ok(loaded.peers)
    }

    /// One run of a peer: milliseconds of each stage that it can tell apart.
    pub fn run(&mut self, peer: usize, kept: &[usize]) -> anyhow::Result<BTreeMap<String, f64>> {
        let ran: Ran = self.ask(&serde_json::json!({ "run": peer, "kept": kept }))?;
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

impl Drop for Peers {
    fn drop(&mut self) {
        // It holds nothing worth keeping; an error means that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
