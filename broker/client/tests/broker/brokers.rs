//! Configuration of all brokers, and elections.

use std::collections::BTreeMap;

use odradek_client::{ConfigOp, Error};

use super::{admin, fresh_topic};

#[tokio::test]
#[ignore = "needs ODRADEK_TEST_BROKER"]
async fn configuration_of_all_brokers_is_set_read_and_taken_back() {
    let admin = admin();
    let set = ConfigOp::Set { key: "log.cleaner.threads".to_owned(), value: "2".to_owned() };
    admin.alter_default_broker_configs(&[set]).await.expect("set");
    // The answer comes once the broker has seen the change itself.
    let found = admin.describe_default_broker_configs().await.expect("an answer");
    assert_eq!(found, BTreeMap::from([("log.cleaner.threads".to_owned(), Some("2".to_owned()))]));
    let delete = ConfigOp::Delete { key: "log.cleaner.threads".to_owned() };
    admin.alter_default_broker_configs(&[delete]).await.expect("taken back");
    let wrong = ConfigOp::Set { key: "log.cleaner.threads".to_owned(), value: "none".to_owned() };
    assert!(matches!(admin.alter_default_broker_configs(&[wrong]).await, Err(Error::Kafka(_))));
}

#[tokio::test]
#[ignore = "needs ODRADEK_TEST_BROKER"]
async fn the_preferred_leader_of_one_broker_leads_already() {
    let admin = admin();
    fresh_topic(&admin, "client-elect", 1).await;
    let at = ("client-elect".to_owned(), 0);
    let results = admin.elect_preferred_leaders(std::slice::from_ref(&at)).await.expect("an answer");
    const ELECTION_NOT_NEEDED: i16 = 84;
    assert_eq!(results[&at].as_ref().unwrap_err().code, ELECTION_NOT_NEEDED);
}

#[tokio::test]
#[ignore = "needs ODRADEK_TEST_BROKER"]
async fn log_dirs_tell_their_replicas_and_their_room() {
    let admin = admin();
    fresh_topic(&admin, "client-log-dirs", 2).await;
    let dirs = admin.of_broker(super::address()).describe_log_dirs().await.expect("an answer");
    for dir in &dirs {
        assert_eq!(dir.error, None, "{dir:?}");
        let (total, usable) = (dir.total_bytes.expect("its size"), dir.usable_bytes.expect("its room"));
        assert!(0 < total && usable <= total, "{total} {usable}");
    }
    let mut held: Vec<i32> = dirs
        .iter()
        .flat_map(|dir| &dir.replicas)
        .filter(|replica| replica.topic == "client-log-dirs" && !replica.future)
        .map(|replica| replica.partition)
        .collect();
    held.sort_unstable();
    assert_eq!(held, [0, 1]);
}

#[tokio::test]
#[ignore = "needs ODRADEK_TEST_BROKER"]
async fn a_broker_that_is_not_there_is_not_unregistered() {
    const BROKER_ID_NOT_REGISTERED: i16 = 102;
    let refused = admin().unregister_broker(987_654).await.expect_err("no such broker");
    assert!(matches!(&refused, Error::Kafka(error) if error.code == BROKER_ID_NOT_REGISTERED), "{refused}");
}

#[tokio::test]
#[ignore = "needs ODRADEK_TEST_BROKER"]
async fn the_quorum_tells_its_voters_and_takes_no_unknown_one() {
    let admin = admin();
    let cluster = admin.describe_cluster().await.expect("an answer").cluster_id;
    let quorum = admin.describe_quorum().await.expect("an answer");
    let voter = quorum.voters.iter().find(|voter| Some(voter.id) == quorum.leader).expect("the leader votes").clone();
    assert!(quorum.high_watermark > 0 && voter.last_caught_up_ms.is_some(), "{quorum:?}");
    assert!(!voter.endpoints.is_empty() && !voter.directory_id.is_nil(), "{quorum:?}");
    const DUPLICATE_VOTER: i16 = 126;
    let again = admin.add_raft_voter(&cluster, &voter).await;
    assert!(matches!(&again, Err(Error::Kafka(error)) if error.code == DUPLICATE_VOTER), "{again:?}");
    const VOTER_NOT_FOUND: i16 = 127;
    let other_disk = admin.remove_raft_voter(&cluster, voter.id, uuid::Uuid::from_u128(7)).await;
    assert!(matches!(&other_disk, Err(Error::Kafka(error)) if error.code == VOTER_NOT_FOUND), "{other_disk:?}");
}
