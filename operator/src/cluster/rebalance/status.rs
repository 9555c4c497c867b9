//! What the status says of moves.

use std::collections::BTreeMap;

use odradek_crds::{LeaderBalance, PlannedMove, RebalanceStatus};

use super::{Facts, Sizes, left::Left, need::laid_out, own::Own};
use crate::{cluster::validate::Validated, kafka::KafkaView};

/// Moves that a status lists.
const SHOWN: usize = 10;

/// How far the moves are. What was there from the first is taken from what the status said before, while it is the same
/// rebalance.
pub fn progress(status: &mut RebalanceStatus, left: &Left<'_>, own: &Own, view: &KafkaView, facts: &Facts) {
    let number = |of: u64| i64::try_from(of).unwrap_or(i64::MAX);
    let under_way: Vec<(&String, i32)> =
        own.iter().filter(|(topic, partition)| view.moving.contains_key(&((*topic).clone(), *partition))).collect();
    let copied = |at: &(&String, i32)| match &facts.sizes {
        Sizes::Known(sizes) => {
            let adding = view.moving.get(&(at.0.clone(), at.1)).map_or(0, |way| way.adding.len());
            sizes.of(at.0, at.1).saturating_mul(adding as u64)
        }
        Sizes::NotAsked | Sizes::Failed(_) => 0,
    };
    let partitions = number((left.moves.len() + under_way.len()) as u64);
    let bytes_left =
        number(left.moves.iter().map(|one| one.bytes).sum::<u64>().saturating_add(under_way.iter().map(copied).sum()));
    let before = Some(&facts.remembered).filter(|before| before.hash == status.hash);
    let most = |now: i64, then: fn(&RebalanceStatus) -> Option<i64>| before.and_then(then).map_or(now, |t| t.max(now));
    let total = most(partitions, |before| before.partitions_total);
    status.partitions_total = Some(total);
    status.partitions_left = Some(partitions);
    status.progress = Some(format!("{}/{total}", total - partitions));
    status.bytes_total = Some(most(bytes_left, |before| before.bytes_total));
    status.bytes_left = Some(bytes_left);
    status.moves = left
        .moves
        .iter()
        .take(SHOWN)
        .map(|one| PlannedMove {
            topic: left.planned.topic(one).to_owned(),
            partition: one.partition,
            from: one.from.clone(),
            to: one.to.clone(),
            bytes: number(one.bytes),
            reason: one.why.to_string(),
        })
        .collect();
}

/// How the leaders lie on the brokers of the layout.
pub fn leaders(cluster: &Validated, view: &KafkaView) -> Option<LeaderBalance> {
    let mut leads: BTreeMap<i32, i32> = laid_out(cluster).into_iter().map(|id| (id, 0)).collect();
    let mut balance = LeaderBalance::default();
    for partition in &view.partitions {
        if let Some(count) = partition.leader.and_then(|leader| leads.get_mut(&leader)) {
            *count += 1;
        }
        balance.not_preferred += i32::from(partition.leader != partition.replicas.first().copied());
    }
    balance.fewest = leads.values().min().copied()?;
    balance.most = leads.values().max().copied()?;
    Some(balance)
}
