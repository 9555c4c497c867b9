//! Evens out what the greedy choice left uneven.

use crate::replicas::Candidates;

/// Moves replicas from brokers that hold more to brokers that hold at least two fewer, as long
/// as no partition gets closer together in racks.
///
/// Each move lowers the sum of the squares of the brokers' loads, so this ends.
pub(crate) fn even_out(candidates: &Candidates<'_>, sets: &mut [Vec<usize>]) {
    let mut load: Vec<usize> = candidates.brokers.iter().map(|broker| broker.topic.replicas).collect();
    for at in sets.iter().flatten() {
        load[*at] += 1;
    }
    loop {
        let mut moved = false;
        for set in sets.iter_mut() {
            moved |= move_one(candidates, set, &mut load);
        }
        if !moved {
            return;
        }
    }
}

/// Moves one replica of the partition, when that evens the load.
fn move_one(candidates: &Candidates<'_>, set: &mut [usize], load: &mut [usize]) -> bool {
    let mut rack_use = vec![0_usize; candidates.racks];
    for at in set.iter() {
        rack_use[candidates.rack_of[*at]] += 1;
    }
    for place in 0..set.len() {
        let from = set[place];
        let better = (0..candidates.len())
            .filter(|to| !set.contains(to) && load[*to] + 2 <= load[from])
            .filter(|to| candidates.brokers[*to].usable || !candidates.brokers[from].usable)
            .filter(|to| {
                let (to, from) = (candidates.rack_of[*to], candidates.rack_of[from]);
                to == from || rack_use[to] < rack_use[from]
            })
            .min_by_key(|to| (load[*to], *to));
        if let Some(to) = better {
            load[from] -= 1;
            load[to] += 1;
            set[place] = to;
            return true;
        }
    }
    false
}
