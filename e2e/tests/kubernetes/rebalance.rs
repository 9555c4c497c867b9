//! Replicas move to brokers that came: throttled, under load, and however often the operator dies.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use odradek_client::ConfigSource;
use odradek_e2e::kubernetes::{Clients, Namespace, Operator, compare, in_namespace_alone};
use serde_json::Value;

use super::scale::ask;

/// Records that are there before, and those that are produced meanwhile.
const BEFORE: usize = 40_000;
const MANY: usize = 70_000;
const A_SECOND: usize = 500;
const LONG: Duration = Duration::from_secs(240);
/// Slow enough that it takes a while.
const SLOWLY: &str = r#"{"autoRebalance":{"throttle":"512Ki","concurrentMoves":2}}"#;

fn rebalance(namespace: &Namespace, within: Duration, look: impl Fn(&Value) -> bool) -> Result<Value> {
    namespace.wait_object("kafkacluster/demo", within, |cluster| {
        let status = &cluster["status"]["rebalance"];
        if look(status) { Ok(status.clone()) } else { Err(status.to_string()) }
    })
}

#[test]
fn a_rebalance_goes_on_after_the_operator_was_killed() -> Result<()> {
    in_namespace_alone("rebalance", |namespace| {
        namespace.demo_cluster()?;
        namespace.orders_topic()?;
        let clients = Clients::start(namespace)?;
        let mut acknowledged = clients.produce_now("orders", 0, BEFORE)?.acknowledged;
        let producer = clients.produce("orders", BEFORE, MANY - BEFORE, A_SECOND)?;
        let began = Instant::now();
        namespace.patch("kafkacluster/demo", SLOWLY)?;
        ask(namespace, 5)?;
        for kill in 1..=2 {
            let status = rebalance(namespace, LONG, |status| {
                let own = status["own"].as_object().is_some_and(|own| !own.is_empty());
                own && status["inFlight"].as_i64() > Some(0)
            })?;
            ensure!(status["throttle"] == 512 << 10, "it is not throttled: {status}");
            eprintln!("rebalance: kill {kill} after {:.1} s at {}", began.elapsed().as_secs_f64(), status["progress"]);
            Operator::leading()?.kill()?;
            Operator::leading()?;
        }
        rebalance(namespace, LONG, |status| {
            let over = status["state"] == "None" && status["own"].is_null() && status["throttle"].is_null();
            over && status["leaders"]["fewest"].as_i64() > Some(0)
        })?;
        eprintln!("rebalance: over after {:.1} s", began.elapsed().as_secs_f64());
        let produced = producer.finish(LONG)?;
        eprintln!("rebalance: longest gap of a partition {:.2} s", produced.gap.as_secs_f64());
        acknowledged.extend(produced.acknowledged);
        namespace.wait_condition("kafkacluster/demo", "InSync", "True", LONG)?;
        as_it_should_be(namespace)?;
        compare(MANY, &acknowledged, &clients.read_all("orders")?)
    })
}

/// Five brokers have their share, no replica shares a zone, the preferred replicas lead, and no throttle is left.
fn as_it_should_be(namespace: &Namespace) -> Result<()> {
    let (_forward, admin) = namespace.admin()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut held: BTreeMap<i32, usize> = BTreeMap::new();
        let racks: BTreeMap<i32, String> = admin
            .describe_cluster()
            .await?
            .brokers
            .into_iter()
            .filter_map(|broker| Some((broker.id, broker.rack?)))
            .collect();
        ensure!(racks.len() == 5, "{racks:?}");
        for topic in admin.list_topics().await? {
            for partition in &topic.partitions {
                let zones: std::collections::BTreeSet<_> = partition.replicas.iter().map(|id| &racks[id]).collect();
                ensure!(zones.len() == partition.replicas.len(), "{} shares a zone: {partition:?}", topic.name);
                ensure!(partition.leader == partition.replicas.first().copied(), "{}: {partition:?}", topic.name);
                partition.replicas.iter().for_each(|id| *held.entry(*id).or_default() += 1);
            }
        }
        let all: usize = held.values().sum();
        // The zone with one broker has a third of it; those of the others share theirs.
        ensure!(held.len() == 5 && held.values().all(|many| many * 8 >= all), "{held:?}");
        ensure!(admin.list_partition_reassignments(None).await?.is_empty(), "something still moves");
        let set = admin.describe_default_broker_configs().await?;
        ensure!(!set.keys().any(|key| key.contains("throttled")), "a rate is left: {set:?}");
        let configs = admin.describe_topic_configs(&["orders".to_owned()]).await?;
        let orders = configs.into_values().next().context("no answer")??;
        let left = orders.iter().find(|e| e.name.contains("throttled") && e.source == ConfigSource::DynamicTopic);
        ensure!(left.is_none(), "replicas are still named: {left:?}");
        Ok(())
    })
}
