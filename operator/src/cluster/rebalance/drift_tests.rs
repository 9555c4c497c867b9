use std::collections::BTreeSet;

use k8s_openapi::jiff::SignedDuration;
use odradek_crds::RebalanceState;

use super::{
    tests::{SIX, arrived, batch, begun, blocked, look, with_sizes},
    *,
};
use crate::{
    cluster::{
        fixtures::{all_there, valid, with_view},
        observe::KafkaState,
    },
    kafka::PartitionView,
};

/// Six brokers in three zones, each of eight partitions on one of each zone; the broker runs in this zone.
fn in_zone(spec: &str, id: i32, zone: &str) -> (Validated, Observed) {
    let cluster = valid(&format!("{{ {SIX}{spec} }}"));
    let mut observed = with_view(all_there(&cluster), |view| {
        let partition = |n: i32| PartitionView {
            topic: "t".to_owned(),
            partition: n,
            leader: Some(n % 2),
            replicas: vec![n % 2, 1000 + n / 2 % 2, 2000 + n / 4],
            in_sync: vec![n % 2, 1000 + n / 2 % 2, 2000 + n / 4],
        };
        view.partitions = (0..8).map(partition).collect();
    });
    runs_in(&mut observed, id, zone);
    (cluster, with_sizes(observed, 1 << 20, 1 << 40))
}

fn runs_in(observed: &mut Observed, id: i32, zone: &str) {
    for pod in observed.pods.iter_mut().filter(|pod| pod.broker && pod.id == id) {
        pod.zone = Some(zone.to_owned());
    }
}

fn later(observed: Observed, told: &Rebalance, seconds: i64) -> Observed {
    let mut observed = begun(observed, told);
    observed.now += SignedDuration::from_secs(seconds);
    observed
}

#[test]
fn replicas_that_share_a_zone_since_a_label_changed_are_moved_once_it_lasted() {
    // What was in zone-b with broker 1000 is in zone-a: of four partitions two replicas are.
    let (cluster, observed) = in_zone("", 1000, "zone-a");
    let told = look(&cluster, &observed);
    assert_eq!((told.steps.len(), told.status.state), (0, RebalanceState::None));
    assert_eq!(told.status.zones.len(), 1, "{:?}", told.status);
    let mut observed = later(observed, &told, 299);
    let told = look(&cluster, &observed);
    assert_eq!(told.steps, []);
    // One that is behind holds it up.
    observed = later(observed, &told, 1);
    let behind = with_view(observed.clone(), |view| view.partitions[7].in_sync = vec![1]);
    assert!(blocked(&look(&cluster, &behind)).contains("t-7 among them"));
    let told = look(&cluster, &observed);
    assert_eq!(told.status.zones[0].counts_as.as_deref(), Some("zone-a"));
    let message = told.status.message.clone().expect("told");
    assert_eq!(message, "4 partitions share a zone by where brokers run (1000 in zone-a)");
    assert!(told.status.moves[0].reason.contains("2 replicas are in rack zone-a"), "{:?}", told.status.moves);
    for _ in 0..9 {
        let told = look(&cluster, &observed);
        observed = arrived(later(observed, &told, 1), 9);
    }
    let told = look(&cluster, &observed);
    assert_eq!((told.steps.len(), told.status.state), (0, RebalanceState::None), "{told:#?}");
    let KafkaState::View(view) = &observed.kafka else { panic!() };
    let zone = |id: &i32| if *id == 1000 { 0 } else { id / 1000 };
    for partition in &view.partitions {
        let zones: BTreeSet<i32> = partition.replicas.iter().map(zone).collect();
        assert_eq!(zones.len(), 3, "{partition:?}");
    }
    // The label comes back: once that lasted too, what shares zone-b for it is moved.
    runs_in(&mut observed, 1000, "zone-b");
    let told = look(&cluster, &observed);
    assert_eq!((told.steps.len(), told.status.zones.len()), (0, 1));
    observed = later(observed, &told, 300);
    for _ in 0..9 {
        let told = look(&cluster, &observed);
        observed = arrived(later(observed, &told, 1), 9);
    }
    let told = look(&cluster, &observed);
    assert_eq!((told.steps.len(), told.status.zones.len()), (0, 0), "{:#?}", told.status);
    let KafkaState::View(view) = &observed.kafka else { panic!() };
    for partition in &view.partitions {
        let zones: BTreeSet<i32> = partition.replicas.iter().map(|id| id / 1000).collect();
        assert_eq!(zones.len(), 3, "{partition:?}");
    }
}

#[test]
fn drift_waits_for_an_approval_and_a_zone_with_another_name_moves_nothing() {
    let (cluster, observed) = in_zone(", autoRebalance: { mode: manual }", 1000, "zone-a");
    let told = look(&cluster, &observed);
    let told = look(&cluster, &later(observed, &told, 300));
    assert_eq!(told.status.state, RebalanceState::WaitingForApproval);
    let hash = told.status.hash.expect("a hash");
    let (cluster, observed) =
        in_zone(&format!(", autoRebalance: {{ mode: manual, approved: '{hash}' }}"), 1000, "zone-a");
    let told = look(&cluster, &observed);
    batch(&look(&cluster, &later(observed, &told, 300)));
    // The whole of zone-b is called zone-x now: nothing shares a zone.
    let (cluster, mut observed) = in_zone("", 1000, "zone-x");
    runs_in(&mut observed, 1001, "zone-x");
    let told = look(&cluster, &observed);
    let told = look(&cluster, &later(observed, &told, 300));
    assert_eq!((told.steps.len(), told.status.state, told.status.zones.len()), (0, RebalanceState::None, 2));
}
