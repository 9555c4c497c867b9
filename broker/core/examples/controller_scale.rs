//! What the controller's decisions cost with many partitions: run with `--release`.
//!
//! `cargo run --release -p odradek-core --example controller_scale -- 10000`

use std::time::{Duration, Instant};

use odradek_core::metadata::controller::{Controller, ControllerConfig, supported_features};
use odradek_core::metadata::image::Image;
use odradek_core::metadata::record::{self, Listener, Record, encode_records};
use odradek_core::metadata::rpc::HeartbeatRequest;
use odradek_core::time::Now;
use odradek_wire::features::{METADATA_VERSION, MetadataVersion};

const BROKERS: i32 = 4;

fn main() {
    let partitions: i32 = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(10_000);
    let (image, took) = timed(|| cluster(partitions));
    println!("{partitions} partitions, three replicas each, on {BROKERS} brokers");
    report("records to image", took, "");
    let (records, took) = timed(|| image.to_records());
    let bytes = encode_records(&records);
    report("image to snapshot", took, &format!("{} bytes", bytes.len()));
    let now = Now::new(0, 0);
    let (mut controller, took) = timed(|| Controller::new(image.clone(), ControllerConfig::default(), now));
    report("a controller becomes active", took, "");

    for id in 2..=BROKERS {
        beat(&mut controller, Now::new(5_000, 0), id);
    }
    let (records, took) = timed(|| controller.tick(Now::new(9_000, 0), 3));
    report("a broker is fenced", took, &size(&records));
    let mut followed = image.clone();
    let ((), took) = timed(|| {
        for record in &records {
            if let Err(error) = followed.apply(3, record) {
                println!("a record was refused: {error}");
            }
        }
    });
    report("another node applies it", took, "");
    let (changes, took) = timed(|| followed.changes_since(&image));
    report("what changed", took, &format!("{} partitions", changes.partitions.len()));
}

fn size(records: &[Record]) -> String {
    format!("{} records, {} bytes", records.len(), encode_records(records).len())
}

fn beat(controller: &mut Controller, now: Now, id: i32) {
    let heartbeat =
        HeartbeatRequest { broker_id: id, broker_epoch: 1, metadata_offset: 2, ..HeartbeatRequest::default() };
    controller.handle(now, 3, &heartbeat.into());
}

/// A cluster with all partitions of one topic for each thousand.
fn cluster(partitions: i32) -> Image {
    let mut image = Image::new();
    let mut apply = |record: Record| {
        if let Err(error) = image.apply(2, &record) {
            println!("a record was refused: {error}");
        }
    };
    apply(record::ClusterId { cluster_id: "scale".to_owned() }.into());
    let level = i32::from(MetadataVersion::LATEST.level());
    apply(record::Feature { name: METADATA_VERSION.to_owned(), level }.into());
    for broker_id in 1..=BROKERS {
        let listener = Listener {
            name: "PLAINTEXT".to_owned(),
            host: format!("broker-{broker_id}"),
            port: 9092,
            security_protocol: "PLAINTEXT".to_owned(),
        };
        let register = record::RegisterBroker {
            broker_id,
            broker_epoch: 1,
            incarnation: vec![1; 16],
            listeners: vec![listener],
            rack: None,
            log_dirs: vec![vec![1; 16]],
            fenced: false,
            in_controlled_shutdown: false,
            features: supported_features(),
        };
        apply(register.into());
    }
    for at in 0..partitions {
        let topic_id = u128::from(at.unsigned_abs() / 1_000 + 1).to_be_bytes().to_vec();
        if at % 1_000 == 0 {
            apply(record::Topic { topic_id: topic_id.clone(), name: format!("topic-{}", at / 1_000) }.into());
        }
        let replicas: Vec<i32> = (0..3).map(|place| (at + place) % BROKERS + 1).collect();
        let partition = record::Partition {
            topic_id,
            partition: at % 1_000,
            isr: replicas.clone(),
            leader: replicas[0],
            replicas,
            ..record::Partition::default()
        };
        apply(partition.into());
    }
    image
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let result = work();
    (result, begun.elapsed())
}

fn report(what: &str, took: Duration, more: &str) {
    println!("{what:<30} {:>9.3} ms  {more}", took.as_secs_f64() * 1_000.0);
}
