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
