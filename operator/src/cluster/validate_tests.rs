use odradek_crds::KafkaCluster;

use super::*;
use crate::cluster::fixtures::{IMAGE, all_there, cluster, nothing, valid, with_pins};

fn refused(cluster: &KafkaCluster, observed: &Observed) -> Vec<String> {
    let refusals = validate(cluster, observed, IMAGE).expect_err("refused");
    refusals.iter().map(|r| format!("{} {r}", r.reason.as_str())).collect()
}

/// What the next reconcile reads of a cluster that was made.
fn made(spec: &str) -> Observed {
    with_pins(&valid(spec), all_there(&valid(spec)))
}

#[test]
fn a_new_cluster_takes_its_id_from_its_uid() {
    let first = valid("{}");
    assert_eq!(first.cluster_id, "ASNFZ4mrTe-BI0VniavN7w");
    assert_eq!(first.zones, ["zone-a", "zone-b", "zone-c"]);
    assert_eq!(first.image, IMAGE);
    assert_eq!(first.version, "dev");
}

#[test]
fn what_is_written_on_the_claims_wins() {
    let mut observed = nothing();
    observed.pins = made("{}").pins;
    for pin in &mut observed.pins {
        pin.identity.cluster_id = "kept".to_owned();
    }
    let again = validate(&cluster("{}"), &observed, IMAGE).expect("valid");
    assert_eq!(again.cluster_id, "kept");
    let ids: Vec<i32> = again.all_pools().flat_map(|p| &p.sets).flat_map(SetLayout::ids).collect();
    assert_eq!(ids, [0, 1000, 2000, 3000, 3001, 3002]);
}

#[test]
fn what_cannot_work_is_refused_with_its_field() {
    let running = made("{}");
    let two_ids = {
        let mut observed = made("{}");
        observed.pins[0].identity.cluster_id = "other".to_owned();
        observed
    };
    // Nothing says what the pods of a pool were made of when only its claims are there.
    let mut claims_only = made("{}");
    claims_only.sets.clear();
    insta::assert_yaml_snapshot!([
        refused(&cluster("config: { num.io.thread: 8 }"), &running),
        refused(&cluster("config: { log.retention.ms: soon, broker.rack: a }"), &running),
        refused(&cluster("config: { min.insync.replicas: 4 }"), &running),
        refused(&cluster("config: { default.replication.factor: 5 }"), &running),
        refused(&cluster("nodePools: [{ name: other, replicas: 3 }]"), &claims_only),
        refused(&cluster("nodePools: [{ name: broker, storage: { size: 5Gi } }]"), &running),
        refused(&cluster("nodePools: [{ name: broker, storage: { type: ephemeral } }]"), &running),
        refused(&cluster("controllers: { storage: { size: 500Mi } }"), &running),
        refused(&cluster("rack: { zones: [zone-a, -b] }"), &running),
        refused(&cluster("listeners: [{ name: x, port: 9094, type: loadbalancer }]"), &nothing()),
        refused(&cluster("{}"), &Observed::default()),
        refused(&cluster("{}"), &two_ids),
    ]);
}

#[test]
fn a_removed_pool_is_known_until_its_brokers_have_left() {
    let renamed = "nodePools: [{ name: other, replicas: 3 }]";
    let after = validate(&cluster(renamed), &made("{}"), IMAGE).expect("valid");
    let pools: Vec<_> = after.pools.iter().map(|pool| (pool.name.as_str(), pool.replicas())).collect();
    assert_eq!(pools, [("other", 3), ("broker", 3)]);
    assert_eq!(after.leaving().into_iter().collect::<Vec<_>>(), [0, 1000, 2000]);
    let before = &valid("{}").pools[0];
    let removed = &after.pools[1];
    assert_eq!((&removed.storage, &removed.declared), (&before.storage, &before.declared));
}

#[test]
fn nothing_moves_when_nothing_changes() {
    let again = validate(&cluster("{}"), &made("{}"), IMAGE).expect("valid");
    assert_eq!(again, valid("{}"));
}

#[test]
fn a_bad_value_is_read_and_refused_not_a_broken_resource() {
    let nested = cluster("config: { log.dirs.x: { a: 1 }, num.io.threads: [1] }");
    assert_eq!(refused(&nested, &nothing()).len(), 2);
}
