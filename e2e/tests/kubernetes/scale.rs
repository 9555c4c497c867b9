//! A cluster that grows, shrinks and follows its zones, under load, record by record.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use odradek_e2e::kubernetes::{
    AddedNode, Load, Namespace, cluster_tool, condition, in_namespace, in_namespace_alone, name, node_in,
};
use odradek_e2e::tools::root;
use odradek_e2e::wait;
use serde_json::Value;

/// A change of the number of brokers, with what has to be moved.
const LONG: Duration = Duration::from_secs(240);
const A_SECOND: usize = 500;
const CLAIMS: &str = "odradek.dev/cluster=demo,odradek.dev/pool=broker";

/// `examples/cluster.yaml`.
fn example() -> Result<String> {
    Ok(std::fs::read_to_string(root().join("examples/cluster.yaml"))?)
}

/// Asks for so many brokers.
pub(super) fn ask(namespace: &Namespace, replicas: i32) -> Result<()> {
    let patch = format!(r#"[{{"op":"replace","path":"/spec/nodePools/0/replicas","value":{replicas}}}]"#);
    namespace.kubectl(&["patch", "kafkacluster/demo", "--type", "json", "--patch", &patch]).map(drop)
}

/// Waits until there are exactly so many brokers and nothing is left to do.
pub(super) fn settled(namespace: &Namespace, brokers: usize) -> Result<Value> {
    let began = Instant::now();
    let cluster = namespace.wait_object("kafkacluster/demo", LONG, |cluster| {
        let status = &cluster["status"];
        let current = status["observedGeneration"] == cluster["metadata"]["generation"];
        let is = |type_: &str, value: &str| condition(cluster, type_).is_some_and(|c| c["status"] == value);
        let there = status["brokersReady"] == format!("{brokers}/{brokers}");
        let calm = is("Ready", "True") && is("InSync", "True") && is("Reconciling", "False");
        if current && there && calm { Ok(cluster.clone()) } else { Err(status.to_string()) }
    })?;
    eprintln!("scale: {brokers} brokers after {:.1} s", began.elapsed().as_secs_f64());
    Ok(cluster)
}

/// Goes to so many brokers under load.
fn go_to(load: &mut Load<'_>, namespace: &Namespace, replicas: usize) -> Result<()> {
    load.during(&format!("scale: to {replicas} brokers"), || {
        ask(namespace, i32::try_from(replicas)?)?;
        settled(namespace, replicas).map(drop)
    })
}

/// Where replicas are: topic, partition, broker.
pub(super) type Replicas = BTreeSet<(String, i32, i32)>;

/// The ids of the brokers by what the brokers themselves say, and all replicas.
pub(super) fn replicas(namespace: &Namespace) -> Result<(BTreeSet<i32>, Replicas)> {
    let (_forward, admin) = namespace.admin()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let brokers = runtime.block_on(admin.describe_cluster())?.brokers.iter().map(|broker| broker.id).collect();
    let topics = runtime.block_on(admin.list_topics())?;
    let mut replicas = Replicas::new();
    for topic in &topics {
        for partition in &topic.partitions {
            replicas.extend(partition.replicas.iter().map(|id| (topic.name.clone(), partition.partition, *id)));
        }
    }
    Ok((brokers, replicas))
}

/// The brokers, and how many replicas each has.
fn brokers(namespace: &Namespace) -> Result<BTreeMap<i32, usize>> {
    let (ids, replicas) = replicas(namespace)?;
    let mut brokers: BTreeMap<i32, usize> = ids.into_iter().map(|id| (id, 0)).collect();
    for (_, _, id) in &replicas {
        *brokers.get_mut(id).with_context(|| format!("{id} holds replicas and is not registered"))? += 1;
    }
    Ok(brokers)
}

fn ids(namespace: &Namespace) -> Result<Vec<i32>> {
    Ok(brokers(namespace)?.into_keys().collect())
}

/// The claims of the brokers with their UIDs, and whether they are marked as those of brokers that left.
fn claims(namespace: &Namespace) -> Result<BTreeMap<String, (String, bool)>> {
    let claims = namespace.list("persistentvolumeclaims", CLAIMS)?;
    let of = |claim: &Value| {
        let left = claim["metadata"]["annotations"]["odradek.dev/left"].is_string();
        (name(claim).to_owned(), (claim["metadata"]["uid"].as_str().unwrap_or_default().to_owned(), left))
    };
    Ok(claims.iter().map(of).collect())
}

fn left(namespace: &Namespace) -> Result<Vec<String>> {
    let claims = claims(namespace)?;
    Ok(claims.into_iter().filter(|(_, (_, left))| *left).map(|(name, _)| name).collect())
}

#[test]
fn three_become_five_and_three_again_under_load() -> Result<()> {
    in_namespace("scale", |namespace| {
        namespace.demo_cluster()?;
        let mut load = Load::on_orders(namespace, A_SECOND)?;
        let (_, before) = replicas(namespace)?;
        load.during("scale: three brokers to five", || {
            ask(namespace, 5)?;
            settled(namespace, 5)?;
            ensure!(ids(namespace)? == [0, 1, 1000, 1001, 2000], "{:?}", ids(namespace)?);
            wait::until("every broker holds replicas", LONG, || match brokers(namespace) {
                Ok(held) if held.values().all(|replicas| *replicas > 0) => Ok(()),
                other => Err(format!("{other:?}")),
            })?;
            settled(namespace, 5).map(drop)
        })?;
        // The least that fills them: each copy went to one that came.
        let (_, after) = replicas(namespace)?;
        let copied: Vec<_> = after.difference(&before).collect();
        ensure!(copied.iter().all(|(_, _, id)| [1, 1001].contains(id)), "copies among brokers that stay: {copied:?}");
        eprintln!("scale: {} of {} replicas were copied, all to brokers that came", copied.len(), after.len());
        go_to(&mut load, namespace, 3)?;
        ensure!(ids(namespace)? == [0, 1000, 2000], "{:?}", ids(namespace)?);
        ensure!(left(namespace)? == ["data-demo-broker-zone-a-1", "data-demo-broker-zone-b-1001"]);
        Ok(())
    })
}

#[test]
fn fewer_brokers_than_replicas_is_told_and_begins_nothing() -> Result<()> {
    in_namespace("scale-blocked", |namespace| {
        namespace.demo_cluster()?;
        namespace.orders_topic()?;
        let pods = namespace.pod_uids()?;
        ask(namespace, 2)?;
        namespace.wait_object("kafkacluster/demo", LONG, |cluster| {
            let stalled = condition(cluster, "Stalled").ok_or("no condition Stalled")?;
            let message = stalled["message"].as_str().unwrap_or_default();
            let told = stalled["reason"] == "ScaleDownBlocked" && message.contains("orders has 3");
            if told { Ok(()) } else { Err(stalled.to_string()) }
        })?;
        // What else the spec says goes on.
        namespace.patch("kafkacluster/demo", r#"{"config":{"log.retention.ms":86400000}}"#)?;
        wait::until("the configuration is set", LONG, || {
            let (_forward, admin) = namespace.admin().map_err(|error| format!("{error:#}"))?;
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
            let set = runtime.block_on(admin.describe_default_broker_configs()).map_err(|error| error.to_string())?;
            let is = set.get("log.retention.ms").cloned().flatten();
            if is.as_deref() == Some("86400000") { Ok(()) } else { Err(format!("{set:?}")) }
        })?;
        ensure!(namespace.pod_uids()? == pods, "pods went although nothing may");
        // Taken back, it is as if it had not been.
        ask(namespace, 3)?;
        settled(namespace, 3)?;
        ensure!(namespace.pod_uids()? == pods);
        let zero =
            example()?.replacen("    - name: broker\n      replicas: 3", "    - name: broker\n      replicas: 0", 1);
        let zero = namespace.refused(&zero)?;
        ensure!(zero.contains("a pool has at least one node"), "{zero}");
        Ok(())
    })
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn the_same_ids_and_volumes_come_back() -> Result<()> {
    in_namespace("scale-again", |namespace| {
        namespace.demo_cluster()?;
        let mut load = Load::on_orders(namespace, A_SECOND)?;
        go_to(&mut load, namespace, 5)?;
        let first = claims(namespace)?;
        ensure!(first.len() == 5 && left(namespace)?.is_empty(), "{first:?}");
        for _ in 0..2 {
            go_to(&mut load, namespace, 3)?;
            ensure!(left(namespace)?.len() == 2);
            go_to(&mut load, namespace, 5)?;
            ensure!(claims(namespace)? == first, "{:?} and {first:?}", claims(namespace)?);
            ensure!(ids(namespace)? == [0, 1, 1000, 1001, 2000], "{:?}", ids(namespace)?);
        }
        go_to(&mut load, namespace, 3)?;
        Ok(())
    })
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn one_zone_becomes_three() -> Result<()> {
    in_namespace_alone("scale-zones", |namespace| {
        let example = example()?;
        let in_zones = |zones: &str| example.replacen("spec:\n", &format!("spec:\n  rack:\n    zones: [{zones}]\n"), 1);
        namespace.apply(&in_zones("zone-a"))?;
        namespace.wait_condition("kafkacluster/demo", "Ready", "True", LONG)?;
        ensure!(ids(namespace)? == [0, 1, 2], "{:?}", ids(namespace)?);
        let mut load = Load::on_orders(namespace, A_SECOND)?;
        let cluster = load.during("scale: one zone to three", || {
            namespace.apply(&in_zones("zone-a, zone-b, zone-c"))?;
            settled(namespace, 3)
        })?;
        let of = |broker: &Value| broker["rack"].as_str().unwrap_or_default().to_owned();
        let racks: BTreeSet<String> =
            cluster["status"]["brokers"].as_array().context("brokers")?.iter().map(of).collect();
        ensure!(racks.len() == 3, "{racks:?}");
        let there = brokers(namespace)?;
        ensure!(
            there.len() == 3 && there.contains_key(&0) && there.values().all(|replicas| *replicas > 0),
            "{there:?}"
        );
        Ok(())
    })
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn pools_are_added_renamed_and_removed() -> Result<()> {
    in_namespace("scale-pools", |namespace| {
        namespace.demo_cluster()?;
        let mut load = Load::on_orders(namespace, A_SECOND)?;
        let pools = |pools: &[(&str, i32)]| {
            let of = |(pool, replicas): &(&str, i32)| {
                let same = r#""resources":{"requests":{"cpu":"100m","memory":"128Mi"},"limits":{"memory":"512Mi"}},
                    "storage":{"type":"persistent-claim","size":"1Gi"}"#;
                format!(r#"{{"name":"{pool}","replicas":{replicas},{same}}}"#)
            };
            let pools: Vec<String> = pools.iter().map(of).collect();
            namespace.patch("kafkacluster/demo", &format!(r#"{{"nodePools":[{}]}}"#, pools.join(",")))
        };
        let mut go_to = |what: &str, wanted: &[(&str, i32)], brokers: usize| {
            load.during(what, || {
                pools(wanted)?;
                settled(namespace, brokers).map(drop)
            })
        };
        go_to("scale: a pool more", &[("broker", 3), ("more", 1)], 4)?;
        // Renamed: the new pool is made first, and the old ones leave.
        go_to("scale: other pools", &[("other", 3)], 3)?;
        let there = brokers(namespace)?;
        ensure!(there.keys().all(|id| *id >= 5000) && there.values().all(|replicas| *replicas > 0), "{there:?}");
        let sets = namespace.list("statefulsets", "odradek.dev/cluster=demo")?;
        let sets: Vec<&str> = sets.iter().map(name).collect();
        let wanted = ["demo-controller", "demo-other-zone-a", "demo-other-zone-b", "demo-other-zone-c"];
        ensure!(sets == wanted, "{sets:?}");
        // The volumes of a pool that is gone are kept, and bring its ids back.
        ensure!(left(namespace)?.len() == 3);
        go_to("scale: the pool of before", &[("broker", 3)], 3)?;
        ensure!(ids(namespace)? == [0, 1000, 2000], "{:?}", ids(namespace)?);
        Ok(())
    })
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_zone_that_is_lost_moves_nothing_and_comes_back() -> Result<()> {
    in_namespace_alone("scale-lost", |namespace| {
        namespace.demo_cluster()?;
        let mut load = Load::on_orders(namespace, A_SECOND)?;
        let before = brokers(namespace)?;
        // The clients' pod is not in the zone that goes.
        let at = namespace.get("pod/client")?["spec"]["nodeName"].clone();
        let nodes = ["zone-a", "zone-b", "zone-c"].map(node_in).into_iter().collect::<Result<Vec<String>>>()?;
        let lost = nodes.into_iter().find(|node| at != node.as_str()).context("a zone without the clients")?;
        load.during("scale: a zone is lost and comes back", || {
            cluster_tool(&["stop-node", &lost])?;
            // Some 40 s until Kubernetes says so, and longer where the operator is in that zone too.
            let outcome = namespace.wait_condition("kafkacluster/demo", "InSync", "False", LONG);
            // Long enough for whatever would move replicas.
            std::thread::sleep(Duration::from_secs(20));
            let meanwhile =
                wait::until("the brokers are asked", LONG, || brokers(namespace).map_err(|error| format!("{error:#}")));
            cluster_tool(&["start-node", &lost])?;
            outcome?;
            ensure!(meanwhile? == before, "replicas were moved");
            settled(namespace, 3).map(drop)
        })?;
        ensure!(brokers(namespace)? == before, "{:?} and {before:?}", brokers(namespace)?);
        Ok(())
    })
}

/// A zone whose name is no name of a StatefulSet.
const NEW_ZONE: &str = "Zone_D.1";

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_new_zone_is_used_once_the_spec_says_so() -> Result<()> {
    in_namespace_alone("scale-new-zone", |namespace| {
        namespace.demo_cluster()?;
        namespace.orders_topic()?;
        let _node = AddedNode::in_zone(NEW_ZONE)?;
        ask(namespace, 4)?;
        settled(namespace, 4)?;
        ensure!(ids(namespace)? == [0, 1, 1000, 2000], "a zone was used that nobody named: {:?}", ids(namespace)?);
        let zones = |zones: &str| namespace.patch("kafkacluster/demo", &format!(r#"{{"rack":{{"zones":[{zones}]}}}}"#));
        zones(&format!(r#""zone-a","zone-b","zone-c","{NEW_ZONE}""#))?;
        let cluster = settled(namespace, 4)?;
        let in_new = |broker: &&Value| broker["rack"] == NEW_ZONE;
        let there = cluster["status"]["brokers"].as_array().context("brokers")?.iter().filter(in_new).count();
        ensure!(there == 1, "{}", cluster["status"]["brokers"]);
        ensure!(ids(namespace)? == [0, 1000, 2000, 4000], "{:?}", ids(namespace)?);
        // And out of it again, before its node goes.
        zones(r#""zone-a","zone-b","zone-c""#)?;
        settled(namespace, 4)?;
        ensure!(ids(namespace)? == [0, 1, 1000, 2000], "{:?}", ids(namespace)?);
        Ok(())
    })
}
