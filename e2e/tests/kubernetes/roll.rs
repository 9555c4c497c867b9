//! Rolls: every pod is made anew under load, and clients lose nothing.

use std::time::{Duration, Instant};

use anyhow::Result;
use odradek_e2e::kubernetes::{Clients, compare, in_namespace};

const MANY: usize = 30_000;
const A_SECOND: usize = 500;
const LONG: Duration = Duration::from_secs(300);
/// A change that takes a restart.
const CHANGE: &str = r#"{"config":{"num.network.threads":4}}"#;

#[test]
fn a_roll_under_load_loses_nothing() -> Result<()> {
    in_namespace("roll", |namespace| {
        namespace.demo_cluster()?;
        namespace.orders_topic()?;
        let clients = Clients::start(namespace)?;
        let pods = namespace.pod_uids()?;
        let mut producer = clients.produce("orders", 0, MANY, A_SECOND)?;
        producer.wait_acknowledged(MANY / 20, LONG)?;
        let began = Instant::now();
        namespace.patch("kafkacluster/demo", CHANGE)?;
        namespace.wait_replaced(&pods, LONG)?;
        eprintln!("roll: {} pods in {:.1} s", pods.len(), began.elapsed().as_secs_f64());
        let produced = producer.finish(LONG)?;
        eprintln!("roll: longest gap of a partition {:.2} s", produced.gap.as_secs_f64());
        compare(MANY, &produced.acknowledged, &clients.read_all("orders")?)
    })
}
