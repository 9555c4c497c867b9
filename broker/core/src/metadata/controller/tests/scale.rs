//! A decision on a broker costs its own partitions, and not all (M2).

use super::Cluster;

#[test]
fn fencing_a_broker_costs_its_own_partitions() {
    let mut cluster = Cluster::of(4);
    // 4 leads 10 of 2,010 partitions, and follows in none of the others.
    cluster.create_on("own", &[&[4, 1][..]; 10]);
    cluster.create_on("others", &[&[1, 2, 3][..]; 2_000]);
    let before = cluster.controller.examined_partitions();
    let alive: Vec<i32> = vec![1, 2, 3];
    cluster.pass_with(9_000, &alive);
    assert!(cluster.committed.broker(4).unwrap().fenced);
    assert_eq!(cluster.controller.examined_partitions() - before, 10);
    let before = cluster.controller.examined_partitions();
    cluster.start(4);
    assert_eq!(cluster.controller.examined_partitions() - before, 0, "it waits for the leaders");
}

/// A controller that takes over has the image already and judges nothing anew; one that finds a broker dead pays for that
/// broker's partitions.
#[test]
fn taking_over_costs_no_partition_that_nothing_happened_to() {
    let mut cluster = Cluster::of(4);
    cluster.create_on("own", &[&[4, 1][..]; 10]);
    for part in 0..5 {
        cluster.create_on(&format!("others-{part}"), &[&[1, 2, 3][..]; 2_000]);
    }
    cluster.fail_over();
    assert_eq!(cluster.controller.examined_partitions(), 0);
    cluster.pass_with(3_000, &[1, 2, 3, 4]);
    assert_eq!(cluster.controller.examined_partitions(), 0, "all are alive");
    cluster.fail_over();
    cluster.pass_with(10_000, &[1, 2, 3]);
    assert!(cluster.committed.broker(4).unwrap().fenced);
    assert_eq!(cluster.controller.examined_partitions(), 10);
}
