//! A topic from its resource: made, grown, configured, deleted.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use odradek_client::{Admin, TopicDescription};
use odradek_e2e::kubernetes::in_namespace;
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

        let text = namespace.kubectl(&["get", "kt"])?;
        let row: Vec<&str> = text.lines().nth(1).unwrap_or_default().split_whitespace().collect();
        ensure!(row.len() >= 5 && row[..5] == ["orders", "demo", "14", "3", "True"], "{text}");

        // The resource goes when the topic is gone.
        namespace.kubectl(&["delete", "kafkatopic", "orders", "--timeout=30s"])?;
        wait::until("the topic is gone", SOON, || match kafka.topic("orders") {
            Ok(None) => Ok(()),
            other => Err(format!("{other:?}")),
        })
    })
}
