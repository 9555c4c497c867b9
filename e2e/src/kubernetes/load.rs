//! Load on the topic `orders` of the cluster `demo` while something happens to it, checked record by record.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Clients, Namespace, Produced, Record, compare};

/// More records than any test lasts for.
const MANY: usize = 5_000_000;
/// Until the producer has begun, and until it has ended after the last record.
const SOON: Duration = Duration::from_secs(120);

/// A producer with idempotence and acks=all, at a steady pace, and all that it ever sent.
#[derive(Debug)]
pub struct Load<'a> {
    /// The pod that it runs in.
    pub clients: Clients<'a>,
    /// Records a second.
    pub a_second: usize,
    sent: usize,
    acknowledged: BTreeSet<(i32, i64)>,
}

impl<'a> Load<'a> {
    /// Makes the topic `orders` and the clients' pod.
    ///
    /// # Errors
    /// The topic or the pod does not become ready.
    pub fn on_orders(namespace: &'a Namespace, a_second: usize) -> Result<Load<'a>> {
        namespace.orders_topic()?;
        Ok(Load { clients: Clients::start(namespace)?, a_second, sent: 0, acknowledged: BTreeSet::new() })
    }

    /// Produces while `act` runs, tells the longest gap of a partition and the latencies, and compares all that is in
    /// the topic with all that was ever sent.
    ///
    /// # Errors
    /// What `act` says; a record that was refused, lost, doubled or out of order.
    pub fn during<T>(&mut self, what: &str, act: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut producer = self.clients.produce("orders", self.sent, MANY, self.a_second)?;
        producer.wait_acknowledged(self.a_second, SOON)?;
        let began = Instant::now();
        let outcome = act()?;
        let took = began.elapsed();
        let produced = producer.stop(SOON)?;
        self.sent += produced.sent;
        self.acknowledged.extend(&produced.acknowledged);
        let records = self.clients.read_all("orders")?;
        compare(self.sent, &self.acknowledged, &records)?;
        tell(what, took, &produced, &records);
        Ok(outcome)
    }
}

fn tell(what: &str, took: Duration, produced: &Produced, records: &[Record]) {
    let latencies = produced.latencies(records);
    let milliseconds = |percent: usize| {
        let at = latencies.len().saturating_sub(1) * percent / 100;
        latencies.get(at).map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
    };
    eprintln!(
        "{what}: {:.1} s; {} records, 0 lost, doubled or refused; longest gap of a partition {:.2} s; \
         produce p50 {:.0} ms, p99 {:.0} ms, most {:.0} ms; {} lines of the client's log",
        took.as_secs_f64(),
        produced.sent,
        produced.gap.as_secs_f64(),
        milliseconds(50),
        milliseconds(99),
        milliseconds(100),
        produced.said.len(),
    );
}
