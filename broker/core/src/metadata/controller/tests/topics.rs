//! Topics are made, grow and go (M17).

use std::collections::BTreeSet;

use odradek_wire::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use odradek_wire::messages::create_topics_request::CreatableTopic;
use odradek_wire::messages::delete_topics_request::DeleteTopicState;
use odradek_wire::messages::{CreatePartitionsRequest, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest};
use uuid::Uuid;

use super::Cluster;
use super::cluster::text;
use crate::metadata::controller::ControllerConfig;
use crate::metadata::image::Resource;

fn refusal(response: &CreateTopicsResponse) -> (i16, &str) {
    let topic = &response.topics[0];
    (topic.error_code, topic.error_message.as_deref().unwrap_or_default())
}

#[test]
fn a_topic_is_spread_over_the_racks() {
    let mut cluster = Cluster::of(6);
    let response = cluster.create("t", 6, 3, &[("retention.ms", "5")]);
    let topic = &response.topics[0];
    assert_eq!((topic.error_code, topic.num_partitions, topic.replication_factor), (0, 6, 3));
    let made = cluster.topic("t");
    assert_eq!(topic.topic_id, made.id);
    let mut leaders = BTreeSet::new();
    for state in made.partitions.values() {
        let racks: BTreeSet<i32> = state.replicas.iter().map(|id| id % 3).collect();
        assert_eq!(racks.len(), 3);
        assert_eq!(state.isr, state.replicas);
        assert_eq!(state.leader, state.replicas[0]);
        assert_eq!((state.leader_epoch, state.partition_epoch), (0, 0));
        leaders.insert(state.leader);
    }
    assert_eq!(leaders.len(), 6, "each broker leads one");
    let configs = topic.configs.as_ref().unwrap();
    let retention = configs.iter().find(|config| &*config.name == "retention.ms").unwrap();
    assert_eq!((retention.value.as_deref(), retention.config_source), (Some("5"), 1));
    let segment = configs.iter().find(|config| &*config.name == "segment.bytes").unwrap();
    assert_eq!((segment.value.as_deref(), segment.config_source), (Some("1073741824"), 5));
}

#[test]
fn defaults_come_from_the_configuration() {
    let config = ControllerConfig { default_replication_factor: 2, num_partitions: 4, ..ControllerConfig::default() };
    let mut cluster = Cluster::with(config);
    cluster.start(1);
    cluster.start(2);
    let topic = cluster.create("t", -1, -1, &[]).topics[0].clone();
    assert_eq!((topic.error_code, topic.num_partitions, topic.replication_factor), (0, 4, 2));
}

#[test]
fn every_version_is_answered() {
    let mut cluster = Cluster::of(1);
    for version in 2..=7 {
        let topic = CreatableTopic::default()
            .with_name(text(&format!("v{version}")).into())
            .with_num_partitions(1)
            .with_replication_factor(1);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]);
        assert_eq!(refusal(&cluster.forward(request.clone(), version)), (0, ""));
        assert_eq!(refusal(&cluster.forward(request, version)).0, 36);
    }
    for version in 0..=3 {
        let topic = CreatePartitionsTopic::default()
            .with_name(text("v2").into())
            .with_count(i32::from(version) + 2)
            .with_assignments(None);
        let request = CreatePartitionsRequest::default().with_topics(vec![topic]);
        assert_eq!(cluster.forward(request, version).results[0].error_code, 0);
    }
    for version in 1..=5 {
        let name = text(&format!("v{}", version + 2));
        let request = DeleteTopicsRequest::default().with_topic_names(vec![name.clone().into()]);
        assert_eq!(cluster.forward(request.clone(), version).responses[0].error_code, 0);
        assert_eq!(cluster.forward(request, version).responses[0].error_code, 3);
    }
    assert_eq!(cluster.committed.topic_count(), 1);
}

#[test]
fn what_cannot_be_made_is_refused() {
    let mut cluster = Cluster::of(2);
    cluster.create("a.b", 1, 1, &[]);
    let response = cluster.create("t", 1, 3, &[]);
    assert_eq!(
        refusal(&response),
        (
            38,
            "Unable to replicate the partition 3 time(s): The target replication factor of 3 \
             cannot be reached because only 2 broker(s) are registered."
        )
    );
    assert_eq!(refusal(&cluster.create("a.b", 1, 1, &[])), (36, "Topic 'a.b' already exists."));
    assert_eq!(refusal(&cluster.create("a_b", 1, 1, &[])), (17, "Topic 'a_b' collides with existing topic: a.b"));
    for (name, code) in [("a b", 17), ("", 17), ("__cluster_metadata", 42)] {
        assert_eq!(refusal(&cluster.create(name, 1, 1, &[])).0, code, "{name}");
    }
    for (partitions, factor, code) in [(0, 1, 37), (-2, 1, 37), (1, 0, 38), (1, -2, 38)] {
        assert_eq!(refusal(&cluster.create("t", partitions, factor, &[])).0, code);
    }
    assert_eq!(refusal(&cluster.create("t", i32::MAX, 1, &[])).0, 44);
    assert_eq!(
        refusal(&cluster.create("t", 1, 1, &[("retention", "5")])),
        (40, "Unknown topic config name: retention")
    );
    assert_eq!(refusal(&cluster.create("t", 1, 1, &[("retention.ms", "x")])).0, 40);
    let lags = [("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "5")];
    assert_eq!(refusal(&cluster.create("t", 1, 1, &lags)).0, 40);
    assert_eq!(cluster.committed.topic_count(), 1);
}

#[test]
fn nothing_can_be_placed_on_fenced_brokers_only() {
    let mut cluster = Cluster::of(2);
    cluster.kill(&[1, 2]);
    let response = cluster.create("t", 1, 2, &[]);
    assert_eq!(refusal(&response).0, 38);
    assert!(refusal(&response).1.contains("fenced"), "{:?}", refusal(&response));
    cluster.start(2);
    assert_eq!(refusal(&cluster.create("t", 1, 1, &[])).0, 0);
    assert_eq!(cluster.state("t", 0), (2, vec![2]), "the fenced one is avoided");
    assert_eq!(refusal(&cluster.create("u", 1, 2, &[])).0, 0);
    assert_eq!(cluster.state("u", 0), (2, vec![2]), "it is a replica, and not in sync");
    assert_eq!(cluster.partition("u", 0).replicas, [2, 1]);
}

#[test]
fn replicas_can_be_given_by_hand() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[&[3, 1], &[2, 3]]);
    assert_eq!(cluster.state("t", 0), (3, vec![3, 1]));
    let refused: [(&[&[i32]], &str); 5] = [
        (&[&[]], "empty replica list"),
        (&[&[1, 9]], "includes broker 9, but no such broker is registered"),
        (&[&[1, 1]], "includes the broker 1 more than once"),
        (&[&[1, 2], &[1]], "1 replica(s), but this is not consistent"),
        (&[&[1]], "fenced or in controlled shutdown"),
    ];
    cluster.kill(&[1]);
    for (partitions, message) in refused {
        let response = cluster.create_assigned("u", partitions);
        let (code, sentence) = refusal(&response);
        assert_eq!(code, 39, "{sentence}");
        assert!(sentence.contains(message), "{sentence}");
    }
}

#[test]
fn a_name_given_twice_is_left_alone_and_a_try_writes_nothing() {
    let mut cluster = Cluster::of(1);
    let topic = |name: &str| {
        CreatableTopic::default().with_name(text(name).into()).with_num_partitions(1).with_replication_factor(1)
    };
    let topics = vec![topic("a"), topic("b"), topic("a"), topic("x.y"), topic("x_y")];
    let request = CreateTopicsRequest::default().with_topics(topics).with_validate_only(true);
    let codes =
        |response: &CreateTopicsResponse| response.topics.iter().map(|topic| topic.error_code).collect::<Vec<_>>();
    let offset = cluster.committed.offset();
    assert_eq!(codes(&cluster.forward(request.clone(), 7)), [42, 0, 0, 17]);
    assert_eq!(cluster.committed.offset(), offset);
    assert_eq!(codes(&cluster.forward(request.with_validate_only(false), 7)), [42, 0, 0, 17]);
    assert_eq!(cluster.committed.topic_count(), 2);
}

#[test]
fn topics_are_deleted_by_name_and_by_id() {
    let mut cluster = Cluster::of(1);
    for name in ["a", "b", "c", "d"] {
        cluster.create(name, 1, 1, &[("retention.ms", "5")]);
    }
    let by_name = |name: &str| DeleteTopicState::default().with_name(Some(text(name).into()));
    let by_id = |id: Uuid| DeleteTopicState::default().with_topic_id(id);
    let id = |cluster: &Cluster, name: &str| cluster.topic(name).id;
    let wanted = vec![
        by_name("a"),
        by_id(id(&cluster, "b")),
        by_name("c"),
        by_id(id(&cluster, "c")),
        by_name("d"),
        by_name("d"),
        by_name("nope"),
        by_id(Uuid::from_u128(5)),
        by_name("a").with_topic_id(id(&cluster, "a")),
        DeleteTopicState::default(),
    ];
    let b = id(&cluster, "b");
    let response = cluster.forward(DeleteTopicsRequest::default().with_topics(wanted), 6);
    let codes: Vec<i16> = response.responses.iter().map(|result| result.error_code).collect();
    assert_eq!(codes, [42, 0, 0, 42, 42, 42, 3, 100, 42, 42]);
    assert_eq!(response.responses[1].name.as_deref().map(|name| &**name), Some("b"));
    assert_eq!(response.responses[1].topic_id, b);
    let left: Vec<_> = cluster.committed.topics().map(|topic| topic.name.to_string()).collect();
    assert_eq!(left, ["a", "d"]);
    assert!(cluster.committed.config(&Resource::Topic("b".to_owned())).is_none());
    // The name is free for another topic.
    cluster.create("b", 1, 1, &[]);
    assert_ne!(id(&cluster, "b"), b);
}

#[test]
fn deletion_can_be_off() {
    let mut cluster = Cluster::with(ControllerConfig { delete_topic_enable: false, ..Default::default() });
    cluster.start(1);
    cluster.create("a", 1, 1, &[]);
    let request = DeleteTopicsRequest::default().with_topic_names(vec![text("a").into()]);
    assert_eq!(cluster.forward(request.clone(), 5).responses[0].error_code, 73);
    assert_eq!(cluster.forward(request, 1).responses[0].error_code, 42);
}

#[test]
fn partitions_grow() {
    let mut cluster = Cluster::of(3);
    cluster.create("t", 2, 2, &[]);
    let grow = |cluster: &mut Cluster, count: i32, given: Option<&[&[i32]]>| {
        let assignments = given.map(|partitions| {
            partitions
                .iter()
                .map(|ids| {
                    CreatePartitionsAssignment::default().with_broker_ids(ids.iter().map(|id| (*id).into()).collect())
                })
                .collect()
        });
        let topic = CreatePartitionsTopic::default()
            .with_name(text("t").into())
            .with_count(count)
            .with_assignments(assignments);
        let request = CreatePartitionsRequest::default().with_topics(vec![topic]);
        let result = cluster.forward(request, 3).results[0].clone();
        (result.error_code, result.error_message.as_deref().unwrap_or_default().to_owned())
    };
    assert_eq!(grow(&mut cluster, 6, None).0, 0);
    let topic = cluster.topic("t");
    assert_eq!(topic.partitions.len(), 6);
    for broker in 1..=3 {
        let held = topic.partitions.values().filter(|it| it.replicas.contains(&broker)).count();
        let led = topic.partitions.values().filter(|it| it.leader == broker).count();
        assert_eq!((held, led), (4, 2));
    }
    assert_eq!(grow(&mut cluster, 7, Some(&[&[3, 1]])).0, 0);
    assert_eq!(cluster.state("t", 6), (3, vec![3, 1]));
    assert_eq!(grow(&mut cluster, 7, None), (37, "Topic already has 7 partition(s).".to_owned()));
    assert_eq!(grow(&mut cluster, 3, None).0, 37);
    assert_eq!(grow(&mut cluster, 9, Some(&[&[3, 1]])).0, 39);
    assert_eq!(grow(&mut cluster, 8, Some(&[&[3]])).0, 39);
    assert_eq!(grow(&mut cluster, i32::MAX, None).0, 44);
}
