//! Which brokers hold a partition: distinct racks as far as they go, then the least loaded.

use crate::{BrokerInfo, PlacementError};

/// The brokers in the order in which equal ones are taken, with their racks as numbers.
pub(crate) struct Candidates<'a> {
    pub(crate) brokers: Vec<BrokerInfo<'a>>,
    /// The rack of each broker: an index below `racks`.
    pub(crate) rack_of: Vec<usize>,
    /// How many racks there are.
    pub(crate) racks: usize,
    /// Where the order in which equal followers are taken begins: in topics of one partition, whoever comes after a
    /// broker would follow it each time.
    second_turn: usize,
}

impl<'a> Candidates<'a> {
    pub(crate) fn new(
        brokers: &[BrokerInfo<'a>],
        replication_factor: usize,
        start: u64,
    ) -> Result<Candidates<'a>, PlacementError> {
        let mut sorted = brokers.to_vec();
        sorted.sort_by_key(|broker| broker.id);
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(PlacementError::DuplicateBroker { id: pair[0].id });
        }
        if replication_factor == 0 {
            return Err(PlacementError::ZeroReplicationFactor);
        }
        if replication_factor > sorted.len() {
            return Err(PlacementError::TooFewBrokers { replication_factor, brokers: sorted.len() });
        }
        let usable = sorted.iter().filter(|broker| broker.usable).count();
        if usable == 0 {
            return Err(PlacementError::NoneUsable { brokers: sorted.len() });
        }
        if usable >= replication_factor {
            sorted.retain(|broker| broker.usable);
        }
        let count = sorted.len() as u64;
        let (turn, second_turn) = ((start % count) as usize, (start / count % count) as usize);
        sorted.rotate_left(turn);
        let mut names: Vec<Option<&str>> = sorted.iter().map(|broker| broker.rack).collect();
        names.sort_unstable();
        names.dedup();
        let rack_of = sorted.iter().map(|broker| names.binary_search(&broker.rack).unwrap_or_default()).collect();
        Ok(Candidates { brokers: sorted, rack_of, racks: names.len(), second_turn })
    }

    pub(crate) fn len(&self) -> usize {
        self.brokers.len()
    }
}

/// The sets of replicas, as indexes into the candidates.
pub(crate) fn choose(candidates: &Candidates<'_>, partitions: usize, replication_factor: usize) -> Vec<Vec<usize>> {
    let mut load: Vec<usize> = candidates.brokers.iter().map(|broker| broker.topic.replicas).collect();
    let mut rack_load = vec![0; candidates.racks];
    for (at, replicas) in load.iter().enumerate() {
        rack_load[candidates.rack_of[at]] += replicas;
    }
    let mut total: Vec<usize> = candidates.brokers.iter().map(|broker| broker.total.replicas).collect();
    let mut sets = Vec::with_capacity(partitions);
    for _ in 0..partitions {
        let mut set: Vec<usize> = Vec::with_capacity(replication_factor);
        let mut rack_use = vec![0_usize; candidates.racks];
        while set.len() < replication_factor {
            let turn = if set.is_empty() { 0 } else { candidates.second_turn };
            let best = (0..candidates.len()).filter(|at| !set.contains(at)).min_by_key(|&at| {
                let rack = candidates.rack_of[at];
                // The unusable come last: they are there only to fill up.
                let unusable = !candidates.brokers[at].usable;
                // Among equals, who leads the least: a set without such a one cannot even the leaders out.
                let leads = candidates.brokers[at].topic.leaders;
                let turned = (at + turn) % candidates.len();
                (unusable, rack_use[rack], load[at], rack_load[rack], leads, total[at], turned)
            });
            // There are at least as many candidates as replicas wanted.
            let Some(best) = best else { break };
            rack_use[candidates.rack_of[best]] += 1;
            rack_load[candidates.rack_of[best]] += 1;
            load[best] += 1;
            total[best] += 1;
            set.push(best);
        }
        sets.push(set);
    }
    sets
}
