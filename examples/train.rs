//! Trains a small pose network for a few steps on a set of people, or on rendered pictures of the mannequin:
//!
//!     cargo run --release --example train -- [SET] [RUN]

use std::error::Error;
use tmpose::train::{self, PoseEvent, RunControl, TrainConfig};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let mut config = TrainConfig::default();
    config.data.train = vec![args.next().unwrap_or("mannequin:8".into()).parse()?];
    config.run.out = args.next().unwrap_or("runs/example".into()).into();
    config.model.depth = 1; // Layers of the transformer.
    config.schedule.steps = 3;
    config.schedule.batch = 4;
    config.run.log_steps = 1;

    let on_event = |event: &PoseEvent| {
        if let PoseEvent::Step(step) = event {
            println!("step {}: loss {:.3}", step.position.step, step.loss);
        }
    };
    train::run(&config, &RunControl::new(&on_event))?;
    println!("wrote {}", config.run.best_weights().display());
    Ok(())
}
