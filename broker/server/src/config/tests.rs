//! Whole configurations: what is read, and what is said about those that make no sense.

use super::*;

const KAFKA_EXAMPLE: &str = "
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
";

const BROKER: &str = "
process.roles=broker
node.id=11
listeners=IN://b-11.example:9092,OUT://:9192
advertised.listeners=IN://b-11.example:9092,OUT://203.0.113.7:9192
listener.security.protocol.map=IN:PLAINTEXT,OUT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=IN
controller.listener.names=CONTROLLER
controller.quorum.voters=1@c1:9093,2@c2:9093,3@c3:9093
log.dirs=/d1,/d2
";

fn load(text: &str, overrides: &[&str]) -> Result<ServerConfig, Problems> {
    let given = properties::parse(text.as_bytes())
        .unwrap()
        .into_iter()
        .map(|property| (property.key, property.value))
        .chain(overrides.iter().map(|text| {
            let (key, value) = text.split_once('=').unwrap();
            (key.to_owned(), value.to_owned())
        }))
        .map(|(key, value)| Given { key, value, origin: Origin::Override })
        .collect();
    ServerConfig::from_given(given, &|| "myhost".to_owned(), Problems::default())
}

fn errors(text: &str, overrides: &[&str]) -> Vec<String> {
    match load(text, overrides) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.errors.iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn refused(text: &str, overrides: &[&str], words: &[&str]) {
    let lines = errors(text, overrides);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    for word in words {
        assert!(lines[0].contains(word), "{:?} lacks {word:?}", lines[0]);
    }
}

#[test]
fn nothing_at_all_is_a_single_node() {
    let config = ServerConfig::load(None, &[], &|| unreachable!("localhost is advertised")).unwrap();
    assert!(config.node.broker && config.node.controller);
    assert_eq!(config.node.id, 1);
    assert_eq!(config.listeners.broker[0].port, 9092);
    assert_eq!(config.listeners.advertised[0].host, "localhost");
    assert_eq!(config.listeners.controller[0].port, 9093);
    assert_eq!(config.quorum.voters, [(1, ("localhost".to_owned(), 9093))].into());
    assert_eq!(config.log.dirs, [std::env::current_dir().unwrap().join("data")]);
    assert_eq!(config.group.topic_replication_factor, 1);
    assert_eq!(config.own.http, None);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn kafkas_own_example_serves() {
    let config = load(KAFKA_EXAMPLE, &[]).unwrap();
    assert_eq!(config.quorum.voters, [(1, ("localhost".to_owned(), 9093))].into());
    assert_eq!(config.listeners.broker.len(), 1);
    assert_eq!(config.listeners.broker[0].host, "");
    assert_eq!(config.listeners.advertised.len(), 1, "controllers' addresses are not told to clients");
}

#[test]
fn a_broker_of_a_larger_cluster() {
    let config = load(BROKER, &["broker.rack=zone-a", "log.retention.hours=1", "log.retention.ms=5000"]).unwrap();
    assert_eq!(config.node.rack.as_deref(), Some("zone-a"));
    assert_eq!(config.listeners.inter_broker, "IN");
    assert_eq!(config.listeners.advertised[1].host, "203.0.113.7");
    assert_eq!(config.quorum.voters.len(), 3);
    assert_eq!(config.log.metadata_dir, std::path::PathBuf::from("/d1"));
    let set: Vec<_> = config.set().map(|(key, given)| format!("{key}={}", given.value)).collect();
    assert!(set.contains(&"log.retention.ms=5000".to_owned()), "{set:?}");
}

#[test]
fn a_controller_alone() {
    let text = "process.roles=controller\nnode.id=2\nlisteners=CONTROLLER://:9093\n\
                controller.listener.names=CONTROLLER\ncontroller.quorum.voters=1@c1:9093,2@c2:9093,3@c3:9093\n\
                log.dirs=/d";
    let config = load(text, &[]).unwrap();
    assert!(config.node.controller && !config.node.broker);
    assert!(config.listeners.broker.is_empty() && config.listeners.advertised.is_empty());
    refused(text, &["node.id=4"], &["controller.quorum.voters", "node.id=4", "4@host:port"]);
    refused(text, &["listeners=CONTROLLER://:9093,PLAINTEXT://:9092"], &["CONTROLLER only"]);
    let joins = ["node.id=4", "controller.quorum.bootstrap.servers=c1:9093", "controller.quorum.auto.join.enable=true"];
    assert!(load(text, &joins).unwrap().quorum.auto_join);
    assert_eq!(load(text, &[]).unwrap().listeners.controller_endpoint, ("myhost".to_owned(), 9093));
    let told = load(text, &["advertised.listeners=CONTROLLER://c2.example:9193"]).unwrap();
    assert_eq!(told.listeners.controller_endpoint, ("c2.example".to_owned(), 9193));
}

#[test]
fn where_nothing_says_the_address_the_host_name_is_told() {
    let config = load(BROKER, &["listeners=IN://:9092", "advertised.listeners="]).unwrap();
    assert_eq!(config.listeners.advertised[0].host, "myhost");
}

#[test]
fn inconsistent_listeners() {
    refused(BROKER, &["listeners=IN://0.0.0.0:9092", "advertised.listeners="], &["0.0.0.0", "advertised.listeners=IN"]);
    refused(BROKER, &["advertised.listeners=IN://0.0.0.0:9092"], &["advertised.listeners=", "0.0.0.0"]);
    refused(BROKER, &["advertised.listeners=IN://a:1,OTHER://b:2"], &["OTHER is not in listeners"]);
    refused(BROKER, &["inter.broker.listener.name=NONE"], &["NONE", "not advertised", "IN, OUT"]);
    refused(BROKER, &["security.inter.broker.protocol=PLAINTEXT"], &["only one of"]);
    refused(BROKER, &["listeners=IN://:9092,OUT://:9092"], &["both use port 9092"]);
    refused(BROKER, &["listeners=IN://:9092,IN://:9192", "advertised.listeners=IN://x:1"], &["twice"]);
    refused(BROKER, &["listeners=IN:9092"], &["NAME://host:port"]);
    refused(BROKER, &["listeners=IN://:99999"], &["65535"]);
    refused(BROKER, &["listeners=IN://:9092,OUT://:9192,CONTROLLER://:9093"], &["must not hold CONTROLLER"]);
    refused(BROKER, &["listener.security.protocol.map=IN:PLAINTEXT"], &["nothing says what OUT speaks"]);
    refused(
        BROKER,
        &["listener.security.protocol.map=IN:PLAINTEXT,OUT:SSL"],
        &["OUT would speak SSL", "not served yet"],
    );
    refused(BROKER, &["controller.listener.names="], &["controller.listener.names"]);
    refused(BROKER, &["process.roles=broker,controller", "node.id=1"], &["controllers (CONTROLLER)"]);
}

#[test]
fn ids_and_quorum() {
    refused(&BROKER.replace("node.id=11\n", ""), &[], &["node.id", "must be set"]);
    refused(BROKER, &["node.id=-1"], &["node.id=-1", "at least 0"]);
    refused(BROKER, &["broker.id=12"], &["broker.id=12", "node.id=11"]);
    assert!(load(&BROKER.replace("node.id=11", "broker.id=11"), &[]).is_ok());
    refused(BROKER, &["node.id=2"], &["names node 2, which is a broker only"]);
    refused(BROKER, &["controller.quorum.voters="], &["controller.quorum.voters", "must be set"]);
    refused(BROKER, &["controller.quorum.voters=c1:9093"], &["id@host:port"]);
    refused(BROKER, &["controller.quorum.voters=1@c1:9093,1@c2:9093"], &["twice"]);
    let text = BROKER.replace("controller.quorum.voters=", "controller.quorum.bootstrap.servers=c1:9093,c2:9093\n#");
    let discovers = load(&text, &[]).unwrap();
    assert_eq!(discovers.quorum.bootstrap, [("c1".to_owned(), 9093), ("c2".to_owned(), 9093)]);
    assert!(discovers.quorum.voters.is_empty());
    refused(&text, &["controller.quorum.bootstrap.servers=c1"], &["\"c1\" must be host:port"]);
    let even = load(BROKER, &["controller.quorum.voters=1@c1:9093,2@c2:9093"]).unwrap();
    assert!(even.warnings[0].to_string().contains("odd number"));
    refused(BROKER, &["process.roles="], &["process.roles"]);
}

#[test]
fn values_that_exclude_each_other() {
    refused(BROKER, &["log.dirs=/d1,/d1/"], &["log.dirs", "same folder"]);
    refused(BROKER, &["log.dirs=/d1,/d1/inner"], &["one inside the other"]);
    refused(BROKER, &["min.insync.replicas=3", "default.replication.factor=2"], &["min.insync.replicas=3", "factor=2"]);
    let warned = load(BROKER, &["min.insync.replicas=2"]).unwrap();
    assert!(warned.warnings[0].to_string().contains("default.replication.factor"));
    refused(BROKER, &["broker.heartbeat.interval.ms=5000"], &["broker.session.timeout.ms=9000"]);
    refused(BROKER, &["broker.session.timeout.ms=3000"], &["broker.session.timeout.ms=3000", "2000"]);
    refused(
        BROKER,
        &["replica.lag.time.max.ms=100"],
        &["replica.lag.time.max.ms=100", "replica.fetch.wait.max.ms=500"],
    );
    refused(BROKER, &["group.max.session.timeout.ms=10"], &["group.max.session.timeout.ms=10"]);
    refused(BROKER, &["queued.max.request.bytes=5"], &["socket.request.max.bytes"]);
    refused(BROKER, &["replica.selector.class=com.example.Mine"], &["RackAwareReplicaSelector"]);
    refused(BROKER, &["odradek.http.listener=here"], &["odradek.http.listener=here", "0.0.0.0:8080"]);
    refused(BROKER, &["odradek.cluster.id=a b"], &["odradek.cluster.id"]);
}

#[test]
fn everything_is_told_at_once() {
    let lines = errors(BROKER, &["num.partitions=0", "zookeeper.connect=zk:2181", "node.id=x", "log.dirs=/a,/a"]);
    assert_eq!(lines.len(), 4, "{lines:#?}");
}

#[test]
fn a_file_that_is_not_there_and_an_override_without_a_value() {
    let missing = Path::new("no/such/server.properties");
    let problems = ServerConfig::load(Some(missing), &["num.partitions".to_owned()], &String::new).unwrap_err();
    let text = problems.to_string();
    assert!(text.contains("no/such/server.properties") && text.contains("cannot be read"), "{text}");
    assert!(text.contains("\"num.partitions\" must be key=value"), "{text}");
}

#[test]
fn a_problem_names_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server.properties");
    std::fs::write(&path, "node.id=1\n\nnum.partitions=none\n").unwrap();
    let problems = ServerConfig::load(Some(&path), &[], &String::new).unwrap_err();
    assert!(problems.to_string().contains("server.properties:3: num.partitions=none"), "{problems}");
}

#[test]
fn described_as_kafka_describes() {
    let config = load(BROKER, &["log.retention.minutes=5", "num.partitions=3"]).unwrap();
    let all = config.describe();
    assert!(all.len() > 380 && all.is_sorted_by_key(|one| one.name));
    let find = |name: &str| all.iter().find(|one| one.name == name).unwrap();
    let partitions = find("num.partitions");
    assert_eq!(partitions.value.as_deref(), Some("3"));
    assert!(!partitions.default && partitions.read_only && !partitions.sensitive);
    assert_eq!(partitions.kind, 3);
    let retention = find("log.retention.ms");
    assert_eq!(retention.value, None);
    let names: Vec<_> = retention.synonyms.iter().map(|one| (one.name, one.value.as_deref(), one.default)).collect();
    assert_eq!(names, [("log.retention.minutes", Some("5"), false), ("log.retention.hours", Some("168"), true)]);
    assert!(find("ssl.key.password").sensitive);
    assert!(all.iter().all(|one| one.name != "zookeeper.connect"));
}
