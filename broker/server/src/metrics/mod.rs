//! Figures about this process, as Prometheus text.
//!
//! What happens often is counted where it happens ([`Traffic`]); what is a state is read when somebody asks
//! ([`render`]), so that an idle broker does nothing for its metrics.

mod process;
mod traffic;

use odradek_node::broker::BrokerStatus;
use odradek_node::controller::ControllerStatus;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

pub use traffic::Traffic;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

/// What is a state at the time of the scrape.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Of the broker's loop, when there is one.
    pub broker: Option<BrokerStatus>,
    /// Of the controller's loop, when there is one.
    pub controller: Option<ControllerStatus>,
    /// Seconds since the start.
    pub uptime: f64,
}

/// The page. Empty when the formatting failed, which memory alone could cause.
#[must_use]
pub fn render(traffic: &Traffic, snapshot: &Snapshot) -> String {
    let mut registry = Registry::with_prefix("odradek");
    let build = Family::<Build, Gauge>::default();
    build.get_or_create(&Build { version: odradek_wire::features::RELEASE }).set(1);
    registry.register("build_info", "The release that runs", build);
    let uptime = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
    uptime.set(snapshot.uptime);
    registry.register_with_unit("uptime", "Since the process started", Unit::Seconds, uptime);
    traffic.register(&mut registry);
    if let Some(status) = &snapshot.broker {
        register_broker(&mut registry, status);
    }
    if let Some(status) = &snapshot.controller {
        register_controller(&mut registry, status);
    }
    let mut text = process::text();
    let mut page = String::new();
    if prometheus_client::encoding::text::encode(&mut page, &registry).is_err() {
        page.clear();
    }
    text.push_str(&page);
    text
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: impl TryInto<i64>) {
    let gauge: Gauge = Gauge::default();
    gauge.set(value.try_into().unwrap_or(i64::MAX));
    registry.register(name, help, gauge);
}

fn counter(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let counter: Counter = Counter::default();
    counter.inc_by(value);
    registry.register(name, help, counter);
}

fn register_broker(registry: &mut Registry, status: &BrokerStatus) {
    let registry = registry.sub_registry_with_prefix("broker");
    gauge(registry, "epoch", "The registration's epoch; -1 before it", status.broker_epoch);
    gauge(registry, "unfenced", "1 when the controller counts this broker as alive", i64::from(status.unfenced));
    gauge(registry, "partitions", "Replicas on this broker", status.partitions);
    gauge(registry, "leaders", "Partitions led by this broker", status.leaders);
    let help = "Led here, with fewer in-sync replicas than replicas";
    gauge(registry, "under_replicated_partitions", help, status.under_replicated);
    let help = "Log directories that take no records: full, or refusing writes";
    gauge(registry, "closed_log_dirs", help, status.closed_log_dirs);
    let help = "Led here, with fewer in-sync replicas than min.insync.replicas";
    gauge(registry, "under_min_isr_partitions", help, status.under_min_isr);
    gauge(registry, "offline_partitions", "Replicas here whose partition has no leader", status.offline);
    gauge(registry, "metadata_offset", "The last applied offset of the metadata", status.metadata_offset);
    gauge(registry, "known_controller", "The active controller's id; -1: unknown", status.active_controller);
    gauge(registry, "log_bytes", "Of all logs on this broker", status.log_bytes);
    gauge(registry, "fetch_sessions", "Open here, of followers and consumers", status.fetch_sessions);
    let help = "Of all fetch sessions together";
    gauge(registry, "fetch_session_partitions", help, status.fetch_session_partitions);
    counter(registry, "fetch_session_evictions", "Sessions that had to go for others", status.fetch_session_evictions);
    let help = "That consumers read from partitions which this broker follows";
    counter(registry, "follower_read_bytes", help, status.follower_read_bytes);
    counter(registry, "fetch_looks", "How often a partition was looked at for a fetch", status.fetch_looks);
}

fn register_controller(registry: &mut Registry, status: &ControllerStatus) {
    let registry = registry.sub_registry_with_prefix("controller");
    let leader = status.quorum.leader.and_then(|id| i64::try_from(id).ok()).unwrap_or(-1);
    gauge(registry, "active", "1 when this is the active controller", i64::from(status.active));
    gauge(registry, "leader", "The node that leads the quorum; -1: unknown", leader);
    gauge(registry, "epoch", "The epoch of the active controller", status.quorum.term);
    gauge(registry, "committed_offset", "The last committed offset of the metadata", status.quorum.commit_index);
    gauge(registry, "metadata_offset", "The last applied offset of the metadata", status.applied);
    gauge(registry, "log_bytes", "Of the metadata log", status.quorum.log_bytes);
    let unclean: Counter = Counter::default();
    unclean.inc_by(status.unclean_elections);
    let help = "Leaders elected by this controller from outside of the in-sync and the eligible replicas";
    registry.register("unclean_leader_elections", help, unclean);
    gauge(registry, "pending_replies", "Answers that wait for a commit", status.pending_replies);
}

#[cfg(test)]
mod tests {
    use super::*;
    use odradek_quorum::QuorumStatus;

    #[test]
    fn the_page_has_what_is_asked_for() {
        let traffic = Traffic::default();
        traffic.connection_opened();
        traffic.received(100);
        traffic.sent(1_000);
        traffic.answered(3, &[0]);
        traffic.answered(0, &[6, 0]);
        traffic.answered(999, &[35]);
        let snapshot = Snapshot {
            broker: Some(BrokerStatus { leaders: 7, under_replicated: 2, ..BrokerStatus::default() }),
            controller: Some(ControllerStatus {
                quorum: QuorumStatus {
                    node_id: 1,
                    role: odradek_quorum::Role::Leader,
                    leader: Some(1),
                    term: 4,
                    commit_index: 9,
                    last_index: 9,
                    first_index: 1,
                    snapshot_index: 0,
                    log_bytes: 512,
                    voters: [].into(),
                    observers: [].into(),
                },
                active: true,
                cluster_id: None,
                applied: 9,
                pending_replies: 0,
                waiting_fetches: 0,
                unclean_elections: 3,
                snapshots_written: 0,
            }),
            uptime: 1.5,
        };
        let page = render(&traffic, &snapshot);
        for line in [
            "odradek_build_info{version=\"0.1.0\"} 1",
            "odradek_uptime_seconds 1.5",
            "odradek_requests_total{api=\"Metadata\",error=\"NONE\"} 1",
            "odradek_requests_total{api=\"Produce\",error=\"NOT_LEADER_OR_FOLLOWER\"} 1",
            "odradek_requests_total{api=\"999\",error=\"UNSUPPORTED_VERSION\"} 1",
            "odradek_received_bytes_total 100",
            "odradek_sent_bytes_total 1000",
            "odradek_connections 1",
            "odradek_broker_leaders 7",
            "odradek_broker_under_replicated_partitions 2",
            "odradek_controller_active 1",
            "odradek_controller_metadata_offset 9",
            "odradek_controller_unclean_leader_elections_total 3",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
        }
        assert!(page.contains("process_resident_memory_bytes "));
        assert!(page.ends_with("# EOF\n"));
    }
}
