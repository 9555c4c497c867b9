//! Configuration of topics and brokers.

use odradek_wire::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use odradek_wire::messages::{AlterConfigsRequest, IncrementalAlterConfigsRequest, alter_configs_request};

use super::Cluster;
use super::cluster::text;
use crate::metadata::image::Resource;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Key, operation and value.
type Operation<'a> = (&'a str, i8, Option<&'a str>);

impl Cluster {
    fn change(&mut self, kind: i8, name: &str, operations: &[Operation<'_>]) -> (i16, String) {
        let configs = operations
            .iter()
            .map(|(key, operation, value)| {
                AlterableConfig::default()
                    .with_name(text(key))
                    .with_config_operation(*operation)
                    .with_value(value.map(text))
            })
            .collect();
        let resource = AlterConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_configs(configs);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        let response = self.forward(request, 1);
        let result = &response.responses[0];
        (result.error_code, result.error_message.as_deref().unwrap_or_default().to_owned())
    }

    pub(super) fn set_config(&mut self, topic: &str, key: &str, value: &str) {
        assert_eq!(self.change(TOPIC, topic, &[(key, 0, Some(value))]).0, 0);
    }

    /// Sets a key of all brokers.
    pub(super) fn set_default(&mut self, key: &str, value: &str) {
        assert_eq!(self.change(BROKER, "", &[(key, 0, Some(value))]).0, 0);
    }

    fn value(&self, resource: Resource, key: &str) -> Option<String> {
        self.committed.config(&resource)?.get(key).cloned()
    }
}

#[test]
fn values_are_set_deleted_appended_and_taken_away() {
    let mut cluster = Cluster::of(1);
    cluster.create("t", 1, 1, &[]);
    let topic = || Resource::Topic("t".to_owned());
    let both = [("retention.ms", 0, Some("5")), ("segment.ms", 0, Some("9"))];
    assert_eq!(cluster.change(TOPIC, "t", &both).0, 0);
    assert_eq!(cluster.value(topic(), "retention.ms").as_deref(), Some("5"));
    let offset = cluster.committed.offset();
    assert_eq!(cluster.change(TOPIC, "t", &both).0, 0);
    assert_eq!(cluster.committed.offset(), offset, "nothing new");
    assert_eq!(cluster.change(TOPIC, "t", &[("retention.ms", 1, None)]).0, 0);
    assert_eq!(cluster.value(topic(), "retention.ms"), None);
    assert_eq!(cluster.change(TOPIC, "t", &[("cleanup.policy", 2, Some("compact"))]).0, 0);
    assert_eq!(cluster.value(topic(), "cleanup.policy").as_deref(), Some("delete,compact"));
    assert_eq!(cluster.change(TOPIC, "t", &[("cleanup.policy", 3, Some("delete"))]).0, 0);
    assert_eq!(cluster.value(topic(), "cleanup.policy").as_deref(), Some("compact"));
    cluster.change(TOPIC, "t", &[("cleanup.policy", 1, None), ("segment.ms", 1, None)]);
    assert!(cluster.committed.config(&topic()).is_none());
}

#[test]
fn what_cannot_be_is_refused() {
    let mut cluster = Cluster::of(1);
    cluster.create("t", 1, 1, &[]);
    let offset = cluster.committed.offset();
    let long = "x".repeat(40_000);
    let cases: [(i8, &str, &[Operation<'_>], i16, &str); 12] = [
        (TOPIC, "t", &[("nope", 0, Some("1"))], 40, "Unknown topic config name: nope"),
        (TOPIC, "t", &[("retention.ms", 0, Some("x"))], 40, "Not a number of type LONG"),
        (TOPIC, "t", &[("retention.ms", 0, None)], 40, "Null value not supported"),
        (TOPIC, "t", &[("retention.ms", 2, Some("1"))], 40, "its type is not LIST"),
        (TOPIC, "t", &[("retention.ms", 7, Some("1"))], 42, "Unknown config operation 7"),
        (TOPIC, "t", &[("preallocate", 0, Some(&long))], 40, "exceeds the maximum value size"),
        (TOPIC, "t", &[("retention.ms", 0, Some("1")), ("retention.ms", 1, None)], 42, "duplicate config keys"),
        (TOPIC, "u", &[("retention.ms", 0, Some("1"))], 3, "The topic 'u' does not exist."),
        (TOPIC, "", &[], 42, "Default topic resources are not allowed."),
        (BROKER, "x", &[], 42, "Unable to parse broker name"),
        (BROKER, "9", &[], 102, "No node with id 9 found."),
        (BROKER, "1", &[("log.retention.ms", 0, Some("x"))], 40, "Not a number"),
    ];
    for (kind, name, operations, code, message) in cases {
        let (found, sentence) = cluster.change(kind, name, operations);
        assert_eq!(found, code, "{sentence}");
        assert!(sentence.contains(message), "{sentence:?} lacks {message:?}");
    }
    assert_eq!(cluster.change(8, "x", &[]).0, 42, "a type that is not served");
    assert_eq!(cluster.committed.offset(), offset, "nothing was written");
}

#[test]
fn brokers_have_configuration_too() {
    let mut cluster = Cluster::of(1);
    let change = [("log.cleaner.threads", 0, Some("2"))];
    assert_eq!(cluster.change(BROKER, "1", &change).0, 0);
    assert_eq!(cluster.change(BROKER, "", &[("log.retention.ms", 0, Some("7"))]).0, 0);
    assert_eq!(cluster.value(Resource::Broker(1), "log.cleaner.threads").as_deref(), Some("2"));
    let retention = cluster.value(Resource::DefaultBroker, "log.retention.ms");
    assert_eq!(retention.as_deref(), Some("7"));
}

#[test]
fn the_older_request_replaces_everything() {
    let mut cluster = Cluster::of(1);
    cluster.create("t", 1, 1, &[("retention.ms", "5"), ("segment.ms", "6")]);
    let alter = |cluster: &mut Cluster, validate_only: bool| {
        let config =
            alter_configs_request::AlterableConfig::default().with_name(text("segment.ms")).with_value(Some(text("7")));
        let resource = alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(text("t"))
            .with_configs(vec![config]);
        let request = AlterConfigsRequest::default().with_resources(vec![resource]).with_validate_only(validate_only);
        cluster.forward(request, 2).responses[0].error_code
    };
    let topic = || Resource::Topic("t".to_owned());
    assert_eq!(alter(&mut cluster, true), 0);
    assert_eq!(cluster.value(topic(), "retention.ms").as_deref(), Some("5"));
    assert_eq!(alter(&mut cluster, false), 0);
    assert_eq!(cluster.value(topic(), "retention.ms"), None);
    assert_eq!(cluster.value(topic(), "segment.ms").as_deref(), Some("7"));
}

#[test]
fn a_resource_named_twice_is_left_alone() {
    let mut cluster = Cluster::of(1);
    cluster.create("t", 1, 1, &[]);
    let resource = AlterConfigsResource::default().with_resource_type(TOPIC).with_resource_name(text("t"));
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource.clone(), resource]);
    let response = cluster.forward(request, 0);
    assert!(response.responses.iter().all(|result| result.error_code == 42));
}

#[test]
fn a_brokers_key_is_checked_once_and_can_always_be_removed() {
    fn check(key: &str, value: &str, one_broker: bool) -> Result<(), String> {
        match (key, one_broker) {
            ("good", _) | ("listeners", true) => Ok(()),
            _ => Err(format!("{key} may not be {value}")),
        }
    }
    let mut cluster = Cluster::of(1);
    assert_eq!(cluster.change(BROKER, "1", &[("odd", 0, Some("1"))]).0, 0, "taken before there was a check");
    cluster.config.check_broker_setting = check;
    cluster.fail_over();
    assert_eq!(cluster.change(BROKER, "1", &[("good", 0, Some("7")), ("listeners", 0, Some("a"))]).0, 0);
    let (code, message) = cluster.change(BROKER, "1", &[("bad", 0, Some("7"))]);
    assert_eq!((code, message.as_str()), (40, "bad may not be 7"));
    assert_eq!(cluster.change(BROKER, "", &[("listeners", 0, Some("a"))]).0, 40);
    assert_eq!(cluster.change(BROKER, "1", &[("odd", 1, None)]).0, 0);
    assert_eq!(cluster.value(Resource::Broker(1), "odd"), None);
}

#[test]
fn on_a_controller_that_is_no_broker_nothing_is_set_and_all_can_be_taken_back() {
    let mut cluster = Cluster::of(1);
    let rate = "leader.replication.throttled.rate";
    let offset = cluster.committed.offset();
    assert_eq!(cluster.change(BROKER, "7", &[(rate, 1, None)]).0, 102, "nobody knows it");
    cluster.controller.controllers_are([1, 7].into());
    assert_eq!(cluster.change(BROKER, "7", &[(rate, 1, None)]), (0, String::new()));
    let (code, message) = cluster.change(BROKER, "7", &[(rate, 0, Some("1000"))]);
    assert!(code == 42 && message.contains("Node 7 is a controller and no broker"), "{message}");
    assert_eq!(cluster.committed.offset(), offset, "nothing was written");
    assert_eq!(cluster.change(BROKER, "8", &[(rate, 1, None)]).0, 102, "nobody knows it");
}
