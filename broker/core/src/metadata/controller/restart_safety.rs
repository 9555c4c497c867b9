//! May a set of processes stop now? Judged by what is committed, at the cost of the set's own partitions.
//!
//! Every partition that has a replica on a broker of the set must keep `min.insync.replicas` in-sync replicas outside of
//! it, nothing outside of the set may still be coming back, and the quorum must keep its majority. Rolls, scale-downs and
//! evictions all ask here, each with a lease (see [`super::restart_lease`]) so that two of them never stop processes that
//! would be safe one by one only.

use std::collections::BTreeSet;

use super::Controller;
use crate::metadata::image::{Partition, TopicPartition};
use crate::metadata::rpc::UnsafeReason;

/// The most examples that one reason names.
const EXAMPLES: usize = 10;

/// The quorum as the node sees it, which leads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuorumView {
    /// This node: the active controller.
    pub node_id: i32,
    /// Every voter, and whether it was heard of lately with everything that is committed.
    pub voters: Vec<(i32, bool)>,
}

/// What speaks against a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Against {
    UnknownBroker,
    UnknownController,
    BrokerNotServing,
    ControllerBehind,
    NoMajority,
    NeverMajority,
    Offline,
    UnderMinIsr,
    WouldBeUnderMinIsr,
    NeverInSync,
    CatchingUp,
}

impl Against {
    /// No state of the cluster would allow it.
    fn is_never_safe(self) -> bool {
        matches!(self, Against::NeverMajority | Against::NeverInSync)
    }

    fn code(self) -> &'static str {
        match self {
            Against::UnknownBroker => "UNKNOWN_BROKER",
            Against::UnknownController => "UNKNOWN_CONTROLLER",
            Against::BrokerNotServing => "BROKER_NOT_SERVING",
            Against::ControllerBehind => "CONTROLLER_BEHIND",
            Against::NoMajority => "NO_MAJORITY",
            Against::NeverMajority => "NEVER_MAJORITY",
            Against::Offline => "OFFLINE",
            Against::UnderMinIsr => "UNDER_MIN_ISR",
            Against::WouldBeUnderMinIsr => "WOULD_BE_UNDER_MIN_ISR",
            Against::NeverInSync => "NEVER_ENOUGH_REPLICAS",
            Against::CatchingUp => "CATCHING_UP",
        }
    }

    fn message(self) -> &'static str {
        match self {
            Against::UnknownBroker => "brokers that are not registered",
            Against::UnknownController => "controllers that are no voters of the quorum",
            Against::BrokerNotServing => {
                "brokers outside of the set that are fenced or about to stop: wait until they serve"
            }
            Against::ControllerBehind => {
                "controllers outside of the set that were not heard of lately, or lack entries"
            }
            Against::NoMajority => "controllers outside of the set that are up to date are no majority of the quorum",
            Against::NeverMajority => "the quorum has no majority outside of the set, whoever is up to date",
            Against::Offline => "partitions without a leader",
            Against::UnderMinIsr => "partitions with fewer in-sync replicas than min.insync.replicas already",
            Against::WouldBeUnderMinIsr => {
                "partitions that would be left with fewer in-sync replicas than min.insync.replicas"
            }
            Against::NeverInSync => {
                "partitions with fewer replicas outside of the set than min.insync.replicas: no state makes this safe"
            }
            Against::CatchingUp => "partitions with a replica outside of the set that is not in sync: wait until it is",
        }
    }
}

/// What was found, by kind.
#[derive(Default)]
struct Found(std::collections::BTreeMap<Against, (u64, Vec<String>)>);

impl Found {
    fn note(&mut self, against: Against, example: impl FnOnce() -> String) {
        let (count, examples) = self.0.entry(against).or_default();
        *count += 1;
        if examples.len() < EXAMPLES {
            examples.push(example());
        }
    }

    fn reasons(self, ignore_never_safe: bool) -> Vec<UnsafeReason> {
        self.0
            .into_iter()
            .filter(|(against, _)| !(ignore_never_safe && against.is_never_safe()))
            .map(|(against, (count, examples))| UnsafeReason {
                code: against.code().to_owned(),
                message: match against {
                    // Of the one quorum.
                    Against::NoMajority | Against::NeverMajority => against.message().to_owned(),
                    _ => format!("{count} {}", against.message()),
                },
                count,
                examples,
            })
            .collect()
    }
}

/// What is asked about.
pub(super) struct Asked<'a> {
    pub(super) brokers: &'a BTreeSet<i32>,
    pub(super) controllers: &'a BTreeSet<i32>,
    pub(super) ignore_never_safe: bool,
}

impl Controller {
    /// Why the set may not stop, and how many partitions have a replica in it.
    pub(super) fn judge_restart(&mut self, asked: &Asked<'_>) -> (Vec<UnsafeReason>, u64) {
        let mut found = Found::default();
        self.judge_quorum(asked.controllers, &mut found);
        for id in asked.brokers.iter().filter(|id| self.image.broker(**id).is_none()) {
            found.note(Against::UnknownBroker, || id.to_string());
        }
        for broker in self.image.brokers().filter(|broker| !asked.brokers.contains(&broker.id) && !broker.is_active()) {
            found.note(Against::BrokerNotServing, || broker.id.to_string());
        }
        let partitions: BTreeSet<TopicPartition> =
            asked.brokers.iter().flat_map(|id| self.index.hosted(*id).iter().copied()).collect();
        self.examined += partitions.len() as u64;
        let mut known: Option<(uuid::Uuid, usize)> = None;
        for at in &partitions {
            let Some(topic) = self.image.topic_by_id(at.topic_id) else { continue };
            let Some(state) = topic.partitions.get(&at.partition) else { continue };
            // They come in the order of their topics.
            let min_insync = match known {
                Some((id, min)) if id == topic.id => min,
                _ => self.topic_config(&topic.name).min_insync_replicas(),
            };
            known = Some((topic.id, min_insync));
            if let Some(against) = judge(state, asked.brokers, min_insync) {
                found.note(against, || format!("{}-{}", topic.name, at.partition));
            }
        }
        (found.reasons(asked.ignore_never_safe), partitions.len() as u64)
    }

    fn judge_quorum(&self, set: &BTreeSet<i32>, found: &mut Found) {
        let voters = &self.quorum.voters;
        for id in set.iter().filter(|id| !voters.iter().any(|(voter, _)| voter == *id)) {
            found.note(Against::UnknownController, || id.to_string());
        }
        if set.is_empty() {
            return;
        }
        let majority = voters.len() / 2 + 1;
        let outside: Vec<(i32, bool)> = voters.iter().copied().filter(|(id, _)| !set.contains(id)).collect();
        for (id, _) in outside.iter().filter(|(_, caught_up)| !caught_up) {
            found.note(Against::ControllerBehind, || id.to_string());
        }
        if outside.len() < majority {
            found.note(Against::NeverMajority, || format!("{} of {} voters", outside.len(), voters.len()));
        } else {
            let caught_up = outside.iter().filter(|(_, caught_up)| *caught_up).count();
            if caught_up < majority {
                found.note(Against::NoMajority, || format!("{caught_up} of {} voters", voters.len()));
            }
        }
    }
}

/// What of one partition speaks against a stop of the brokers in `set`; the worst of it.
fn judge(state: &Partition, set: &BTreeSet<i32>, min_insync: usize) -> Option<Against> {
    let outside = |ids: &[i32]| ids.iter().filter(|id| !set.contains(id)).count();
    // What a reassignment takes away does not count, nor is what it adds there yet.
    let settled: Vec<i32> = state.replicas.iter().copied().filter(|id| !state.adding.contains(id)).collect();
    let needed = min_insync.min(settled.len()).max(1);
    if outside(&settled) < needed {
        return Some(Against::NeverInSync);
    }
    if state.leader().is_none() {
        return Some(Against::Offline);
    }
    if outside(&state.isr) < needed {
        let already = state.isr.len() < needed;
        return Some(if already { Against::UnderMinIsr } else { Against::WouldBeUnderMinIsr });
    }
    let catching_up =
        settled.iter().any(|id| !set.contains(id) && !state.removing.contains(id) && !state.isr.contains(id));
    catching_up.then_some(Against::CatchingUp)
}
