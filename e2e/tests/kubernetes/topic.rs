//! A topic from its resource: made, grown, configured, deleted.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use odradek_client::{Admin, ConfigOp, TopicDescription};
use odradek_e2e::kubernetes::{Clients, Namespace, condition, in_namespace};
use odradek_e2e::wait;
use tokio::runtime::Runtime;

const SOON: Duration = Duration::from_secs(30);

struct Kafka {
    admin: Admin,
    runtime: Runtime,
}

impl Kafka {
    fn topic(&self, name: &str) -> Result<Option<TopicDescription>> {
        let topics = self.runtime.block_on(self.admin.list_topics())?;
        Ok(topics.into_iter().find(|topic| topic.name == name))
    }

    fn config(&self, topic: &str) -> Result<BTreeMap<String, String>> {
        let all = self.runtime.block_on(self.admin.describe_topic_configs(&[topic.to_owned()]))?;
        let entries = all.into_values().next().context("no answer")??;
        Ok(entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect())
    }

    fn alter(&self, topic: &str, ops: Vec<ConfigOp>) -> Result<()> {
        let answers = self.runtime.block_on(self.admin.alter_topic_configs(&[(topic.to_owned(), ops)]))?;
        for answer in answers.into_values() {
            answer?;
        }
        Ok(())
    }

    fn wait_config(&self, topic: &str, key: &str, value: &str) -> Result<()> {
        wait::until(key, SOON, || {
            let config = self.config(topic).map_err(|error| format!("{error:#}"))?;
            let now = config.get(key);
            if now.is_some_and(|now| now == value) { Ok(()) } else { Err(format!("{now:?} and not {value}")) }
        })
    }
}

#[test]
fn a_topic_follows_its_resource() -> Result<()> {
    in_namespace("topic", |namespace| {
        namespace.demo_cluster()?;
        let resource = namespace.orders_topic()?;
        ensure!(resource["status"]["partitions"] == 12 && resource["status"]["replicas"] == 3, "{resource}");
        let (_forward, admin) = namespace.admin()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let kafka = Kafka { admin, runtime };

        let topic = kafka.topic("orders")?.context("there is no topic")?;
        ensure!(resource["status"]["topicId"].as_str().is_some(), "{resource}");
        ensure!(topic.partitions.len() == 12, "{topic:?}");
        let mut leads: BTreeMap<i32, usize> = BTreeMap::new();
        for partition in &topic.partitions {
            ensure!(partition.replicas.len() == 3 && partition.isr.len() == 3, "{partition:?}");
            *leads.entry(partition.leader.context("no leader")?).or_default() += 1;
        }
        ensure!(leads.values().all(|many| *many == 4), "leaders are not spread evenly: {leads:?}");
        kafka.wait_config("orders", "min.insync.replicas", "2")?;
        kafka.wait_config("orders", "retention.ms", "604800000")?;

        // Grows; what is there stays where it is.
        namespace.patch("kafkatopic/orders", r#"{"partitions":14}"#)?;
        let grown = namespace.wait_condition("kafkatopic/orders", "Ready", "True", SOON)?;
        ensure!(grown["status"]["partitions"] == 14, "{}", grown["status"]);
        let after = kafka.topic("orders")?.context("there is no topic")?;
        ensure!(after.topic_id == topic.topic_id && after.partitions.len() == 14, "{after:?}");
        for (before, now) in topic.partitions.iter().zip(&after.partitions) {
            ensure!(before.replicas == now.replicas, "{before:?} became {now:?}");
        }

        // Changed, added, and taken back.
        let config = r#"{"config":{"retention.ms":86400000,"max.message.bytes":2000000,"cleanup.policy":null}}"#;
        namespace.patch("kafkatopic/orders", config)?;
        namespace.wait_condition("kafkatopic/orders", "Ready", "True", SOON)?;
        kafka.wait_config("orders", "retention.ms", "86400000")?;
        kafka.wait_config("orders", "max.message.bytes", "2000000")?;
        namespace.patch("kafkatopic/orders", r#"{"config":{"max.message.bytes":null}}"#)?;
        kafka.wait_config("orders", "max.message.bytes", "1048588")?;

        replicas_change(namespace, &kafka)?;
        a_change_that_is_taken_back(namespace, &kafka)?;
        what_is_changed_in_kafka_is_put_back(namespace, &kafka)?;
        keys_that_topics_may_set(namespace, &kafka)?;
        policies(namespace, &kafka)?;
        another_namespace(namespace, &kafka)?;

        let text = namespace.kubectl(&["get", "kt"])?;
        let text = text
            .lines()
            .filter(|line| line.starts_with("NAME") || line.starts_with("orders "))
            .collect::<Vec<_>>()
            .join("\n");
        let row: Vec<&str> = text.lines().nth(1).unwrap_or_default().split_whitespace().collect();
        ensure!(row.len() >= 5 && row[..5] == ["orders", "demo", "14", "3", "True"], "{text}");

        deletion_in_all_orders(namespace, &kafka)
    })
}

/// By reassignment: fewer, then more, in sync at the end, and told in the status until then.
fn replicas_change(namespace: &Namespace, kafka: &Kafka) -> Result<()> {
    for replicas in [2, 3] {
        namespace.patch("kafkatopic/orders", &format!(r#"{{"replicas":{replicas}}}"#))?;
        let changed = namespace.wait_condition("kafkatopic/orders", "Ready", "True", SOON)?;
        wait::until("the replicas are as the spec says", SOON, || {
            let topic = kafka.topic("orders").map_err(|error| format!("{error:#}"))?.ok_or("it is gone")?;
            let wrong = topic.partitions.iter().find(|p| p.replicas.len() != replicas || p.isr.len() != replicas);
            wrong.map_or(Ok(()), |partition| Err(format!("{partition:?}")))
        })?;
        let status = wait::until("the status says so", SOON, || {
            let status = namespace.get("kafkatopic/orders").map_err(|error| format!("{error:#}"))?["status"].clone();
            let done = status["replicas"] == replicas && status["replicasChange"].is_null();
            if done { Ok(status) } else { Err(status.to_string()) }
        })?;
        ensure!(status["observedGeneration"] == changed["metadata"]["generation"], "{status}");
    }
    // More than there are brokers: told with both numbers, and nothing is changed.
    namespace.patch("kafkatopic/orders", r#"{"replicas":4}"#)?;
    let refused = namespace.wait_condition("kafkatopic/orders", "Stalled", "True", SOON)?;
    let told = condition(&refused, "Ready").context("no condition")?["message"].as_str().unwrap_or_default().to_owned();
    ensure!(told.contains("4 replicas") && told.contains("3 brokers"), "{told}");
    namespace.patch("kafkatopic/orders", r#"{"replicas":3}"#)?;
    namespace.wait_condition("kafkatopic/orders", "Ready", "True", SOON).map(drop)
}

/// In the middle of a change: back to the number of before, which cancels it, and on to the other one again.
fn a_change_that_is_taken_back(namespace: &Namespace, kafka: &Kafka) -> Result<()> {
    let before = kafka.topic("orders")?.context("it is gone")?;
    let clients = Clients::start(namespace)?;
    clients.produce_now("orders", 0, 20_000)?;
    // Slow enough to be in the middle of it.
    let throttle = |rate: Option<&str>| {
        let op = |key: &str| match rate {
            Some(rate) => ConfigOp::Set { key: key.to_owned(), value: rate.to_owned() },
            None => ConfigOp::Delete { key: key.to_owned() },
        };
        let ops = ["leader.replication.throttled.rate", "follower.replication.throttled.rate"].map(op);
        kafka.runtime.block_on(kafka.admin.alter_default_broker_configs(&ops))
    };
    let throttled = ["leader.replication.throttled.replicas", "follower.replication.throttled.replicas"];
    let all = |key: &str| ConfigOp::Set { key: key.to_owned(), value: "*".to_owned() };
    throttle(Some("20000"))?;
    kafka.alter("orders", throttled.map(all).to_vec())?;
    namespace.patch("kafkatopic/orders", r#"{"replicas":2}"#)?;
    namespace.wait_condition("kafkatopic/orders", "Ready", "True", SOON)?;
    let under_way = |replicas: i32| {
        namespace.wait_object("kafkatopic/orders", SOON, |topic| {
            let change = &topic["status"]["replicasChange"];
            let ongoing = change["state"] == "ongoing" && change["targetReplicas"] == replicas;
            if ongoing { Ok(()) } else { Err(topic["status"].to_string()) }
        })
    };
    namespace.patch("kafkatopic/orders", r#"{"replicas":3}"#)?;
    under_way(3)?;
    namespace.patch("kafkatopic/orders", r#"{"replicas":2}"#)?;
    namespace.wait_condition("kafkatopic/orders", "Ready", "True", SOON)?;
    let back = kafka.topic("orders")?.context("it is gone")?;
    ensure!(back.partitions.iter().all(|p| p.replicas.len() == 2 && p.isr.len() == 2), "not cancelled: {back:?}");
    namespace.patch("kafkatopic/orders", r#"{"replicas":3}"#)?;
    under_way(3)?;
    throttle(None)?;
    let done = namespace.wait_condition("kafkatopic/orders", "Ready", "True", Duration::from_secs(60))?;
    ensure!(done["status"]["replicas"] == 3 && done["status"]["replicasChange"].is_null(), "{done}");
    let none = |key: &str| ConfigOp::Delete { key: key.to_owned() };
    kafka.alter("orders", throttled.map(none).to_vec())?;
    let after = kafka.topic("orders")?.context("it is gone")?;
    ensure!(after.topic_id == before.topic_id, "{after:?}");
    ensure!(after.partitions.iter().all(|p| p.replicas.len() == 3 && p.isr.len() == 3), "{after:?}");
    Ok(())
}

/// A key that was changed and one that was added by another tool; nothing else tells the operator of it.
fn what_is_changed_in_kafka_is_put_back(namespace: &Namespace, kafka: &Kafka) -> Result<()> {
    let set = |key: &str, value: &str| ConfigOp::Set { key: key.to_owned(), value: value.to_owned() };
    kafka.alter("orders", vec![set("retention.ms", "5000"), set("segment.ms", "600000")])?;
    wait::until("it is put back", Duration::from_secs(90), || {
        let config = kafka.config("orders").map_err(|error| format!("{error:#}"))?;
        let (retention, segment) = (&config["retention.ms"], &config["segment.ms"]);
        if retention == "86400000" && segment == "604800000" { Ok(()) } else { Err(format!("{retention} {segment}")) }
    })?;
    namespace.wait_condition("kafkatopic/orders", "Ready", "True", SOON).map(drop)
}

/// The cluster's allow-list: a key outside of it is refused in a resource, and left alone in Kafka.
fn keys_that_topics_may_set(namespace: &Namespace, kafka: &Kafka) -> Result<()> {
    let rules =
        |list: &str| namespace.patch("kafkacluster/demo", &format!(r#"{{"topics":{{"configAllowList":{list}}}}}"#));
    rules(r#"["min.insync.replicas","retention.ms"]"#)?;
    let set = ConfigOp::Set { key: "segment.ms".to_owned(), value: "600000".to_owned() };
    kafka.alter("orders", vec![set])?;
    namespace.patch("kafkatopic/orders", r#"{"config":{"compression.type":"lz4"}}"#)?;
    let refused = namespace.wait_condition("kafkatopic/orders", "Stalled", "True", SOON)?;
    let ready = condition(&refused, "Ready").context("no condition")?;
    let told = ready["message"].as_str().unwrap_or_default();
    let named = told.contains("spec.config[compression.type]") && told.contains("min.insync.replicas, retention.ms");
    ensure!(ready["reason"] == "InvalidConfig" && named, "{ready}");
    namespace.patch("kafkatopic/orders", r#"{"config":{"compression.type":null,"retention.ms":90000000}}"#)?;
    namespace.wait_condition("kafkatopic/orders", "Ready", "True", SOON)?;
    kafka.wait_config("orders", "retention.ms", "90000000")?;
    kafka.wait_config("orders", "segment.ms", "600000")?;
    rules("null")?;
    kafka.wait_config("orders", "segment.ms", "604800000")
}

fn topic_yaml(name: &str, topic: &str, annotations: &str, spec: &str) -> String {
    format!(
        "apiVersion: odradek.dev/v1alpha1\nkind: KafkaTopic\nmetadata:\n  name: {name}\n  \
         labels: {{ odradek.dev/cluster: demo }}\n  annotations: {{ {annotations} }}\n\
         spec: {{ topicName: {topic}, {spec} }}\n"
    )
}

/// A topic that was there before: taken over, refused, or left alone; and two resources for one.
fn policies(namespace: &Namespace, kafka: &Kafka) -> Result<()> {
    let made = odradek_client::NewTopic {
        name: "Before_1".to_owned(),
        partitions: 2,
        replication_factor: 3,
        configs: BTreeMap::from([("retention.ms".to_owned(), "1000000".to_owned())]),
    };
    for answer in kafka.runtime.block_on(kafka.admin.create_topics(&[made], false))?.into_values() {
        answer?;
    }
    let ready = |name: &str, status: &str, reason: &str| {
        wait::until(&format!("{name}: {reason}"), SOON, || {
            let topic = namespace.get(&format!("kafkatopic/{name}")).map_err(|error| format!("{error:#}"))?;
            let found = condition(&topic, "Ready").cloned().unwrap_or_default();
            if found["status"] == status && found["reason"] == reason { Ok(()) } else { Err(found.to_string()) }
        })
    };
    namespace.apply(&topic_yaml("refused", "Before_1", "", "adoptionPolicy: Refuse, partitions: 4"))?;
    ready("refused", "False", "TopicExists")?;
    namespace.kubectl(&["delete", "kafkatopic", "refused", "--timeout=30s"])?;
    // Not managed: neither changed nor deleted.
    namespace.apply(&topic_yaml("watched", "Before_1", "odradek.dev/managed: \"false\"", "partitions: 4"))?;
    ready("watched", "False", "Unmanaged")?;
    namespace.kubectl(&["delete", "kafkatopic", "watched", "--timeout=30s"])?;
    let topic = kafka.topic("Before_1")?.context("the topic that was there before is gone")?;
    ensure!(topic.partitions.len() == 2, "it was changed: {topic:?}");
    namespace.apply(&topic_yaml("adopted", "Before_1", "", "partitions: 4"))?;
    ready("adopted", "True", "UpToDate")?;
    let topic = kafka.topic("Before_1")?.context("it is gone")?;
    ensure!(topic.partitions.len() == 4, "{topic:?}");
    // The older one stands.
    namespace.apply(&topic_yaml("second", "Before_1", "", "partitions: 8"))?;
    ready("second", "False", "ResourceConflict")?;
    namespace.kubectl(&["delete", "kafkatopic", "second", "--timeout=30s"])?;
    ensure!(kafka.topic("Before_1")?.is_some(), "the younger one took the topic with it");
    Ok(())
}

/// A topic of another namespace: only once the cluster allows it.
fn another_namespace(namespace: &Namespace, kafka: &Kafka) -> Result<()> {
    in_namespace("team", |team| {
        let yaml = format!(
            "apiVersion: odradek.dev/v1alpha1\nkind: KafkaTopic\nmetadata:\n  name: far\n  labels: {{ \
             odradek.dev/cluster: demo, odradek.dev/cluster-namespace: {} }}\nspec: {{ partitions: 1 }}\n",
            namespace.name
        );
        team.apply(&yaml)?;
        let refused = team.wait_condition("kafkatopic/far", "Stalled", "True", SOON)?;
        let ready = condition(&refused, "Ready").context("no condition")?;
        ensure!(ready["reason"] == "NotAllowed", "{ready}");
        namespace.patch("kafkacluster/demo", &format!(r#"{{"topics":{{"namespaces":["{}"]}}}}"#, team.name))?;
        team.wait_condition("kafkatopic/far", "Ready", "True", SOON)?;
        ensure!(kafka.topic("far")?.is_some(), "there is no topic");
        team.kubectl(&["delete", "kafkatopic", "far", "--timeout=30s"])?;
        ensure!(kafka.topic("far")?.is_none(), "it is still there");
        Ok(())
    })
}

/// Topic first: it goes. The cluster first, with its topics still there: they are let go. (All at once, with their
/// namespace, is how every test ends.)
fn deletion_in_all_orders(namespace: &Namespace, kafka: &Kafka) -> Result<()> {
    namespace.kubectl(&["delete", "kafkatopic", "orders", "--timeout=30s"])?;
    wait::until("the topic is gone", SOON, || match kafka.topic("orders") {
        Ok(None) => Ok(()),
        other => Err(format!("{other:?}")),
    })?;
    namespace.kubectl(&["delete", "kafkacluster", "demo", "--timeout=60s"])?;
    namespace.kubectl(&["delete", "kafkatopic", "--all", "--timeout=30s"]).map(drop)
}
