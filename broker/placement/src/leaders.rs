//! In which order a partition's replicas are preferred.

use std::collections::{BTreeMap, VecDeque};

use crate::replicas::Candidates;

/// Orders each set: the leader first, leaders spread evenly; then the rest, so that the brokers
/// that take over from one that fails are spread evenly too.
pub(crate) fn order(candidates: &Candidates<'_>, sets: &mut [Vec<usize>]) {
    let mut leads: Vec<usize> = candidates.brokers.iter().map(|broker| broker.topic.leaders).collect();
    let mut total: Vec<usize> = candidates.brokers.iter().map(|broker| broker.total.leaders).collect();
    // Partitions with the same replicas one after the other: each of these leads as many of them, so that no one follows
    // another in all of them. Where the leaders there are lie unevenly, these come first.
    let first = candidates.brokers.first().map_or(0, |broker| broker.topic.leaders);
    let even = candidates.brokers.iter().all(|broker| broker.topic.leaders == first);
    let mut alike: Vec<(Vec<usize>, usize)> = sets.iter().cloned().zip(0..).collect();
    alike.iter_mut().for_each(|(set, _)| set.sort_unstable());
    alike.sort_unstable();
    for group in alike.chunk_by(|one, other| one.0 == other.0) {
        let before: Vec<usize> = if even { group[0].0.iter().map(|at| leads[*at]).collect() } else { Vec::new() };
        for (same, partition) in group {
            let set = &mut sets[*partition];
            let in_group = |at: usize| {
                let place = same.iter().position(|other| *other == at).unwrap_or_default();
                before.get(place).map_or(0, |before| leads[at] - before)
            };
            let best = (0..set.len()).min_by_key(|&place| {
                let at = set[place];
                (!candidates.brokers[at].usable, in_group(at), leads[at], total[at], at)
            });
            if let Some(place) = best {
                set.swap(0, place);
                leads[set[0]] += 1;
                total[set[0]] += 1;
            }
        }
    }
    while hand_over(candidates, sets, &mut leads) {}
    order_followers(candidates, sets);
}

/// Finds a chain of partitions through which one leadership can go from a broker that leads the
/// most to one that leads at least two fewer, and moves it. False when there is none: then no
/// other choice of leaders among these replicas is more even at the top.
fn hand_over(candidates: &Candidates<'_>, sets: &mut [Vec<usize>], leads: &mut [usize]) -> bool {
    // Which partitions each broker leads.
    let mut led: Vec<Vec<usize>> = vec![Vec::new(); candidates.len()];
    for (partition, set) in sets.iter().enumerate() {
        if let Some(leader) = set.first() {
            led[*leader].push(partition);
        }
    }
    let mut sources: Vec<usize> = (0..candidates.len()).filter(|at| !led[*at].is_empty()).collect();
    sources.sort_by_key(|at| (std::cmp::Reverse(leads[*at]), *at));
    let least = leads.iter().min().copied().unwrap_or(0);
    for source in sources {
        if leads[source] < least + 2 {
            return false;
        }
        // How each broker was reached: from whom, through which partition.
        let mut reached: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        let mut queue = VecDeque::from([source]);
        while let Some(from) = queue.pop_front() {
            for &partition in &led[from] {
                for &to in &sets[partition][1..] {
                    if to == source || reached.contains_key(&to) || !candidates.brokers[to].usable {
                        continue;
                    }
                    reached.insert(to, (from, partition));
                    if leads[to] + 2 <= leads[source] {
                        shift(sets, &reached, source, to);
                        leads[source] -= 1;
                        leads[to] += 1;
                        return true;
                    }
                    queue.push_back(to);
                }
            }
        }
    }
    false
}

/// Moves one leadership along the chain from `source` to `target`.
fn shift(sets: &mut [Vec<usize>], reached: &BTreeMap<usize, (usize, usize)>, source: usize, target: usize) {
    let mut to = target;
    while to != source {
        let Some(&(from, partition)) = reached.get(&to) else { return };
        let set = &mut sets[partition];
        if let Some(place) = set.iter().position(|at| *at == to) {
            set.swap(0, place);
        }
        to = from;
    }
}

/// Puts the followers in order: racks other than the leader's first, then those that follow
/// this leader the least.
fn order_followers(candidates: &Candidates<'_>, sets: &mut [Vec<usize>]) {
    let mut pairs: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let mut seconds = vec![0_usize; candidates.len()];
    for set in sets.iter_mut() {
        let Some((&mut leader, followers)) = set.split_first_mut() else { continue };
        followers.sort_by_key(|&at| {
            (
                !candidates.brokers[at].usable,
                candidates.rack_of[at] == candidates.rack_of[leader],
                pairs.get(&(leader, at)).copied().unwrap_or(0),
                seconds[at],
                at,
            )
        });
        if let Some(&second) = followers.first() {
            *pairs.entry((leader, second)).or_default() += 1;
            seconds[second] += 1;
        }
    }
}
