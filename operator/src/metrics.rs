//! Figures of the operator itself, for Prometheus.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// The figures. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    reconciles: Family<Outcome, Counter>,
    seconds: Family<Kind, Histogram, fn() -> Histogram>,
    leader: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    kind: String,
    result: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: String,
}

fn buckets() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("odradek_operator");
        let reconciles = Family::default();
        let seconds = Family::new_with_constructor(buckets as fn() -> Histogram);
        let leader = Gauge::default();
        registry.register("reconciles", "Reconciles by kind and result", reconciles.clone());
        registry.register("reconcile_seconds", "Time of reconciles", seconds.clone());
        registry.register("leader", "Whether this process is the leader", leader.clone());
        Metrics { registry: Arc::new(registry), reconciles, seconds, leader }
    }
}

impl Metrics {
    /// Counts one reconcile.
    pub fn reconciled(&self, kind: &str, result: &str, took: Duration) {
        let outcome = Outcome { kind: kind.to_owned(), result: result.to_owned() };
        self.reconciles.get_or_create(&outcome).inc();
        self.seconds.get_or_create(&Kind { kind: kind.to_owned() }).observe(took.as_secs_f64());
    }

    /// Says whether this process is the leader.
    pub fn set_leader(&self, leader: bool) {
        self.leader.set(i64::from(leader));
    }

    /// The figures as Prometheus reads them.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_there_to_read() {
        let metrics = Metrics::default();
        metrics.set_leader(true);
        metrics.reconciled("KafkaCluster", "ok", Duration::from_millis(20));
        let text = metrics.text().expect("text");
        assert!(text.contains(r#"odradek_operator_reconciles_total{kind="KafkaCluster",result="ok"} 1"#), "{text}");
        assert!(text.contains("odradek_operator_leader 1"), "{text}");
    }
}
