//! Keys of the controllers' quorum and its log.

use std::collections::BTreeMap;
use std::time::Duration;

use super::address;
use super::key::{Check, Class, Key, Kind, fixed};
use super::listeners::ListenerSettings;
use super::node::NodeSettings;
use super::problems::Problems;
use super::values::Values;

const RAFT_PUSHES: &str = "the leader of the quorum sends its log, nobody fetches it";
const ELECTIONS: &str = "an election comes after controller.quorum.election.timeout.ms without a leader";
const SNAPSHOTS: &str = "the metadata log is cut behind each snapshot";
const INTERNAL: &str = "an internal key of Kafka's tests";

/// All of them.
#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    fixed("controller.quorum.voters", Kind::List, Some(""), Check::Any, Class::Honoured),
    fixed("controller.quorum.bootstrap.servers", Kind::List, Some(""), Check::Any, Class::Honoured),
    fixed("controller.quorum.election.timeout.ms", Kind::Int, Some("1000"), Check::AtLeast(0), Class::Honoured),
    fixed("controller.quorum.fetch.timeout.ms", Kind::Int, Some("2000"), Check::AtLeast(0), Class::NoEffect { why: ELECTIONS }),
    fixed("controller.quorum.election.backoff.max.ms", Kind::Int, Some("1000"), Check::AtLeast(0), Class::NoEffect { why: ELECTIONS }),
    fixed("controller.quorum.append.linger.ms", Kind::Int, Some("25"), Check::AtLeast(0), Class::NoEffect { why: "all records of one turn of the loop are written together" }),
    fixed("controller.quorum.request.timeout.ms", Kind::Int, Some("2000"), Check::AtLeast(0), Class::NoEffect { why: RAFT_PUSHES }),
    fixed("controller.quorum.retry.backoff.ms", Kind::Int, Some("20"), Check::AtLeast(0), Class::NoEffect { why: RAFT_PUSHES }),
    fixed("controller.socket.timeout.ms", Kind::Int, Some("30000"), Check::Any, Class::NoEffect { why: "every call to a controller has its own time" }),
    fixed("metadata.log.dir", Kind::String, None, Check::Any, Class::Honoured),
    fixed("metadata.log.max.record.bytes.between.snapshots", Kind::Long, Some("20971520"), Check::AtLeast(1), Class::Honoured),
    fixed("metadata.log.max.snapshot.interval.ms", Kind::Long, Some("3600000"), Check::AtLeast(0), Class::NoEffect { why: "snapshots come by size (metadata.log.max.record.bytes.between.snapshots)" }),
    fixed("metadata.log.segment.bytes", Kind::Int, Some("1073741824"), Check::AtLeast(8_388_608), Class::NoEffect { why: SNAPSHOTS }),
    fixed("metadata.log.segment.ms", Kind::Long, Some("604800000"), Check::Any, Class::NoEffect { why: SNAPSHOTS }),
    fixed("metadata.max.retention.bytes", Kind::Long, Some("104857600"), Check::Any, Class::NoEffect { why: SNAPSHOTS }),
    fixed("metadata.max.retention.ms", Kind::Long, Some("604800000"), Check::Any, Class::NoEffect { why: SNAPSHOTS }),
    fixed("metadata.max.idle.interval.ms", Kind::Int, Some("500"), Check::AtLeast(0), Class::NoEffect { why: "nothing is written while nothing happens" }),
    fixed("controller.quorum.auto.join.enable", Kind::Boolean, Some("false"), Check::Any, Class::Honoured),
    fixed("controller.quorum.fetch.max.bytes", Kind::Int, Some("1048576"), Check::AtLeast(1), Class::NoEffect { why: RAFT_PUSHES }),
    fixed("controller.quorum.fetch.snapshot.max.bytes", Kind::Int, Some("1048576"), Check::AtLeast(1), Class::NoEffect { why: RAFT_PUSHES }),
    fixed("controller.performance.always.log.threshold.ms", Kind::Long, Some("2000"), Check::AtLeast(0), Class::NoEffect { why: "the slowest events are not sampled" }),
    fixed("controller.performance.sample.period.ms", Kind::Long, Some("60000"), Check::AtLeast(100), Class::NoEffect { why: "the slowest events are not sampled" }),
    fixed("internal.metadata.delete.delay.millis", Kind::Long, Some("60000"), Check::Any, Class::NoEffect { why: INTERNAL }),
    fixed("internal.metadata.log.segment.bytes", Kind::Int, None, Check::Any, Class::NoEffect { why: INTERNAL }),
    fixed("internal.metadata.max.batch.size.in.bytes", Kind::Int, Some("8388608"), Check::Any, Class::NoEffect { why: INTERNAL }),
    fixed("unstable.api.versions.enable", Kind::Boolean, Some("false"), Check::Any, Class::NotYet { what: "Kafka's unreleased APIs are" }),
    fixed("unstable.feature.versions.enable", Kind::Boolean, Some("false"), Check::Any, Class::NotYet { what: "Kafka's unreleased APIs are" }),
];

/// The controllers' quorum and its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumSettings {
    /// `controller.quorum.voters`: host and port by node id. Hosts are resolved again at each connect.
    pub voters: BTreeMap<i32, (String, u16)>,
    /// `controller.quorum.bootstrap.servers`: where to ask for the quorum; a controller that `voters` does not name
    /// observes until it is made a voter.
    pub bootstrap: Vec<(String, u16)>,
    /// `controller.quorum.auto.join.enable`.
    pub auto_join: bool,
    /// `controller.quorum.election.timeout.ms`.
    pub election_timeout: Duration,
    /// `metadata.log.max.record.bytes.between.snapshots`.
    pub snapshot_max_bytes: u64,
}

impl QuorumSettings {
    pub(super) fn read(
        values: &Values,
        node: &NodeSettings,
        listeners: &ListenerSettings,
        problems: &mut Problems,
    ) -> Self {
        Self {
            voters: voters(values, node, listeners, problems),
            bootstrap: bootstrap(values, problems),
            auto_join: values.flag("controller.quorum.auto.join.enable"),
            election_timeout: Duration::from_millis(values.unsigned("controller.quorum.election.timeout.ms")),
            snapshot_max_bytes: values.unsigned("metadata.log.max.record.bytes.between.snapshots"),
        }
    }
}

const VOTERS: &str = "controller.quorum.voters";
const BOOTSTRAP: &str = "controller.quorum.bootstrap.servers";

fn voters(
    values: &Values,
    node: &NodeSettings,
    listeners: &ListenerSettings,
    problems: &mut Problems,
) -> BTreeMap<i32, (String, u16)> {
    let mut voters: BTreeMap<i32, (String, u16)> = BTreeMap::new();
    let items = values.list(VOTERS);
    for item in &items {
        let parsed = item.split_once('@').and_then(|(id, rest)| {
            let id: i32 = id.trim().parse().ok().filter(|id| *id >= 0)?;
            let (host, port) = address::host_and_port(rest.trim())?;
            (!host.is_empty() && port != 0).then_some((id, (host, port)))
        });
        match parsed {
            Some((id, _)) if voters.contains_key(&id) => {
                problems.errors.push(values.problem(VOTERS, format!("node {id} is there twice")));
            }
            Some((id, at)) => {
                if let Some((other, _)) = voters.iter().find(|(_, known)| **known == at) {
                    let what = format!("nodes {other} and {id} have the same address");
                    problems.errors.push(values.problem(VOTERS, what));
                }
                voters.insert(id, at);
            }
            None => {
                let what = format!("{item:?} must be id@host:port, 1@localhost:9093 for example");
                problems.errors.push(values.problem(VOTERS, what));
            }
        }
    }
    let servers = !values.list(BOOTSTRAP).is_empty();
    if items.is_empty() {
        return alone(values, node, listeners, problems);
    }
    if node.controller && !voters.contains_key(&node.id) && !voters.is_empty() && !servers {
        let what = format!(
            "does not name this controller (node.id={}): add {}@host:port for a new quorum, set \
             controller.quorum.bootstrap.servers to join one that is there, or remove controller from process.roles",
            node.id, node.id
        );
        problems.errors.push(values.problem(VOTERS, what));
    }
    if !node.controller && voters.contains_key(&node.id) {
        let what = format!(
            "names node {}, which is a broker only: give it another node.id, or add controller to process.roles",
            node.id
        );
        problems.errors.push(values.problem(VOTERS, what));
    }
    if voters.len() > 1 && voters.len().is_multiple_of(2) {
        let what =
            format!("{} controllers bear no more failures than {}: use an odd number", voters.len(), voters.len() - 1);
        problems.warnings.push(values.problem(VOTERS, what));
    }
    voters
}

/// Kafka's own example file has no voters and one bootstrap server, the process itself: a quorum of one.
fn alone(
    values: &Values,
    node: &NodeSettings,
    listeners: &ListenerSettings,
    problems: &mut Problems,
) -> BTreeMap<i32, (String, u16)> {
    let servers = values.list(BOOTSTRAP);
    let own_port = listeners.controller.first().map(|listener| listener.port);
    match (&servers[..], own_port) {
        ([server], Some(port)) if node.controller => {
            if let Some((host, to)) = address::host_and_port(server)
                && to == port
            {
                return BTreeMap::from([(node.id, (host, port))]);
            }
        }
        _ => {}
    }
    // A list of listeners that could not be read was told already.
    if node.controller && own_port.is_none() {
        return BTreeMap::new();
    }
    if servers.is_empty() {
        let what = "must be set: every controller as id@host:port, 1@c1:9093,2@c2:9093,3@c3:9093 for example; or \
                    controller.quorum.bootstrap.servers, to join a quorum that is there";
        problems.errors.push(values.problem(VOTERS, what));
    }
    BTreeMap::new()
}

fn bootstrap(values: &Values, problems: &mut Problems) -> Vec<(String, u16)> {
    let mut servers = Vec::new();
    for item in values.list(BOOTSTRAP) {
        match address::host_and_port(item).filter(|(host, port)| !host.is_empty() && *port != 0) {
            Some(at) => servers.push(at),
            None => {
                problems
                    .errors
                    .push(values.problem(BOOTSTRAP, format!("{item:?} must be host:port, c1:9093 for example")));
            }
        }
    }
    servers
}
