//! Who shares partitions with whom. A broker that is lost leaves its work to those that share its partitions: the more
//! of them, the less each gets.

use crate::replicas::Candidates;

/// Partitions that are looked at for an exchange, for each replica whose broker shares too much with another.
const LOOKED_AT: usize = 64;
/// Times that all partitions are gone through at least, and partitions that are gone through in all where there are few.
const ROUNDS: usize = 4;
const GONE_THROUGH: usize = 1000;

/// How many partitions each two brokers share.
struct Pairs {
    brokers: usize,
    shared: Vec<u32>,
}

impl Pairs {
    fn of(brokers: usize, sets: &[Vec<usize>]) -> Pairs {
        let mut pairs = Pairs { brokers, shared: vec![0; brokers * brokers] };
        for set in sets {
            for (place, at) in set.iter().enumerate() {
                pairs.add(*at, &set[..place], 1);
            }
        }
        pairs
    }

    fn between(&self, one: usize, other: usize) -> u32 {
        self.shared[one * self.brokers + other]
    }

    /// Adds to what the broker shares with each other one of the set.
    fn add(&mut self, at: usize, set: &[usize], sign: i32) {
        for other in set.iter().filter(|other| **other != at) {
            for place in [at * self.brokers + other, other * self.brokers + at] {
                self.shared[place] = self.shared[place].wrapping_add_signed(sign);
            }
        }
    }

    /// What it costs that `from` makes room for `to` beside the others of the set, as a difference of sums of squares.
    fn cost(&self, set: &[usize], from: usize, to: usize) -> i64 {
        let others = set.iter().filter(|at| **at != from);
        others.map(|at| 2 * (i64::from(self.between(to, *at)) - i64::from(self.between(from, *at)) + 1)).sum()
    }
}

/// Exchanges replicas between partitions, so that every broker shares its partitions with as many others as can be.
/// Each broker keeps as many as it has, and no partition gets closer together in racks.
pub(crate) fn spread_out(candidates: &Candidates<'_>, sets: &mut [Vec<usize>]) {
    // One partition has no other to exchange with, and one replica nobody beside it.
    if sets.len() < 2 || sets[0].len() < 2 {
        return;
    }
    let mut pairs = Pairs::of(candidates.len(), sets);
    let fair = fair(candidates, sets);
    let rounds = ROUNDS.max(GONE_THROUGH / sets.len());
    for round in 0..rounds {
        let mut changed = 0;
        for one in 0..sets.len() {
            for place in 0..sets[one].len() {
                let from = sets[one][place];
                let shares = sets[one].iter().filter(|at| **at != from).map(|at| pairs.between(from, *at)).max();
                let shares = shares.unwrap_or(0);
                if shares <= fair[from] {
                    continue;
                }
                // In the end nothing is exchanged for nothing.
                let level = round + 1 < rounds && (rounds > ROUNDS || shares > fair[from] + 1);
                if let Some(with) = partner(candidates, &pairs, sets, (one, place), (round, level)) {
                    exchange(&mut pairs, sets, (one, place), with);
                    changed += 1;
                }
            }
        }
        if changed <= sets.len() / 100 {
            return;
        }
    }
}

/// The replica of another partition that this one is best exchanged with: the first that makes it better, or else one
/// that makes it no worse, from where another may.
fn partner(
    candidates: &Candidates<'_>,
    pairs: &Pairs,
    sets: &[Vec<usize>],
    (one, place): (usize, usize),
    (round, may_be_level): (usize, bool),
) -> Option<(usize, usize)> {
    let (mine, from) = (&sets[one], sets[one][place]);
    let step = sets.len().div_ceil(LOOKED_AT);
    let mut level = None;
    // Others in each round, and spread over all.
    let looked_at = (0..LOOKED_AT.min(sets.len())).map(|look| (one + 1 + round + look * step) % sets.len());
    for other in looked_at.filter(|other| *other != one) {
        let theirs = &sets[other];
        if theirs.contains(&from) {
            continue;
        }
        for (slot, to) in theirs.iter().enumerate() {
            let fits = !mine.contains(to)
                && candidates.brokers[from].usable == candidates.brokers[*to].usable
                && stays_apart(candidates, mine, from, *to)
                && stays_apart(candidates, theirs, *to, from);
            if !fits {
                continue;
            }
            // What is in both is beside one of them before and after.
            let both = mine.iter().filter(|at| theirs.contains(at)).count() as i64;
            match pairs.cost(mine, from, *to) + pairs.cost(theirs, *to, from) - 4 * both {
                ..0 => return Some((other, slot)),
                0 if level.is_none() => level = Some((other, slot)),
                _ => {}
            }
        }
    }
    level.filter(|_| may_be_level)
}

fn exchange(pairs: &mut Pairs, sets: &mut [Vec<usize>], one: (usize, usize), other: (usize, usize)) {
    let (from, to) = (sets[one.0][one.1], sets[other.0][other.1]);
    pairs.add(from, &sets[one.0], -1);
    pairs.add(to, &sets[other.0], -1);
    sets[one.0][one.1] = to;
    sets[other.0][other.1] = from;
    pairs.add(to, &sets[one.0], 1);
    pairs.add(from, &sets[other.0], 1);
}

/// Whether the partition is on as many racks as before, and as evenly, when `to` takes the place of `from`.
fn stays_apart(candidates: &Candidates<'_>, set: &[usize], from: usize, to: usize) -> bool {
    let in_rack = |rack: usize| set.iter().filter(|at| candidates.rack_of[**at] == rack).count();
    let (from, to) = (candidates.rack_of[from], candidates.rack_of[to]);
    from == to || in_rack(to) < in_rack(from)
}

/// What each broker would share with each of those that it can share partitions with, if it were the same with all.
fn fair(candidates: &Candidates<'_>, sets: &[Vec<usize>]) -> Vec<u32> {
    let mut beside = vec![0_usize; candidates.len()];
    for set in sets {
        set.iter().for_each(|at| beside[*at] += set.len() - 1);
    }
    let crowded = sets.first().is_some_and(|set| set.len() > candidates.racks);
    let others = |at: usize| {
        let rack = |other: &usize| crowded || candidates.rack_of[*other] != candidates.rack_of[at];
        (0..candidates.len()).filter(|other| *other != at).filter(rack).count().max(1)
    };
    (0..candidates.len()).map(|at| (beside[at] / others(at)).max(1) as u32).collect()
}
