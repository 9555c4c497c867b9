//! A process from its start to its end, as whoever runs it sees it.

mod support;

use std::time::Instant;

use kafka_protocol::messages::{ApiKey, MetadataRequest, ResponseKind};
use support::{Client, Process};

fn brokers(port: u16) -> usize {
    match Client::connect(port).ask(ApiKey::Metadata, 9, &MetadataRequest::default().with_topics(None).into()) {
        Some(ResponseKind::Metadata(answer)) => answer.brokers.len(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_serves_ends_by_sigterm_and_starts_again_without_recovery() {
    let dir = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let mut process = Process::start(dir.path(), &[]);
    assert_eq!(brokers(process.port), 1);
    println!("start to first Metadata answer: {:?}", start.elapsed());
    assert!(process.page("/livez").starts_with("HTTP/1.1 200"));
    assert!(process.page("/metrics").contains("\nodradek_controller_active 1\n"));
    assert_eq!(process.stop(), Some(0), "{}", process.log());
    assert!(dir.path().join("data/.kafka_cleanshutdown").exists());

    let mut process = Process::start(dir.path(), &[]);
    assert!(!dir.path().join("data/.kafka_cleanshutdown").exists(), "the marker goes before anything is written");
    assert_eq!(brokers(process.port), 1);
    process.signal("INT");
    assert_eq!(process.wait().code(), Some(0), "{}", process.log());
}

#[test]
fn a_kill_is_recovered_from() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::start(dir.path(), &[]);
    process.signal("KILL");
    process.wait();
    assert!(!dir.path().join("data/.kafka_cleanshutdown").exists());
    let process = Process::start(dir.path(), &[]);
    assert_eq!(brokers(process.port), 1);
}

#[test]
fn a_second_process_on_the_same_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = Process::start(dir.path(), &[]);
    let mut second = Process::spawn(dir.path(), &[]);
    assert_eq!(second.wait().code(), Some(2));
    assert!(second.log().contains(".lock"), "{}", second.log());
    assert_eq!(brokers(first.port), 1, "the first one goes on");
}

#[test]
fn a_folder_of_another_cluster_or_node_is_refused_with_both_ids() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::start(dir.path(), &["odradek.cluster.id=ours"]);
    assert_eq!(process.stop(), Some(0));
    let mut process = Process::spawn(dir.path(), &["odradek.cluster.id=theirs"]);
    assert_eq!(process.wait().code(), Some(2));
    assert!(process.log().contains("cluster ours") && process.log().contains("cluster theirs"), "{}", process.log());
    let mut process = Process::spawn(dir.path(), &["node.id=2", "controller.quorum.voters=2@localhost:1"]);
    assert_eq!(process.wait().code(), Some(2));
    assert!(process.log().contains("node 1") && process.log().contains("node 2"), "{}", process.log());
}

#[test]
fn a_port_that_is_taken_is_told_with_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let listeners = format!("listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{}", support::free_port());
    let mut process = Process::spawn(dir.path(), &[&listeners]);
    assert_eq!(process.wait().code(), Some(1));
    assert!(process.log().contains(&format!("listeners=PLAINTEXT://127.0.0.1:{port}")), "{}", process.log());
}
