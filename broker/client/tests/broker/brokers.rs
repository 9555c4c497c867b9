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
