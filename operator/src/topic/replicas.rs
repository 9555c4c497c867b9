//! Another number of replicas, by reassignments: which partitions are next, and where their replicas go. Pure, and
//! without memory: what is under way is read from Kafka each time, so that it does not matter who began it.

use std::collections::BTreeMap;

use odradek_crds::{ReplicasChange, ReplicasChangeState};

use crate::kafka::{BrokerLoad, Loads, PartitionMove, Replicas, TopicView};

/// Partitions of a topic that are reassigned at a time.
const TOPIC_AT_ONCE: usize = 50;
/// Partitions of a cluster that are, before another one begins.
const CLUSTER_AT_ONCE: usize = 200;

/// Whether replicas of the topic have to come or go.
pub fn differs(wanted: usize, view: &TopicView) -> bool {
    view.assignment.iter().any(|partition| !has(wanted, partition))
}

/// Whether the partition has so many replicas, and none of them is still on its way. A move that leaves their number
/// as it is is somebody else's, and no change of it.
fn has(wanted: usize, partition: &Replicas) -> bool {
    partition.target().len() == wanted && (!partition.moves() || partition.original().len() == wanted)
}

/// What begins now, and how far the change is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Partitions that begin, change their way, or go back.
    pub moves: Vec<PartitionMove>,
    /// Partitions that have the replicas they are to have.
    pub done: usize,
    /// Partitions that are on their way, those that begin now included.
    pub moving: usize,
    /// All partitions.
    pub of: usize,
    /// Why nothing more begins, if something could.
    pub waits: Option<String>,
}

impl Turn {
    /// The change as the status shows it.
    pub fn change(&self, wanted: usize) -> ReplicasChange {
        let mut message = format!("{} of {} partitions have {wanted} replicas", self.done, self.of);
        if self.moving > 0 {
            message += &format!(", {} are on their way", self.moving);
        }
        if let Some(waits) = &self.waits {
            message += &format!("; {waits}");
        }
        ReplicasChange {
            target_replicas: i32::try_from(wanted).unwrap_or(i32::MAX),
            state: if self.moving > 0 { ReplicasChangeState::Ongoing } else { ReplicasChangeState::Pending },
            message: Some(message),
        }
    }
}

/// The next turn of a change to a number of replicas.
pub fn turn(wanted: usize, view: &TopicView, loads: &Loads) -> Turn {
    let mut turn = Turn { moves: Vec::new(), done: 0, moving: 0, of: view.assignment.len(), waits: None };
    let alive = loads.brokers.iter().filter(|broker| broker.alive).count();
    let mut places = Places::new(view, loads);
    let mut cluster_room = CLUSTER_AT_ONCE.saturating_sub(loads.reassigning);
    let mut topic_room = TOPIC_AT_ONCE.saturating_sub(view.moving());
    for partition in &view.assignment {
        if has(wanted, partition) {
            turn.done += 1;
        } else if partition.target().len() == wanted {
            turn.moving += 1;
        } else if partition.moves() && partition.original().len() == wanted {
            // The spec went back while it was on its way.
            turn.moves.push(PartitionMove { partition: partition.partition, to: None });
            turn.done += 1;
        } else if partition.target().len() < wanted && wanted > alive {
            let known = loads.brokers.len();
            turn.waits =
                Some(format!("{wanted} replicas need {wanted} brokers that are alive, and {alive} of {known} are"));
            turn.moving += usize::from(partition.moves());
        } else if !partition.moves() && (topic_room == 0 || cluster_room == 0) {
            if cluster_room == 0 {
                let many = loads.reassigning;
                turn.waits = Some(format!("{many} partitions of the cluster are being reassigned, which is enough"));
            }
        } else {
            if !partition.moves() {
                topic_room -= 1;
                cluster_room -= 1;
            }
            let to = places.of(partition, wanted);
            turn.moves.push(PartitionMove { partition: partition.partition, to: Some(to) });
            turn.moving += 1;
        }
    }
    turn
}

/// What each broker carries while the turn is made up.
struct Places<'a> {
    brokers: BTreeMap<i32, (&'a BrokerLoad, usize, usize)>,
}

impl<'a> Places<'a> {
    fn new(view: &TopicView, loads: &'a Loads) -> Self {
        let mut brokers: BTreeMap<i32, (&BrokerLoad, usize, usize)> =
            loads.brokers.iter().map(|broker| (broker.id, (broker, 0, broker.replicas))).collect();
        for id in view.assignment.iter().flat_map(|partition| &partition.now) {
            if let Some((_, topic, _)) = brokers.get_mut(id) {
                *topic += 1;
            }
        }
        Places { brokers }
    }

    /// Replicas of the set on the broker's rack. Brokers without a rack count as on one together.
    fn on_rack(&self, set: &[i32], id: i32) -> usize {
        let rack = |id| self.brokers.get(&id).map(|(broker, ..)| broker.rack.as_deref());
        set.iter().filter(|other| rack(**other) == rack(id)).count()
    }

    fn of(&mut self, partition: &Replicas, wanted: usize) -> Vec<i32> {
        // Those that are there already hold the records, or some of them.
        let mut set = partition.target();
        while set.len() > wanted {
            let leaves = set.iter().enumerate().max_by_key(|(at, id)| {
                let (alive, topic, total) = self.brokers.get(id).map_or((false, 0, 0), |(b, t, a)| (b.alive, *t, *a));
                let in_sync = partition.in_sync.contains(id);
                // The preferred leader last of those that are as good.
                (!alive, !in_sync, *at > 0, self.on_rack(&set, **id), topic, total, *at)
            });
            let Some(at) = leaves.map(|(at, _)| at) else { break };
            self.carry(set.remove(at), false);
        }
        while set.len() < wanted {
            let turn = i32::try_from(self.brokers.len()).unwrap_or(i32::MAX).max(1);
            let free = self.brokers.iter().filter(|(id, (broker, ..))| broker.alive && !set.contains(id));
            let next = free.min_by_key(|(id, (_, topic, total))| {
                let order = (**id).wrapping_sub(partition.partition).rem_euclid(turn);
                (self.on_rack(&set, **id), *topic, *total, order, **id)
            });
            let Some(id) = next.map(|(id, _)| *id) else { break };
            set.push(id);
            self.carry(id, true);
        }
        set
    }

    fn carry(&mut self, id: i32, more: bool) {
        if let Some((_, topic, total)) = self.brokers.get_mut(&id) {
            for count in [topic, total] {
                *count = if more { *count + 1 } else { count.saturating_sub(1) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Brokers 0.. on so many racks in turn.
    fn loads(brokers: i32, racks: i32) -> Loads {
        let broker = |id: i32| BrokerLoad { id, rack: Some(format!("r{}", id % racks)), alive: true, replicas: 0 };
        Loads { brokers: (0..brokers).map(broker).collect(), reassigning: 0 }
    }

    fn view(sets: &[&[i32]]) -> TopicView {
        let partition = |(at, set): (usize, &&[i32])| Replicas {
            partition: i32::try_from(at).expect("small"),
            now: set.to_vec(),
            in_sync: set.to_vec(),
            ..Replicas::default()
        };
        TopicView { assignment: sets.iter().enumerate().map(partition).collect(), ..TopicView::default() }
    }

    /// What Kafka makes of the moves; those that copy something stay under way.
    fn begin(view: &mut TopicView, moves: &[PartitionMove]) {
        for way in moves {
            let partition = view.assignment.iter_mut().find(|p| p.partition == way.partition).expect("a partition");
            let original = partition.original();
            let to = way.to.clone().unwrap_or_else(|| original.clone());
            partition.adding = to.iter().filter(|id| !original.contains(id)).copied().collect();
            partition.removing = original.iter().filter(|id| !to.contains(id)).copied().collect();
            partition.now = to.iter().chain(&partition.removing).copied().collect();
            if partition.adding.is_empty() {
                finish(partition);
            }
        }
    }

    fn finish(partition: &mut Replicas) {
        partition.now = partition.target();
        partition.in_sync = partition.now.clone();
        partition.adding.clear();
        partition.removing.clear();
    }

    #[test]
    fn more_replicas_go_to_other_racks_evenly() {
        let mut topic = view(&[&[0], &[1], &[2], &[3], &[4], &[5]]);
        let turn = turn(3, &topic, &loads(6, 3));
        assert_eq!((turn.moves.len(), turn.done, turn.moving, turn.of), (6, 0, 6, 6));
        assert_eq!(turn.change(3).message.as_deref(), Some("0 of 6 partitions have 3 replicas, 6 are on their way"));
        begin(&mut topic, &turn.moves);
        let mut carried: BTreeMap<i32, usize> = BTreeMap::new();
        for (at, partition) in topic.assignment.iter_mut().enumerate() {
            finish(partition);
            assert_eq!(partition.now[0], at as i32, "the preferred leader stays");
            assert_eq!(partition.now.iter().map(|id| id % 3).collect::<BTreeSet<_>>().len(), 3, "{partition:?}");
            partition.now.iter().for_each(|id| *carried.entry(*id).or_default() += 1);
        }
        assert!(carried.values().all(|many| *many == 3), "{carried:?}");
        assert!(!differs(3, &topic));
    }

    #[test]
    fn fewer_replicas_leave_where_they_are_needed_least() {
        let mut topic = view(&[&[0, 3, 1]]);
        // 0 and 3 share a rack.
        assert_eq!(turn(2, &topic, &loads(6, 3)).moves[0].to, Some(vec![0, 1]));
        // One that is not in sync goes first, even the only one of its rack.
        topic.assignment[0].in_sync = vec![0, 3];
        assert_eq!(turn(2, &topic, &loads(6, 3)).moves[0].to, Some(vec![0, 3]));
        // And a broker that is gone before that, even the preferred leader.
        let mut gone = loads(6, 3);
        gone.brokers[0].alive = false;
        topic.assignment[0].in_sync = vec![0, 3, 1];
        assert_eq!(turn(2, &topic, &gone).moves[0].to, Some(vec![3, 1]));
    }

    #[test]
    fn what_the_spec_takes_back_is_cancelled() {
        let mut topic = view(&[&[0], &[1]]);
        let first = turn(3, &topic, &loads(3, 3));
        begin(&mut topic, &first.moves);
        finish(&mut topic.assignment[0]);
        let back = turn(1, &topic, &loads(3, 3));
        assert_eq!(back.moves[1], PartitionMove { partition: 1, to: None });
        assert_eq!(back.moves[0], PartitionMove { partition: 0, to: Some(vec![0]) });
        begin(&mut topic, &back.moves);
        assert!(!differs(1, &topic), "{topic:?}");
    }

    #[test]
    fn moves_of_others_are_no_change() {
        let mut topic = view(&[&[0, 1]]);
        begin(&mut topic, &[PartitionMove { partition: 0, to: Some(vec![0, 2]) }]);
        assert!(!differs(2, &topic));
        assert!(differs(3, &topic));
        assert!(turn(2, &topic, &loads(3, 3)).moves.is_empty());
    }

    #[test]
    fn what_cannot_begin_says_why() {
        let topic = view(&[&[0]]);
        let mut two = loads(3, 3);
        two.brokers[2].alive = false;
        let few = turn(3, &topic, &two);
        assert!(few.moves.is_empty());
        let change = few.change(3);
        assert_eq!(change.state, ReplicasChangeState::Pending);
        assert!(change.message.expect("a message").contains("need 3 brokers that are alive, and 2 of 3 are"));
        let busy = Loads { reassigning: CLUSTER_AT_ONCE, ..loads(3, 3) };
        assert!(turn(3, &topic, &busy).change(3).message.expect("a message").contains("200 partitions"));
    }

    proptest! {
        /// Whatever the topic is like and whatever is done by when: each turn is within its bounds, it ends, every
        /// partition has the replicas on distinct brokers.
        #[test]
        fn a_change_ends(
            brokers in 1..9_i32, racks in 1..4_i32, partitions in 1..150_usize, from in 1..5_usize, to in 1..5_usize,
            then in 1..5_usize, finished in proptest::collection::vec(any::<bool>(), 64),
        ) {
            let (from, to, then) = (from.min(brokers as usize), to.min(brokers as usize), then.min(brokers as usize));
            let sets: Vec<Vec<i32>> =
                (0..partitions).map(|p| (0..from).map(|r| ((p + r) % brokers as usize) as i32).collect()).collect();
            let mut topic = view(&sets.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let loads = loads(brokers, racks.min(brokers));
            let mut chance = finished.iter().cycle();
            for (round, wanted) in [(2, to), (usize::MAX, then)] {
                let mut turns = 0;
                while differs(wanted, &topic) && turns < round {
                    turns += 1;
                    prop_assert!(turns < 600, "it does not end");
                    let turn = turn(wanted, &topic, &loads);
                    begin(&mut topic, &turn.moves);
                    prop_assert!(topic.moving() <= TOPIC_AT_ONCE, "{} at once", topic.moving());
                    let moving = topic.assignment.iter_mut().filter(|p| p.moves());
                    moving.filter(|_| *chance.next().unwrap_or(&true) || turns > 64).for_each(finish);
                }
            }
            for partition in &topic.assignment {
                let distinct: BTreeSet<i32> = partition.now.iter().copied().collect();
                prop_assert_eq!((distinct.len(), partition.now.len()), (then, then));
            }
        }
    }
}
