//! Keys of connections and requests.

use std::collections::BTreeMap;
use std::time::Duration;

use super::key::{Check, Class, Key, Kind, cluster_wide, fixed};
use super::problems::Problems;
use super::values::Values;

/// All of them.
#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    cluster_wide("num.network.threads", Kind::Int, Some("3"), Check::AtLeast(1), Class::Honoured),
    cluster_wide("background.threads", Kind::Int, Some("10"), Check::AtLeast(1), Class::Honoured),
    fixed("queued.max.requests", Kind::Int, Some("500"), Check::AtLeast(1), Class::Honoured),
    fixed("queued.max.request.bytes", Kind::Long, Some("-1"), Check::Any, Class::Honoured),
    fixed("socket.send.buffer.bytes", Kind::Int, Some("102400"), Check::Any, Class::Honoured),
    fixed("socket.receive.buffer.bytes", Kind::Int, Some("102400"), Check::Any, Class::Honoured),
    fixed("socket.request.max.bytes", Kind::Int, Some("104857600"), Check::AtLeast(1), Class::Honoured),
    fixed("socket.listen.backlog.size", Kind::Int, Some("50"), Check::AtLeast(1), Class::Honoured),
    fixed("connections.max.idle.ms", Kind::Long, Some("600000"), Check::Any, Class::Honoured),
    cluster_wide("max.connections", Kind::Int, Some("2147483647"), Check::AtLeast(0), Class::Honoured),
    cluster_wide("max.connections.per.ip", Kind::Int, Some("2147483647"), Check::AtLeast(0), Class::Honoured),
    cluster_wide("max.connections.per.ip.overrides", Kind::String, Some(""), Check::Any, Class::Honoured),
    cluster_wide("max.connection.creation.rate", Kind::Int, Some("2147483647"), Check::AtLeast(0), Class::Honoured),
    fixed("request.timeout.ms", Kind::Int, Some("30000"), Check::Any, Class::NoEffect { why: "every call to a controller has its own time" }),
    fixed("socket.connection.setup.timeout.ms", Kind::Long, Some("10000"), Check::Any, Class::Honoured),
    fixed("socket.connection.setup.timeout.max.ms", Kind::Long, Some("30000"), Check::Any, Class::NoEffect { why: "every attempt to connect has socket.connection.setup.timeout.ms" }),
    cluster_wide("num.io.threads", Kind::Int, Some("8"), Check::AtLeast(1), Class::NoEffect { why: "one loop decides every request; background.threads wait for disks" }),
    fixed("max.request.partition.size.limit", Kind::Int, Some("2000"), Check::AtLeast(1), Class::NoEffect { why: "DescribeTopicPartitions is not served yet" }),
];

/// Connections and requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSettings {
    /// `num.network.threads`: threads that read and write sockets.
    pub threads: usize,
    /// `background.threads`: threads that wait for disks.
    pub background_threads: usize,
    /// `queued.max.requests`: requests that wait for the loop; when it is full, sockets are not read.
    pub queued_max_requests: usize,
    /// `queued.max.request.bytes`: bytes of requests in flight; `None`: the broker's own default.
    pub queued_max_bytes: Option<usize>,
    /// `socket.send.buffer.bytes`; `None`: as the system has it.
    pub send_buffer: Option<usize>,
    /// `socket.receive.buffer.bytes`; `None`: as the system has it.
    pub receive_buffer: Option<usize>,
    /// `socket.request.max.bytes`: a larger frame closes its connection.
    pub request_max_bytes: usize,
    /// `socket.listen.backlog.size`.
    pub backlog: i32,
    /// `connections.max.idle.ms`; `None`: for ever.
    pub max_idle: Option<Duration>,
    /// `max.connections`.
    pub max_connections: usize,
    /// `max.connections.per.ip`.
    pub max_connections_per_ip: usize,
    /// `max.connections.per.ip.overrides`: by host name or address.
    pub max_connections_overrides: BTreeMap<String, usize>,
    /// `max.connection.creation.rate`: new connections a second.
    pub max_creation_rate: u32,
    /// `socket.connection.setup.timeout.ms`: how long a connect to another process may take.
    pub connect_timeout: Duration,
}

impl NetworkSettings {
    pub(super) fn read(values: &Values, problems: &mut Problems) -> Self {
        let buffer = |name: &str, problems: &mut Problems| match values.int(name) {
            -1 => None,
            size if size > 0 => Some(values.size(name)),
            _ => {
                problems.errors.push(values.problem(name, "must be at least 1, or -1 for the system's default"));
                None
            }
        };
        let queued = values.int("queued.max.request.bytes");
        let request_max = values.int("socket.request.max.bytes");
        if queued > 0 && queued < request_max {
            let what =
                format!("must be -1 (the broker's own default) or at least socket.request.max.bytes={request_max}");
            problems.errors.push(values.problem("queued.max.request.bytes", what));
        }
        let idle = values.int("connections.max.idle.ms");
        Self {
            threads: values.size("num.network.threads"),
            background_threads: values.size("background.threads"),
            queued_max_requests: values.size("queued.max.requests"),
            queued_max_bytes: (queued > 0).then(|| values.size("queued.max.request.bytes")),
            send_buffer: buffer("socket.send.buffer.bytes", problems),
            receive_buffer: buffer("socket.receive.buffer.bytes", problems),
            request_max_bytes: values.size("socket.request.max.bytes"),
            backlog: values.int32("socket.listen.backlog.size"),
            max_idle: (idle >= 0).then(|| Duration::from_millis(idle.unsigned_abs())),
            max_connections: values.size("max.connections"),
            max_connections_per_ip: values.size("max.connections.per.ip"),
            max_connections_overrides: overrides(values, problems),
            max_creation_rate: u32::try_from(values.int("max.connection.creation.rate")).unwrap_or(u32::MAX),
            connect_timeout: Duration::from_millis(values.unsigned("socket.connection.setup.timeout.ms")),
        }
    }
}

fn overrides(values: &Values, problems: &mut Problems) -> BTreeMap<String, usize> {
    let key = "max.connections.per.ip.overrides";
    let mut map = BTreeMap::new();
    for item in values.list(key) {
        match item.rsplit_once(':').and_then(|(host, count)| Some((host.trim(), count.trim().parse().ok()?))) {
            Some((host, count)) if !host.is_empty() => {
                map.insert(host.to_owned(), count);
            }
            _ => problems.errors.push(values.problem(key, format!("{item:?} must be host:number"))),
        }
    }
    map
}
