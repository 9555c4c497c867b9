//! The operator is killed at each of its failpoints, one after the other, and whatever it was at is picked up.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use odradek_client::features::MetadataVersion;
use odradek_e2e::kubernetes::{Load, Namespace, Operator, OtherImage, in_namespace_alone, kubectl, name};
use odradek_e2e::wait;

use super::scale::{ask, settled};

/// A lease is renewed after 150 s.
const SOON: Duration = Duration::from_secs(240);
const LONG: Duration = Duration::from_secs(600);
const A_SECOND: usize = 500;

/// The operator, and the points at which it was killed.
struct Killer {
    operator: Operator,
    killed: BTreeSet<String>,
}

impl Killer {
    /// Arms a point, does what brings the operator there, and waits until it was killed and another pod leads.
    fn at(&mut self, point: &str, bring: impl FnOnce() -> Result<()>) -> Result<()> {
        let began = Instant::now();
        let before = self.operator.restarts()?;
        self.operator.arm(point)?;
        bring()?;
        wait::until(&format!("the operator comes to {point}"), SOON, || {
            let now = self.operator.restarts().map_err(|error| format!("{error:#}"))?;
            if now > before { Ok(()) } else { Err("it still runs".to_owned()) }
        })?;
        eprintln!("failpoints: {point} after {:.1} s", began.elapsed().as_secs_f64());
        self.killed.insert(point.to_owned());
        // It was started anew at once, and carries on. Another pod follows, for a container that ends often waits.
        self.operator = Operator::leading()?.replaced()?;
        Ok(())
    }
}

fn poke(namespace: &Namespace, object: &str) -> Result<()> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_nanos();
    namespace.kubectl(&["annotate", object, &format!("poked={now}"), "--overwrite"]).map(drop)
}

#[test]
#[ignore = "long: some forty kills of the operator, and images of its own"]
fn the_operator_is_killed_at_every_point_and_all_is_picked_up() -> Result<()> {
    let (_image, operator) = OtherImage::set("odradek/operator:failpoints")?;
    let points: BTreeSet<String> = operator.failpoints()?.into_iter().collect();
    let mut killer = Killer { operator, killed: BTreeSet::new() };
    in_namespace_alone("failpoints", |namespace| {
        creation(namespace, &mut killer)?;
        let mut load = Load::on_orders(namespace, A_SECOND)?;
        rolls(namespace, &mut load, &mut killer)?;
        other_steps(namespace, &mut killer)?;
        controllers(namespace, &mut killer)?;
        scaling(namespace, &mut load, &mut killer)?;
        zones(namespace, &mut load, &mut killer)?;
        topics(namespace, &mut killer)?;
        deletion(namespace, &mut killer)
    })?;
    let missed: Vec<&String> = points.difference(&killer.killed).collect();
    ensure!(missed.is_empty(), "the operator was never killed at {missed:?}");
    eprintln!("failpoints: killed at {} points", killer.killed.len());
    Ok(())
}

fn creation(namespace: &Namespace, killer: &mut Killer) -> Result<()> {
    killer.at("step/before/Create", || namespace.apply_file("examples/cluster.yaml"))?;
    namespace.demo_cluster()?;
    for point in ["observed", "guarded", "told", "carried-out"] {
        killer.at(&format!("cluster/{point}"), || poke(namespace, "kafkacluster/demo"))?;
    }
    killer.at("step/after/Create", || namespace.kubectl(&["delete", "service", "demo-bootstrap"]).map(drop))?;
    wait::until("the service is back", SOON, || {
        namespace.get("service/demo-bootstrap").map(drop).map_err(|error| format!("{error:#}"))
    })?;
    namespace.demo_cluster().map(drop)
}

/// Two rolls under load, the operator killed at each of their steps. What it carries on with before it is armed again is
/// lost for the next point, which then comes with the next pod.
fn rolls(namespace: &Namespace, load: &mut Load<'_>, killer: &mut Killer) -> Result<()> {
    let change = |threads: usize| format!(r#"{{"config":{{"num.network.threads":{threads}}}}}"#);
    let first = ["roll/leased", "step/before/RollPod", "step/after/RollPod"];
    let second =
        ["step/before/ElectLeaders", "step/after/ElectLeaders", "step/before/ReleaseLease", "step/after/ReleaseLease"];
    let rolls = [("step/before/Update", 4, &first[..]), ("step/after/Update", 5, &second[..])];
    for (begin, threads, points) in rolls {
        load.during("failpoints: a roll", || {
            let pods = namespace.pod_uids()?;
            killer.at(begin, || namespace.patch("kafkacluster/demo", &change(threads)))?;
            for point in points {
                killer.at(point, || Ok(()))?;
            }
            namespace.wait_replaced(&pods, LONG)
        })?;
    }
    Ok(())
}

/// Three controllers become one and three again, twice.
fn controllers(namespace: &Namespace, killer: &mut Killer) -> Result<()> {
    for when in ["before", "after"] {
        for (step, many) in [("RemoveVoter", 1), ("AddVoter", 3)] {
            let change = format!(r#"{{"controllers":{{"replicas":{many}}}}}"#);
            killer.at(&format!("step/{when}/{step}"), || namespace.patch("kafkacluster/demo", &change))?;
            namespace.wait_object("kafkacluster/demo", LONG, |cluster| {
                let voters = &cluster["status"]["quorum"]["voters"];
                let done = voters.as_array().is_some_and(|voters| voters.len() == many);
                done.then_some(()).ok_or_else(|| voters.to_string())
            })?;
        }
    }
    Ok(())
}

fn other_steps(namespace: &Namespace, killer: &mut Killer) -> Result<()> {
    for (when, value) in [("before", 3_600_000), ("after", 7_200_000)] {
        let change = format!(r#"{{"config":{{"log.retention.ms":{value}}}}}"#);
        killer.at(&format!("step/{when}/ConfigureBrokers"), || namespace.patch("kafkacluster/demo", &change))?;
    }
    // An object that carries the cluster's labels and owner, and that nothing wants.
    for when in ["before", "after"] {
        let mut stray = namespace.get("configmap/demo-broker-config")?;
        stray["metadata"]["name"] = "stray".into();
        for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
            stray["metadata"].as_object_mut().context("no metadata")?.remove(field);
        }
        killer.at(&format!("step/{when}/Remove"), || namespace.apply(&stray.to_string()))?;
        wait::until("it is gone", SOON, || match namespace.get("configmap/stray") {
            Ok(_) => Err("it is still there".to_owned()),
            Err(_) => Ok(()),
        })?;
    }
    // Volumes grow: their claims, then a new set around the same pods.
    let pods = namespace.pod_uids()?;
    let grow = |size: &str| format!(r#"{{"controllers":{{"storage":{{"size":"{size}"}}}}}}"#);
    let points = ["step/before/ExpandClaim", "step/after/ExpandClaim", "step/before/Recreate", "step/after/Recreate"];
    for (point, size) in points.into_iter().zip(["1100Mi", "1200Mi", "1300Mi", "1400Mi"]) {
        killer.at(point, || namespace.patch("kafkacluster/demo", &grow(size)))?;
        wait::until(&format!("claims have {size}"), SOON, || {
            let claims = namespace.list("persistentvolumeclaims", "odradek.dev/pool=controllers");
            let claims = claims.map_err(|error| format!("{error:#}"))?;
            let small = claims.iter().find(|claim| claim["spec"]["resources"]["requests"]["storage"] != size);
            small.map_or(Ok(()), |claim| Err(name(claim).to_owned()))
        })?;
        namespace.wait_condition("kafkacluster/demo", "Reconciling", "False", SOON)?;
    }
    namespace.wait_condition("kafkacluster/demo", "Ready", "True", SOON)?;
    ensure!(namespace.pod_uids()? == pods, "pods were made anew for what restarts none");
    // A level is raised once in the life of a cluster.
    for when in ["before", "after"] {
        let cluster = format!("kafkacluster/level-{when}");
        namespace.apply(&format!(
            "apiVersion: odradek.dev/v1alpha1\nkind: KafkaCluster\nmetadata: {{ name: level-{when} }}\nspec:\n  \
             metadataVersion: {}\n  nodePools: [{{ name: node, replicas: 1, roles: [controller, broker] }}]\n",
            MetadataVersion::MINIMUM
        ))?;
        namespace.wait_condition(&cluster, "Ready", "True", SOON)?;
        let raise = format!(r#"{{"metadataVersion":"{}"}}"#, MetadataVersion::LATEST);
        killer.at(&format!("step/{when}/UpdateFeatures"), || namespace.patch(&cluster, &raise))?;
        namespace.wait_object(&cluster, SOON, |found| {
            let level = &found["status"]["metadataVersion"];
            (*level == MetadataVersion::LATEST.name()).then_some(()).ok_or_else(|| level.to_string())
        })?;
        namespace.kubectl(&["delete", &cluster, "--timeout=60s"])?;
    }
    Ok(())
}

/// A broker comes and leaves again and again, the operator killed at each step of it.
fn scaling(namespace: &Namespace, load: &mut Load<'_>, killer: &mut Killer) -> Result<()> {
    let rounds = [
        ("step/before/MoveReplicas", "step/before/Leave"),
        ("step/after/MoveReplicas", "leave/leased"),
        ("step/before/Unthrottle", "step/after/Leave"),
        ("step/after/Unthrottle", "step/before/Unregister"),
        ("step/after/MarkClaim", "step/after/Unregister"),
        ("step/before/ElectLeaders", "step/before/MarkClaim"),
    ];
    namespace.patch("kafkacluster/demo", r#"{"autoRebalance":{"throttle":"64Mi"}}"#)?;
    for (coming, leaving) in rounds {
        load.during(&format!("failpoints: {coming}, {leaving}"), || {
            killer.at(coming, || ask(namespace, 4))?;
            settled(namespace, 4)?;
            killer.at(leaving, || ask(namespace, 3))?;
            settled(namespace, 3).map(drop)
        })?;
    }
    Ok(())
}

/// Two brokers of a zone go at once, and one of them has no place for so long that its lease is renewed.
fn zones(namespace: &Namespace, load: &mut Load<'_>, killer: &mut Killer) -> Result<()> {
    ask(namespace, 5)?;
    settled(namespace, 5)?;
    let roll = |threads: usize| {
        format!(r#"{{"rollingUpdate":{{"maxUnavailable":"zone"}},"config":{{"num.network.threads":{threads}}}}}"#)
    };
    for (when, threads) in [("before", 6), ("after", 7)] {
        load.during(&format!("failpoints: a roll by zone, {when}"), || {
            let pods = namespace.pod_uids()?;
            killer.at(&format!("step/{when}/RollZone"), || namespace.patch("kafkacluster/demo", &roll(threads)))?;
            namespace.wait_replaced(&pods, LONG)
        })?;
    }
    let pods = namespace.pod_uids()?;
    let down = namespace.broker_pod(0)?;
    let node = namespace.get(&format!("pod/{down}"))?["spec"]["nodeName"].as_str().context("no node")?.to_owned();
    load.during("failpoints: a lease is renewed", || {
        kubectl(&["cordon", &node])?;
        let killed: Result<()> = (|| {
            for when in ["before", "after"] {
                killer.at(&format!("step/{when}/RenewLease"), || namespace.patch("kafkacluster/demo", &roll(8)))?;
            }
            Ok(())
        })();
        kubectl(&["uncordon", &node])?;
        killed?;
        namespace.wait_replaced(&pods, LONG)
    })
}

fn topics(namespace: &Namespace, killer: &mut Killer) -> Result<()> {
    let yaml = std::fs::read_to_string(odradek_e2e::tools::root().join("examples/topic.yaml"))?;
    for (at, point) in ["topic/observed", "topic/guarded", "topic/before/create", "topic/after/create", "topic/told"]
        .iter()
        .enumerate()
    {
        let topic = format!("topic-{at}");
        killer.at(point, || namespace.apply(&yaml.replace("name: orders", &format!("name: {topic}"))))?;
        namespace.wait_condition(&format!("kafkatopic/{topic}"), "Ready", "True", SOON)?;
    }
    let mut partitions = 12;
    for when in ["before", "after"] {
        let retention = if when == "before" { 1_000_000 } else { 2_000_000 };
        partitions += 2;
        let changes = [
            ("grow", format!(r#"{{"partitions":{partitions}}}"#)),
            ("configure", format!(r#"{{"config":{{"retention.ms":{retention}}}}}"#)),
            ("reassign", format!(r#"{{"replicas":{}}}"#, if when == "before" { 2 } else { 3 })),
        ];
        for (step, change) in changes {
            let point = format!("topic/{when}/{step}");
            killer.at(&point, || namespace.patch("kafkatopic/topic-0", &change))?;
            let done = namespace.wait_condition("kafkatopic/topic-0", "Ready", "True", SOON)?;
            ensure!(done["status"]["replicasChange"].is_null(), "{done}");
        }
    }
    let topic = namespace.get("kafkatopic/topic-0")?;
    ensure!(topic["status"]["partitions"] == 16 && topic["status"]["replicas"] == 3, "{topic}");
    Ok(())
}

fn deletion(namespace: &Namespace, killer: &mut Killer) -> Result<()> {
    for (point, topic) in [("topic/finalize/begun", "topic-1"), ("topic/finalize/deleted", "topic-2")] {
        killer.at(point, || namespace.kubectl(&["delete", "kafkatopic", topic, "--wait=false"]).map(drop))?;
        namespace.kubectl(&["wait", "--for=delete", &format!("kafkatopic/{topic}"), "--timeout=60s"])?;
    }
    // A cluster whose claims go with it is held until they are gone.
    for part in ["sets-deleted", "claims-deleted"] {
        let cluster = format!("kafkacluster/{part}");
        namespace.apply(&format!(
            "apiVersion: odradek.dev/v1alpha1\nkind: KafkaCluster\nmetadata: {{ name: {part} }}\nspec:\n  \
             nodePools: [{{ name: node, replicas: 1, roles: [controller, broker], storage: {{ deleteClaim: true }} }}]\n"
        ))?;
        namespace.wait_condition(&cluster, "Ready", "True", SOON)?;
        let delete = ["delete", &cluster, "--wait=false"];
        killer.at(&format!("finalize/{part}"), || namespace.kubectl(&delete).map(drop))?;
        namespace.kubectl(&["wait", "--for=delete", &cluster, "--timeout=60s"])?;
        let claims = namespace.list("persistentvolumeclaims", &format!("odradek.dev/cluster={part}"))?;
        ensure!(claims.is_empty(), "claims are left: {claims:?}");
    }
    namespace.kubectl(&["delete", "kafkacluster", "demo", "--timeout=60s"])?;
    namespace.kubectl(&["delete", "kafkatopic", "--all", "--timeout=60s"]).map(drop)
}
