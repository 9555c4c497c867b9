//! What becomes of the operator's own moves that are over: they are no longer throttled, and then led by the first of
//! their replicas. Only then are they forgotten.

use std::collections::{BTreeMap, BTreeSet};

use super::{Facts, own::Own, throttle};
use crate::kafka::{ConfigChange, KafkaView, PartitionView};

/// Leaders that are elected at once.
const ELECTIONS: usize = 500;

/// What is done for them now.
#[derive(Debug, Default)]
pub struct Settled {
    /// Changes of topics that name their replicas as throttled.
    pub over: Vec<(String, Vec<ConfigChange>)>,
    /// Partitions whose preferred leader is to be elected.
    pub elect: Vec<(String, i32)>,
}

/// Takes from `own` what is as it should be.
pub fn settle(view: &KafkaView, facts: &Facts, own: &mut Own) -> Settled {
    if own.is_empty() {
        return Settled::default();
    }
    let moves = |topic: &String, partition: i32| view.moving.contains_key(&(topic.clone(), partition));
    let (under_way, over): (Vec<_>, Vec<_>) = own.iter().partition(|(topic, partition)| moves(topic, *partition));
    let over: Own = over.into_iter().collect();
    let changes = throttle::over(&over, &facts.throttled);
    // Those are forgotten once they are seen to be gone.
    let named: BTreeSet<&String> = changes.iter().map(|(topic, _)| topic).collect();
    let away: BTreeMap<(&str, i32), &PartitionView> = view
        .partitions
        .iter()
        .filter(|p| over.has(&p.topic, p.partition) && is_led_by_another(view, p))
        .map(|p| ((p.topic.as_str(), p.partition), p))
        .collect();
    let elect = away.keys().take(ELECTIONS).map(|(topic, partition)| ((*topic).to_owned(), *partition)).collect();
    let unread = facts.failure.is_some();
    let kept = over.iter().filter(|(topic, partition)| {
        unread || named.contains(topic) || away.contains_key(&(topic.as_str(), *partition))
    });
    let left: Own = under_way.into_iter().chain(kept).collect();
    *own = left;
    Settled { over: changes, elect }
}

/// Whether the first replica could lead and another one does.
fn is_led_by_another(view: &KafkaView, partition: &PartitionView) -> bool {
    let Some(first) = partition.replicas.first() else { return false };
    let could = partition.in_sync.contains(first) && view.brokers.contains(first);
    could && partition.leader.is_some_and(|leader| leader != *first)
}
