//! How long the small backbone takes on the CPU. Only prints: run with
//! `cargo test --release --test lite_hrnet_speed -- --ignored --nocapture`.

mod support;

use std::time::Instant;

use burn::prelude::*;
use burn::tensor::Distribution;
use rayon::prelude::*;
use tmpose::model::backbone::LiteHrNet;

fn median_ms(mut run: impl FnMut()) -> f64 {
    run();
    let mut times: Vec<f64> = (0..15)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

#[test]
#[ignore = "a measurement"]
fn batches_and_threads() {
    let device = Device::flex();
    let plain = LiteHrNet::new(&device);
    let net = plain.clone().fold();
    let images = |batch| Tensor::<4>::random([batch, 3, 256, 192], Distribution::Default, &device);
    let one = images(1);
    println!("unfolded, batch 1: {:.1} ms", median_ms(|| drop(plain.forward(one.clone()).into_data())));
    for batch in [1, 2, 8, 16] {
        let picture = images(batch);
        let ms = median_ms(|| drop(net.forward(picture.clone()).into_data()));
        println!("batch {batch}: {ms:.1} ms, {:.2} ms a crop", ms / batch as f64);
    }
    let pictures: Vec<_> = (0..8).map(|_| images(1)).collect();
    let ms = median_ms(|| {
        pictures.par_iter().for_each(|picture| drop(net.forward(picture.clone()).into_data()));
    });
    println!("8 crops, one a rayon task: {ms:.1} ms, {:.2} ms a crop", ms / 8.0);
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let ms = median_ms(|| {
        std::thread::scope(|scope| {
            for part in pictures.chunks(4) {
                let net = &net;
                scope.spawn(move || {
                    pool(1).install(|| {
                        for picture in part {
                            drop(net.forward(picture.clone()).into_data());
                        }
                    });
                });
            }
        });
    });
    println!("8 crops, two pools of one thread: {ms:.1} ms, {:.2} ms a crop", ms / 8.0);
    let ms = median_ms(|| pool(1).install(|| drop(net.forward(one.clone()).into_data())));
    println!("batch 1 on one thread: {ms:.1} ms");
}
