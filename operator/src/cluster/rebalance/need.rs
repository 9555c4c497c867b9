//! Does anything have to move? Looked at in every reconcile, and so a matter of counting: the planner is asked only
//! where the answer is yes.

use std::collections::{BTreeMap, BTreeSet};

use odradek_crds::{BrokerZone, RebalanceStatus, Role};

use super::zones::{self, Counted};
use crate::{
    cluster::{leave, observe::Observed, rack, safety::view, validate::Validated},
    kafka::{KafkaView, PartitionView},
};

/// What has to move.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Brokers that hold replicas and are emptied now.
    pub emptied: BTreeSet<i32>,
    /// Brokers that get no replicas: those that have to go, and those that are not part of the cluster.
    pub leaving: BTreeSet<i32>,
    /// Brokers that get their share.
    pub filling: BTreeSet<i32>,
    /// Brokers that run in another zone than their rack, or did, and share a zone with other replicas for it.
    pub aligned: BTreeSet<i32>,
    /// The partitions that do.
    pub crowded: usize,
    /// Brokers that do not run in their rack.
    pub zones: Vec<BrokerZone>,
    /// Why nothing new is moved off the brokers that are emptied.
    pub held: Option<String>,
}

impl Need {
    /// Whether nothing has to move.
    pub fn is_empty(&self) -> bool {
        self.emptied.is_empty() && self.filling.is_empty() && self.aligned.is_empty()
    }

    /// The rack of each broker: the zone that it counts as.
    pub fn racks<'a>(&'a self, cluster: &'a Validated) -> BTreeMap<i32, Option<&'a str>> {
        let mut racks = racks(cluster);
        for zone in &self.zones {
            if let (Some(rack), Some(counts_as)) = (racks.get_mut(&zone.broker), &zone.counts_as) {
                *rack = Some(counts_as);
            }
        }
        racks
    }

    /// The brokers that count as where they run, or are back in their racks, and may be closer to others for it.
    pub fn settled(&self, cluster: &Validated) -> BTreeSet<i32> {
        let racks = racks(cluster);
        self.zones.iter().filter(|zone| zones::is_settled(zone, &racks)).map(|zone| zone.broker).collect()
    }

    /// The zone that a broker counts as, where that is not its rack.
    pub fn counts_as(&self, id: i32) -> Option<&str> {
        self.zones.iter().find(|zone| zone.broker == id).and_then(|zone| zone.counts_as.as_deref())
    }

    /// Which partitions are closer together than they have to be.
    pub fn counted<'a>(&'a self, cluster: &'a Validated, view: &KafkaView) -> Counted<'a> {
        Counted::of(self.racks(cluster), self.settled(cluster), view, &self.leaving)
    }
}

/// The brokers that the layout has, those that have to go included.
pub fn laid_out(cluster: &Validated) -> BTreeSet<i32> {
    let pools = cluster.pools.iter().filter(|pool| pool.has(Role::Broker));
    pools.flat_map(|pool| &pool.sets).flat_map(|set| set.ids()).collect()
}

/// What has to move, by what the brokers say and what was begun before; `next` is the broker that leaves next, if it may,
/// and `zones` are the brokers that do not run in their racks.
pub fn need(
    cluster: &Validated,
    view: &KafkaView,
    remembered: &RebalanceStatus,
    next: Result<Option<i32>, String>,
    zones: Vec<BrokerZone>,
) -> Need {
    let laid_out = laid_out(cluster);
    let counts = Counts::of(view);
    let gone = counts.held.keys().filter(|id| !laid_out.contains(id));
    let gone: BTreeSet<i32> = gone.copied().collect();
    let going = cluster.leaving();
    let mut emptied = gone.clone();
    // What is on its way off a broker goes on whatever it waits for.
    let (next, held) = match next {
        Ok(next) => (next, None),
        Err(why) => (cluster.next_leaving(), Some(why)),
    };
    emptied.extend(next.filter(|id| counts.held.contains_key(id)));
    let held = held.filter(|_| emptied.len() > gone.len());
    let staying: BTreeSet<i32> = laid_out.difference(&going).copied().collect();
    let begun = |id: &i32| remembered.filling.contains(id);
    // One that was to go and stays after all may have given a part away already.
    let back = |id: &i32| remembered.leaving.contains(id);
    let is_up = |id: &i32| view.brokers.contains(id);
    let mut need = Need { emptied, held, leaving: going.union(&gone).copied().collect(), zones, ..Need::default() };
    let racks = need.racks(cluster);
    let filling =
        staying.iter().filter(|id| begun(id) || is_up(id) && (back(id) || counts.is_new(**id, &staying, &racks)));
    need.filling = filling.copied().collect();
    let counted = need.counted(cluster, view);
    let mut crowded = 0;
    let mut aligned = BTreeSet::new();
    if !counted.is_empty() {
        for partition in &view.partitions {
            let whose = counted.crowded(view, partition);
            crowded += usize::from(!whose.is_empty());
            aligned.extend(whose);
        }
    }
    zones::forget(&mut need.zones, &self::racks(cluster), &aligned);
    Need { crowded, aligned, ..need }
}

/// The same, of what was observed; nothing while the brokers cannot be asked.
pub fn needed(cluster: &Validated, observed: &Observed) -> Need {
    let next = leave::to_empty(cluster, observed);
    let Ok(view) = view(cluster, observed) else { return Need::default() };
    let remembered = &observed.moves.remembered;
    let zones = zones::zones(&racks(cluster), &rack::real_zones(cluster, observed), &remembered.zones, observed.now);
    need(cluster, view, remembered, next, zones)
}

/// Replicas of each broker.
struct Counts {
    /// Those that are there, or are on their way to it or off it.
    held: BTreeMap<i32, usize>,
    /// Those that it has once all is done that is under way.
    then: BTreeMap<i32, usize>,
    partitions: usize,
}

impl Counts {
    fn of(view: &KafkaView) -> Counts {
        let mut counts = Counts { held: BTreeMap::new(), then: BTreeMap::new(), partitions: view.partitions.len() };
        for partition in &view.partitions {
            for id in &partition.replicas {
                *counts.held.entry(*id).or_default() += 1;
            }
            for id in target(view, partition) {
                *counts.then.entry(id).or_default() += 1;
            }
        }
        counts
    }

    /// Whether a broker has less than half of its share: one that just came, as no topics that come and go make it.
    fn is_new(&self, id: i32, staying: &BTreeSet<i32>, racks: &BTreeMap<i32, Option<&str>>) -> bool {
        let rack = racks.get(&id).copied().flatten();
        let beside = staying.iter().filter(|other| racks.get(other).copied().flatten() == rack).count();
        let all: usize = self.then.values().sum();
        let even = all / staying.len().max(1);
        let distinct: BTreeSet<_> = staying.iter().filter_map(|id| racks.get(id).copied()).collect();
        // A rack has one replica of each partition, however many brokers it has.
        let share = if distinct.len() > 1 { even.min(self.partitions / beside.max(1)) } else { even };
        2 * self.then.get(&id).copied().unwrap_or(0) < share
    }
}

/// The rack of each broker by the layout.
pub fn racks(cluster: &Validated) -> BTreeMap<i32, Option<&str>> {
    let sets = cluster.pools.iter().flat_map(|pool| &pool.sets);
    sets.flat_map(|set| set.ids().map(|id| (id, set.zone.as_deref()))).collect()
}

/// The replicas of a partition once what is under way is done.
pub fn target(view: &KafkaView, partition: &PartitionView) -> Vec<i32> {
    match way(view, partition) {
        None => partition.replicas.clone(),
        Some(way) => partition.replicas.iter().filter(|id| !way.removing.contains(id)).copied().collect(),
    }
}

/// The reassignment of a partition that is under way.
pub fn way<'a>(view: &'a KafkaView, partition: &PartitionView) -> Option<&'a crate::kafka::Reassigning> {
    // Most of the time there is none of any, and names need not be copied to look.
    if view.moving.is_empty() {
        return None;
    }
    view.moving.get(&(partition.topic.clone(), partition.partition))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fixtures::{all_there, valid};

    const SIX: &str = "{ nodePools: [{ name: broker, replicas: 6 }] }";

    /// Six brokers in three zones, the partitions on the first of each zone unless said otherwise.
    fn view(replicas: &[&[i32]]) -> (Validated, KafkaView) {
        let cluster = valid(SIX);
        let observed = all_there(&cluster);
        let mut view = crate::cluster::safety::view(&cluster, &observed).expect("a view").clone();
        let partition = |(at, replicas): (usize, &&[i32])| PartitionView {
            topic: "t".to_owned(),
            partition: i32::try_from(at).expect("small"),
            leader: replicas.first().copied(),
            replicas: replicas.to_vec(),
            in_sync: replicas.to_vec(),
        };
        view.partitions = replicas.iter().enumerate().map(partition).collect();
        (cluster, view)
    }

    fn filled(replicas: &[&[i32]], remembered: &RebalanceStatus) -> Vec<i32> {
        let (cluster, view) = view(replicas);
        need(&cluster, &view, remembered, Ok(None), Vec::new()).filling.into_iter().collect()
    }

    #[test]
    fn brokers_that_have_next_to_nothing_are_new() {
        let calm = RebalanceStatus::default();
        let old: &[i32] = &[0, 1000, 2000];
        let new: &[i32] = &[1, 1001, 2001];
        assert_eq!(filled(&[old; 8], &calm), [1, 1001, 2001]);
        assert_eq!(filled(&[old, old, new, old], &calm), Vec::<i32>::new(), "a half of the share is no new broker's");
        assert_eq!(filled(&[old, new], &calm), Vec::<i32>::new());
        assert_eq!(filled(&[old], &calm), Vec::<i32>::new(), "there is not one for each");
        assert_eq!(filled(&[], &calm), Vec::<i32>::new());
    }

    #[test]
    fn what_was_begun_goes_on_and_what_stays_after_all_is_filled_again() {
        let whole: &[&[i32]] = &[&[0, 1000, 2000], &[1, 1001, 2001]];
        let begun = RebalanceStatus { filling: vec![1, 77], leaving: vec![2001], ..RebalanceStatus::default() };
        assert_eq!(filled(whole, &begun), [1, 2001], "and what is no broker any more is forgotten");
    }

    #[test]
    fn what_is_under_way_counts_as_done() {
        let old: &[i32] = &[0, 1000, 2000];
        let (cluster, mut view) = view(&[old; 4]);
        for partition in &mut view.partitions[..2] {
            partition.replicas = vec![1, 1001, 2001, 0, 1000, 2000];
            let way = crate::kafka::Reassigning { adding: vec![1, 1001, 2001], removing: old.to_vec() };
            view.moving.insert(("t".to_owned(), partition.partition), way);
        }
        assert!(need(&cluster, &view, &RebalanceStatus::default(), Ok(None), Vec::new()).is_empty());
    }

    #[test]
    fn brokers_that_are_no_part_of_the_cluster_are_emptied() {
        let (cluster, view) = view(&[&[0, 1000, 7], &[1, 1001, 2000], &[0, 1, 2001]]);
        let need = need(&cluster, &view, &RebalanceStatus::default(), Ok(None), Vec::new());
        assert_eq!((need.emptied, need.leaving), (BTreeSet::from([7]), BTreeSet::from([7])));
    }

    #[test]
    fn a_broker_that_does_not_serve_is_not_filled() {
        let old: &[i32] = &[0, 1000, 2000];
        let (cluster, mut view) = view(&[old; 8]);
        view.brokers.retain(|id| *id != 1001);
        assert_eq!(
            need(&cluster, &view, &RebalanceStatus::default(), Ok(None), Vec::new()).filling,
            BTreeSet::from([1, 2001])
        );
    }
}
