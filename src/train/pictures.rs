//! Batches of augmented pictures, made by a thread ahead of the training.

use super::plan::{Planner, StepPlan};
use crate::data::{DataError, Samples};
use crossbeam_channel::{Receiver, bounded};
use rayon::prelude::*;
use std::sync::Arc;

/// Batches that wait at most; bounds memory.
const AHEAD: usize = 2;

/// One step's pictures and targets.
pub struct PictureBatch {
    pub plan: StepPlan,
    /// [B, 3, H, W]; zeros for a picture that cannot be decoded, whose joints then have weight 0.
    pub pixels: Vec<f32>,
    pub joints: Vec<Vec<[f32; 3]>>,
    /// Why pictures could not be decoded.
    pub bad: Vec<String>,
}

/// Starts making the batches from step `first` on. The thread ends when the receiver is dropped.
pub fn batches(samples: Arc<Samples>, mut planner: Planner, first: u64) -> Receiver<PictureBatch> {
    let (sender, receiver) = bounded(AHEAD);
    std::thread::spawn(move || {
        for step in first.. {
            if sender.send(batch(&samples, planner.plan(step))).is_err() {
                return;
            }
        }
    });
    receiver
}

fn batch(samples: &Samples, plan: StepPlan) -> PictureBatch {
    type One = (Result<Vec<f32>, DataError>, Vec<[f32; 3]>);
    let made: Vec<One> = plan
        .samples
        .par_iter()
        .zip(&plan.rounds)
        .map(|(&index, &round)| {
            let sample = samples.draw(index, round);
            (samples.pixels(index, &sample), samples.joints(index, &sample))
        })
        .collect();
    let size = 3 * samples.input_wh[0] * samples.input_wh[1];
    let mut batch = PictureBatch { pixels: Vec::new(), joints: Vec::new(), bad: Vec::new(), plan };
    for (pixels, mut joints) in made {
        match pixels {
            Ok(pixels) => batch.pixels.extend(pixels),
            Err(error) => {
                batch.pixels.resize(batch.pixels.len() + size, 0.0);
                joints.iter_mut().for_each(|j| j[2] = 0.0);
                batch.bad.push(error.to_string());
            }
        }
        batch.joints.push(joints);
    }
    batch
}
