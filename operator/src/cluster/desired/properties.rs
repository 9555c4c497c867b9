//! `server.properties` of a pool, and what differs from pod to pod.

use std::collections::BTreeMap;

use odradek_crds::Role;

use crate::{
    cluster::{
        config,
        validate::{Pool, Validated},
    },
    names,
};

/// Port of the listener that brokers reach each other at.
pub const REPLICATION_PORT: u16 = 9091;
/// Port of the listener of controllers.
pub const CONTROLLER_PORT: u16 = 9093;
/// Port of `/livez`, `/readyz` and `/metrics`.
pub const HTTP_PORT: u16 = 8080;
/// Where the volume is mounted. Data is kept in folders below it, because a volume can come with a
/// `lost+found` of its own.
pub const MOUNT: &str = "/var/lib/odradek";

/// Who forms the quorum when it is made. Later the committed log alone says who votes, and the list only has to name more
/// controllers than may lose their disks: it follows the number of controllers, and restarts nothing.
const VOTERS: &str = "controller.quorum.voters";

/// Where a new cluster's `metadata.version` starts.
const INITIAL_LEVEL: &str = "odradek.initial.metadata.version";
const REPLICATION: &str = "REPLICATION";
const CONTROLLER: &str = "CONTROLLER";

/// The listeners of a pool with their ports.
fn listeners(cluster: &Validated, pool: &Pool) -> Vec<(String, u16)> {
    let mut listeners = Vec::new();
    if pool.has(Role::Broker) {
        listeners.extend(cluster.listeners.iter().map(|l| (l.kafka_name(), l.port)));
        listeners.push((REPLICATION.to_owned(), REPLICATION_PORT));
    }
    if pool.has(Role::Controller) {
        listeners.push((CONTROLLER.to_owned(), CONTROLLER_PORT));
    }
    listeners
}

/// The file that all pods of a pool share.
pub fn server_properties(cluster: &Validated, pool: &Pool) -> String {
    let roles: Vec<&str> = pool.roles.iter().map(|role| role.as_str()).collect();
    let bound: Vec<String> =
        listeners(cluster, pool).iter().map(|(name, port)| format!("{name}://0.0.0.0:{port}")).collect();
    let mut protocols: Vec<String> =
        cluster.listeners.iter().map(|l| format!("{}:PLAINTEXT", l.kafka_name())).collect();
    protocols.extend([REPLICATION, CONTROLLER].map(|name| format!("{name}:PLAINTEXT")));
    let voters: Vec<String> =
        cluster.voters().iter().map(|(id, host)| format!("{id}@{host}:{CONTROLLER_PORT}")).collect();
    let controllers = names::service_host(&cluster.controllers_headless(), &cluster.namespace);
    let mut keys: BTreeMap<String, String> = config::at_start(&cluster.config);
    // Until the first broker serves nothing can be set for all of them, and acks=all must mean from the start what it
    // will mean.
    keys.extend(cluster.config.get_key_value(config::MIN_INSYNC).map(|(key, value)| (key.clone(), value.clone())));
    keys.extend(
        [
            ("process.roles", roles.join(",")),
            ("listeners", bound.join(",")),
            ("listener.security.protocol.map", protocols.join(",")),
            ("controller.listener.names", CONTROLLER.to_owned()),
            (VOTERS, voters.join(",")),
            ("controller.quorum.bootstrap.servers", format!("{controllers}:{CONTROLLER_PORT}")),
            ("log.dirs", format!("{MOUNT}/data")),
            ("metadata.log.dir", format!("{MOUNT}/metadata")),
            ("odradek.cluster.id", cluster.cluster_id.clone()),
            ("odradek.http.listener", format!("0.0.0.0:{HTTP_PORT}")),
        ]
        .map(|(key, value)| (key.to_owned(), value)),
    );
    if pool.has(Role::Broker) {
        keys.insert("inter.broker.listener.name".to_owned(), REPLICATION.to_owned());
    }
    if pool.has(Role::Controller) {
        // A controller whose volume was lost is not the voter that it was: it catches up, and becomes one again by itself.
        // Who is new waits for the operator, which changes the number of voters.
        keys.insert("controller.quorum.auto.join.enable".to_owned(), "true".to_owned());
        keys.insert("odradek.quorum.auto.join.newcomers".to_owned(), "false".to_owned());
        keys.extend(cluster.level.initial.map(|level| (INITIAL_LEVEL.to_owned(), level.to_string())));
    }
    let lines: String = keys.iter().map(|(key, value)| format!("{key}={}\n", escape(value))).collect();
    format!("# Written by odradek-operator from the KafkaCluster {}.\n{lines}", cluster.name)
}

/// Hash of all that a pod of the pool has to be made anew for.
pub fn hash(cluster: &Validated, pool: &Pool) -> String {
    let file = server_properties(cluster, pool);
    let restarts = |line: &&str| line.split_once('=').is_none_or(|(key, _)| key != config::MIN_INSYNC && key != VOTERS);
    let lines: String = file.lines().filter(restarts).flat_map(|line| [line, "\n"]).collect();
    format!("{:016x}", names::fnv1a(lines.as_bytes()))
}

/// What differs from pod to pod, as overrides of the file. Kubernetes puts the pod's own name and
/// ordinal in.
pub fn overrides(cluster: &Validated, pool: &Pool, zone: Option<&str>) -> Vec<String> {
    let service = cluster.headless(pool);
    let advertised: Vec<String> = listeners(cluster, pool)
        .iter()
        .map(|(name, port)| format!("{name}://$(POD_NAME).{service}.$(POD_NAMESPACE).svc:{port}"))
        .collect();
    let mut overrides =
        vec!["node.id=$(POD_INDEX)".to_owned(), format!("advertised.listeners={}", advertised.join(","))];
    if pool.has(Role::Broker) {
        overrides.extend(zone.map(|zone| format!("broker.rack={zone}")));
    }
    overrides
}

/// A file that stays as it is until people agree, but for who the controllers are.
pub fn with_voters_of(held: &str, wanted: &str) -> String {
    let names_voters = |line: &&str| line.split_once('=').is_some_and(|(key, _)| key == VOTERS);
    let voters = wanted.lines().find(names_voters);
    let lines = held.lines().map(|line| if names_voters(&line) { voters.unwrap_or(line) } else { line });
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// A value as a properties file writes it.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r")
}
