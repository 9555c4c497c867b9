//! The throttles of the operator's own moves (KIP-73): a rate for all brokers, and on each topic the replicas that it
//! holds for. What a person set is neither changed nor taken back.
//!
//! The rate is the default of all brokers, so that one change sets it and a broker that comes later has it too. In
//! Kafka the value of a single broker wins over it, which is where its tools write theirs. It bears only on replicas
//! that a topic names.

use std::collections::{BTreeMap, BTreeSet};

use super::own::Own;
use crate::{
    cluster::{config, validate::Validated},
    kafka::{
        ConfigChange, KafkaView, ThrottledReplicas,
        moves::{FOLLOWER_REPLICAS, LEADER_REPLICAS},
    },
};

/// The keys of the rate.
pub const RATES: [&str; 2] = ["leader.replication.throttled.rate", "follower.replication.throttled.rate"];

/// The replicas of one partition that are throttled while it moves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Brokers that may lead it meanwhile.
    pub leaders: Vec<i32>,
    /// Brokers that it is copied to.
    pub followers: Vec<i32>,
}

/// The rate while something of the operator's moves, or after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// What is changed.
    pub changes: Vec<ConfigChange>,
    /// What the operator has set then, for the status.
    pub set: Option<i64>,
}

/// What becomes of the rate. `remembered` is what the operator set before; `moves` whether anything of its own moves or
/// is about to.
pub fn rate(cluster: &Validated, view: &KafkaView, remembered: Option<i64>, moves: bool) -> Rate {
    let spec = config::running(&cluster.config);
    let wanted = cluster.rebalance.throttle.filter(|_| moves);
    let mut rate = Rate::default();
    for key in RATES {
        if spec.contains_key(key) {
            // The spec says it for good.
            continue;
        }
        let now = view.config.get(key).cloned().flatten().and_then(|value| value.parse::<i64>().ok());
        // Written by an operator whose status is lost: it carries the spec's value, and nothing moves any more.
        let orphan = || remembered.is_none() && view.moving.is_empty() && now == cluster.rebalance.throttle;
        let ours = now.is_some() && (now == remembered || orphan());
        match wanted {
            Some(wanted) if now.is_none() || ours => {
                rate.set = Some(wanted);
                if now != Some(wanted) {
                    rate.changes.push(ConfigChange::Set(key.to_owned(), wanted.to_string()));
                }
            }
            None if ours => {
                rate.changes.push(ConfigChange::Delete(key.to_owned()));
                // Until it is seen to be gone.
                rate.set = now;
            }
            _ => {}
        }
    }
    rate
}

/// The changes that name these replicas on a topic besides those that are named already.
pub fn named(set: &ThrottledReplicas, add: &BTreeMap<i32, Parts>) -> Vec<ConfigChange> {
    let entries = |of: fn(&Parts) -> &Vec<i32>| {
        let all =
            add.iter().flat_map(move |(partition, parts)| of(parts).iter().map(move |id| format!("{partition}:{id}")));
        all.collect::<Vec<_>>()
    };
    let with = |key: &str, now: &Option<String>, more: Vec<String>| {
        let now = now.as_deref().unwrap_or_default();
        let mut all: Vec<String> = list(now).map(str::to_owned).collect();
        // Whatever a person means by it holds for these as well.
        if all.iter().any(|entry| entry == "*") {
            return None;
        }
        let before = all.len();
        for entry in more {
            if !all.contains(&entry) {
                all.push(entry);
            }
        }
        (all.len() > before).then(|| ConfigChange::Set(key.to_owned(), all.join(",")))
    };
    let leader = with(LEADER_REPLICAS, &set.leader, entries(|parts| &parts.leaders));
    let follower = with(FOLLOWER_REPLICAS, &set.follower, entries(|parts| &parts.followers));
    leader.into_iter().chain(follower).collect()
}

/// The changes that take the replicas of these partitions from what a topic names.
pub fn unnamed(set: &ThrottledReplicas, partitions: &BTreeSet<i32>) -> Vec<ConfigChange> {
    let without = |key: &str, now: &Option<String>| {
        let now = now.as_deref()?;
        let ours = |entry: &&str| {
            let partition = entry.split_once(':').and_then(|(partition, _)| partition.parse::<i32>().ok());
            partition.is_some_and(|partition| partitions.contains(&partition))
        };
        let (gone, left): (Vec<&str>, Vec<&str>) = list(now).partition(ours);
        match (gone.is_empty(), left.is_empty()) {
            (true, _) => None,
            (false, true) => Some(ConfigChange::Delete(key.to_owned())),
            (false, false) => Some(ConfigChange::Set(key.to_owned(), left.join(","))),
        }
    };
    let leader = without(LEADER_REPLICAS, &set.leader);
    leader.into_iter().chain(without(FOLLOWER_REPLICAS, &set.follower)).collect()
}

fn list(written: &str) -> impl Iterator<Item = &str> {
    written.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

/// The changes of topics for partitions that move no more.
pub fn over(done: &Own, set: &BTreeMap<String, ThrottledReplicas>) -> Vec<(String, Vec<ConfigChange>)> {
    let of = |(topic, partitions): (&String, &BTreeSet<i32>)| {
        let changes = unnamed(set.get(topic)?, partitions);
        (!changes.is_empty()).then(|| (topic.clone(), changes))
    };
    done.topics().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fixtures::{all_there, valid};

    fn lists(leader: &str, follower: &str) -> ThrottledReplicas {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        ThrottledReplicas { leader: some(leader), follower: some(follower) }
    }

    fn after(set: &ThrottledReplicas, changes: &[ConfigChange]) -> ThrottledReplicas {
        let mut set = set.clone();
        for change in changes {
            let value = match change {
                ConfigChange::Set(_, value) => Some(value.clone()),
                ConfigChange::Delete(_) => None,
            };
            if change.key() == LEADER_REPLICAS { set.leader = value } else { set.follower = value }
        }
        set
    }

    #[test]
    fn replicas_are_named_and_taken_back_beside_those_of_a_person() {
        let add = BTreeMap::from([(3, Parts { leaders: vec![0, 1], followers: vec![2] })]);
        for (before, named_as) in [
            (lists("", ""), lists("3:0,3:1", "3:2")),
            (lists("5:1", "5:4"), lists("5:1,3:0,3:1", "5:4,3:2")),
            (lists("*", ""), lists("*", "3:2")),
        ] {
            let with = after(&before, &named(&before, &add));
            assert_eq!(with, named_as);
            assert_eq!(named(&with, &add), []);
            assert_eq!(after(&with, &unnamed(&with, &BTreeSet::from([3]))), before);
        }
        assert_eq!(unnamed(&lists("5:1", "*"), &BTreeSet::from([3])), []);
    }

    #[test]
    fn the_rate_comes_and_goes_and_is_not_taken_from_others() {
        let cluster = valid("{ autoRebalance: { throttle: 1Mi } }");
        let there = all_there(&cluster);
        let view = |value: Option<&str>| {
            let mut view = crate::cluster::safety::view(&cluster, &there).expect("a view").clone();
            for key in RATES {
                view.config.extend(value.map(|value| (key.to_owned(), Some(value.to_owned()))));
            }
            view
        };
        let told = |now: Option<&str>, remembered: Option<i64>, moves: bool| {
            let rate = rate(&cluster, &view(now), remembered, moves);
            let first = rate.changes.first().map(|change| match change {
                ConfigChange::Set(_, value) => value.clone(),
                ConfigChange::Delete(_) => "gone".to_owned(),
            });
            assert!(rate.changes.len().is_multiple_of(2), "both or none: {rate:?}");
            (first.unwrap_or_default(), rate.set)
        };
        let mib = 1 << 20;
        assert_eq!(told(None, None, true), (mib.to_string(), Some(mib)));
        assert_eq!(told(Some("1048576"), Some(mib), true), (String::new(), Some(mib)));
        // The spec changed meanwhile.
        assert_eq!(told(Some("500"), Some(500), true), (mib.to_string(), Some(mib)));
        assert_eq!(told(Some("1048576"), Some(mib), false), ("gone".to_owned(), Some(mib)));
        assert_eq!(told(None, Some(mib), false), (String::new(), None));
        // Nobody remembers it, and it is the spec's.
        assert_eq!(told(Some("1048576"), None, false), ("gone".to_owned(), Some(mib)));
        // A person's.
        assert_eq!(told(Some("77"), None, true), (String::new(), None));
        assert_eq!(told(Some("77"), Some(mib), false), (String::new(), None));
    }
}
