use std::sync::Arc;

use odradek_crds::RebalanceState;

use super::*;
use crate::{
    cluster::fixtures::{all_there, valid, with_view},
    kafka::{DiskUse, KafkaFailure, PartitionView, Reassigning, ReplicaSizes},
};

pub(super) const SIX: &str = "nodePools: [{ name: broker, replicas: 6 }]";
pub(super) const OLD: [i32; 3] = [0, 1000, 2000];

/// Six brokers of which three just came, and eight partitions of 1 MiB on the others.
pub(super) fn grown(more: &str) -> (Validated, Observed) {
    let cluster = valid(&format!("{{ {SIX}{more} }}"));
    let observed = with_view(all_there(&cluster), |view| {
        let partition = |n: i32| PartitionView {
            topic: "t".to_owned(),
            partition: n,
            leader: Some(OLD[0]),
            replicas: OLD.to_vec(),
            in_sync: OLD.to_vec(),
        };
        view.partitions = (0..8).map(partition).collect();
    });
    (cluster, with_sizes(observed, 1 << 20, 1 << 40))
}

pub(super) fn with_sizes(mut observed: Observed, bytes: u64, free: u64) -> Observed {
    let mut sizes = ReplicaSizes::default();
    sizes.bytes.extend((0..8).map(|n| (("t".to_owned(), n), bytes)));
    sizes.disks.extend([0, 1, 1000, 1001, 2000, 2001].map(|id| (id, DiskUse { size: free, free })));
    observed.moves.sizes = Sizes::Known(Arc::new(sizes));
    observed
}

pub(super) fn look(cluster: &Validated, observed: &Observed) -> Rebalance {
    rebalance(cluster, observed, None)
}

pub(super) fn batch(told: &Rebalance) -> &MoveBatch {
    let found = told.steps.iter().find_map(|step| match &step.action {
        Action::MoveReplicas(batch) if step.blocked_by.is_none() => Some(batch),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("nothing moves: {told:#?}"))
}

pub(super) fn blocked(told: &Rebalance) -> &str {
    let found = told.steps.iter().find_map(|step| step.blocked_by.as_deref());
    found.unwrap_or_else(|| panic!("nothing is blocked: {told:#?}"))
}

#[test]
fn new_brokers_get_their_share_throttled_and_bounded() {
    let (cluster, observed) = grown(", autoRebalance: { throttle: 1Mi, concurrentMoves: 2 }");
    let told = look(&cluster, &observed);
    let batch = batch(&told);
    assert_eq!(batch.rate.len(), 2);
    // All are led by one broker, which sends two at a time; those that only get another leader copy nothing.
    let copied: usize = batch.begun.throttled.values().map(|partitions| partitions.len()).sum();
    assert_eq!(copied, 2, "{told:#?}");
    let own = Own::read(&told.status.own);
    assert_eq!(own.iter().count(), batch.begun.moves.len());
    let status = &told.status;
    assert_eq!((status.state, &status.filling[..]), (RebalanceState::Moving, &[1, 1001, 2001][..]));
    assert_eq!(status.throttle, Some(1 << 20));
    assert!(status.moves[0].reason.contains("its share is 4"), "{:?}", status.moves[0]);
    assert_eq!(status.bytes_total, Some(12 << 20), "{status:?}");
    let leaders = status.leaders.clone().expect("told");
    assert_eq!((leaders.not_preferred, leaders.fewest, leaders.most), (0, 0, 8));
}

#[test]
fn a_calm_cluster_is_left_alone_and_asks_nothing() {
    let cluster = valid(&format!("{{ {SIX} }}"));
    let told = look(&cluster, &all_there(&cluster));
    assert_eq!((told.steps, told.status.state), (Vec::new(), RebalanceState::None));
}

#[test]
fn manual_waits_for_its_hash() {
    let (cluster, observed) = grown(", autoRebalance: { mode: manual }");
    let told = look(&cluster, &observed);
    let hash = told.status.hash.clone().expect("a hash");
    assert_eq!(told.status.state, RebalanceState::WaitingForApproval);
    assert_eq!(blocked(&told), format!("spec.autoRebalance.approved has to be {hash}"));
    assert_eq!((told.status.moves.len(), told.status.throttle), (10.min(told.status.moves.len()), None));
    assert!(told.status.own.is_empty());
    let (cluster, observed) = grown(&format!(", autoRebalance: {{ mode: manual, approved: '{hash}' }}"));
    batch(&look(&cluster, &observed));
}

#[test]
fn what_cannot_be_says_so_in_numbers() {
    let (cluster, observed) = grown("");
    let told = |observed: &Observed| look(&cluster, observed);
    let behind = with_view(observed.clone(), |view| view.partitions[3].in_sync = vec![0]);
    assert!(blocked(&told(&behind)).contains("1 partitions are not in sync, t-3 among them"));
    let away = with_view(observed.clone(), |view| view.brokers.retain(|id| *id != 1000));
    assert!(blocked(&told(&away)).contains("broker 1000 does not serve"));
    let mut silent = observed.clone();
    silent.moves.sizes = Sizes::Failed(KafkaFailure::Unreachable("cut".to_owned()));
    assert!(blocked(&told(&silent)).contains("cut"));
    let rolls = rebalance(&cluster, &observed, Some("a roll goes first".to_owned()));
    assert_eq!((blocked(&rolls), rolls.status.state), ("a roll goes first", RebalanceState::Waiting));
    // Nothing may stay on a broker that is no part of the cluster, and there is no room.
    let gone = with_view(observed, |view| view.partitions[2].replicas = vec![0, 1000, 3000]);
    let full = with_sizes(gone, 1 << 20, 1 << 10);
    let told = told(&full);
    assert_eq!(told.status.state, RebalanceState::Blocked);
    assert!(blocked(&told).contains("No disk has room for partition t-2 of 1048576 bytes"), "{}", blocked(&told));
    assert!(told.status.own.is_empty());
}

#[test]
fn what_nobody_wants_any_more_is_taken_back_and_what_others_began_is_not() {
    let cluster = valid(&format!("{{ {SIX} }}"));
    let (_, observed) = grown("");
    let mut observed = with_view(observed, |view| {
        for (n, partition) in view.partitions.iter_mut().enumerate() {
            let zone = |id: i32| if n % 2 == 0 { id } else { id + 1 };
            partition.replicas = OLD.map(zone).to_vec();
            partition.in_sync = partition.replicas.clone();
            partition.leader = partition.replicas.first().copied();
        }
        for n in [0, 2] {
            view.partitions[n].replicas.insert(0, 1);
            let way = Reassigning { adding: vec![1], removing: vec![0] };
            view.moving.insert(("t".to_owned(), i32::try_from(n).expect("small")), way);
        }
    });
    observed.moves.remembered.own.insert("t".to_owned(), "0".to_owned());
    let told = look(&cluster, &observed);
    let [one] = &batch(&told).begun.moves[..] else { panic!("{told:#?}") };
    assert_eq!((one.partition, &one.replicas), (0, &None));
    assert_eq!(told.status.in_flight, Some(2));
}

#[test]
fn what_is_over_is_led_by_its_first_replica_and_throttled_no_more() {
    let cluster = valid(&format!("{{ {SIX}, autoRebalance: {{ throttle: 1Mi }} }}"));
    let mut observed = with_view(all_there(&cluster), |view| {
        let one = &mut view.partitions[0];
        (one.replicas, one.in_sync, one.leader) = (vec![1, 1000, 2000], vec![1000, 2000, 1], Some(1000));
        for key in throttle::RATES {
            view.config.insert(key.to_owned(), Some((1 << 20).to_string()));
        }
    });
    let memory = &mut observed.moves.remembered;
    memory.own.insert("orders".to_owned(), "0".to_owned());
    memory.throttle = Some(1 << 20);
    let set =
        crate::kafka::ThrottledReplicas { leader: Some("0:0,0:1000".to_owned()), follower: Some("0:1".to_owned()) };
    observed.moves.throttled.insert("orders".to_owned(), set);
    let told = look(&cluster, &observed);
    let [Step { action: Action::Unthrottle(over), .. }, Step { action: Action::ElectLeaders(elected), .. }] =
        &told.steps[..]
    else {
        panic!("{told:#?}")
    };
    assert_eq!((over.rate.len(), over.topics.len(), over.topics[0].1.len()), (2, 1, 2));
    assert_eq!(elected, &[("orders".to_owned(), 0)]);
    // It is not forgotten until it is seen to be done.
    assert_eq!((told.status.own.len(), told.status.throttle), (1, Some(1 << 20)));
    let mut then = with_view(observed, |view| {
        view.partitions[0].leader = Some(1);
        throttle::RATES.iter().for_each(|key| drop(view.config.remove(*key)));
    });
    then.moves.throttled.insert("orders".to_owned(), crate::kafka::ThrottledReplicas::default());
    let told = look(&cluster, &then);
    assert_eq!((told.steps.len(), told.status.own.len(), told.status.throttle), (0, 0, None));
}

/// Kafka begins what was planned.
pub(super) fn begun(observed: Observed, told: &Rebalance) -> Observed {
    let mut observed = with_view(observed, |view| {
        let moves = told.steps.iter().filter_map(|step| match &step.action {
            Action::MoveReplicas(batch) if step.blocked_by.is_none() => Some(&batch.begun.moves),
            _ => None,
        });
        for one in moves.flatten() {
            let partition = &mut view.partitions[usize::try_from(one.partition).expect("small")];
            let to = one.replicas.clone().expect("a target");
            let only = |some: &[i32], others: &[i32]| some.iter().filter(|id| !others.contains(id)).copied().collect();
            let way = Reassigning { adding: only(&to, &partition.replicas), removing: only(&partition.replicas, &to) };
            partition.replicas = to.iter().chain(&way.removing).copied().collect();
            view.moving.insert((one.topic.clone(), one.partition), way);
        }
    });
    observed.moves.remembered = told.status.clone();
    observed.moves.kept.clone_from(&told.planned);
    observed
}

/// What is under way arrives, all of it or the first alone.
pub(super) fn arrived(observed: Observed, many: usize) -> Observed {
    with_view(observed, |view| {
        let moving: Vec<_> = view.moving.keys().take(many).cloned().collect();
        for at in moving {
            let way = view.moving.remove(&at).expect("it moves");
            let partition = &mut view.partitions[usize::try_from(at.1).expect("small")];
            partition.replicas.retain(|id| !way.removing.contains(id));
            partition.in_sync = partition.replicas.clone();
            partition.leader = partition.replicas.first().copied();
        }
    })
}
