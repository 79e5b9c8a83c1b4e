//! What the first weights of every training have in common.

use crate::weights::TrainingRecord;
use burn::module::{Module, ModuleVisitor, Param};
use burn::prelude::*;
use std::sync::{Mutex, PoisonError};

/// Source and licence of PP-TinyPose's published weights.
pub const PP_TINYPOSE: &str =
    "PP-TinyPose, PaddleDetection, Apache-2.0, trained on COCO train2017 and AI Challenger";

/// In a line, where the weights of one of our files come from: what they were trained on, and what they started from.
/// `file` is the name of the file.
pub fn origin_of(file: &str, record: &TrainingRecord) -> String {
    let before = if record.start.is_empty() { "random weights" } else { &record.start };
    match record.steps {
        // Imported, not trained here.
        0 => format!("{file}: {before}"),
        steps => format!("{file}: {steps} steps on {}; before: {before}", record.sets.join(", ")),
    }
}

/// The new model that `init` makes; its random numbers depend on `seed` alone. Burn draws a parameter when it is first
/// read, from a generator that everybody on the device shares: so all of them are read here, one model at a time.
pub fn init_with_seed<M: Module>(seed: u64, device: &Device, init: impl FnOnce() -> M) -> M {
    struct InitParams;
    impl ModuleVisitor for InitParams {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            param.val();
        }
    }
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    device.seed(seed);
    let model = init();
    model.visit(&mut InitParams);
    model
}
