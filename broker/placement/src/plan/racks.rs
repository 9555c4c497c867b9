//! Racks: replicas that are closer together than they must be, and racks that have more than their share.

use std::collections::VecDeque;

use super::bucket::Buckets;
use super::share::{self, RackShare};
use super::state::{Cause, State};

/// Moves replicas out of racks that have two more of a partition than another rack needs to have.
pub(super) fn repair(state: &mut State<'_>) {
    if !state.repairs || state.racks() < 2 {
        return;
    }
    for at in 0..state.input.len() {
        while state.may_change(at) && repair_one(state, at) {}
    }
}

fn repair_one(state: &mut State<'_>, at: usize) -> bool {
    let rack_of = |state: &State<'_>, node: u32| state.nodes[node as usize].rack;
    // The fullest rack of the partition, and there the fullest broker.
    let mut worst: Option<(usize, usize, usize)> = None;
    for (slot, node) in state.list(at).iter().enumerate() {
        let Some(rack) = rack_of(state, *node) else { continue };
        let shared = state.in_rack(at, rack);
        let load = state.load[*node as usize];
        if shared >= 2
            && state.is_even_able(*node as usize)
            && worst.is_none_or(|worst| (shared, load) > (worst.0, worst.1))
        {
            worst = Some((shared, load, slot));
        }
    }
    let Some((shared, _, slot)) = worst else { return false };
    let from = state.list(at)[slot];
    let Some((to, others)) = state.best(at, Some(slot), true) else { return false };
    if others + 2 > shared {
        return false;
    }
    let rack = rack_of(state, from).unwrap_or_default();
    state.replace(at, slot, to, Cause::Shared(rack, shared));
    true
}

/// Which racks can give a replica to which: partitions that have more in the one than in the other.
struct Table {
    racks: usize,
    /// Partitions, for each pair of racks.
    movable: Vec<usize>,
    /// The racks with brokers that take more.
    takes: Vec<bool>,
    /// The pairs between which nothing could be moved after all: a disk is full.
    blocked: Vec<bool>,
}

impl Table {
    fn new(state: &State<'_>) -> Table {
        let racks = state.racks();
        let takes = |nodes: &Vec<usize>| nodes.iter().any(|node| state.takes[*node]);
        let mut table = Table {
            racks,
            movable: vec![0; racks * racks],
            takes: state.open.iter().map(takes).collect(),
            blocked: vec![false; racks * racks],
        };
        for at in 0..state.input.len() {
            table.count(state, at, 1);
        }
        table
    }

    /// Adds a partition, or takes it out.
    fn count(&mut self, state: &State<'_>, at: usize, sign: isize) {
        if !state.may_change(at) {
            return;
        }
        let list = state.list(at);
        let rack_of = |node: u32| state.nodes[node as usize].rack;
        for (slot, node) in list.iter().enumerate() {
            let Some(from) = rack_of(*node) else { continue };
            let counted = |other: &u32| rack_of(*other) == Some(from) && state.gives(at, *other as usize);
            if !state.gives(at, *node as usize) || list[..slot].iter().any(counted) {
                continue;
            }
            let has = state.in_rack(at, from);
            for to in 0..self.racks {
                let holds = list.iter().any(|node| rack_of(*node) == Some(to));
                if to != from && self.takes[to] && (!holds || can_go(state, at, has, to)) {
                    let pair = from * self.racks + to;
                    self.movable[pair] = self.movable[pair].wrapping_add_signed(sign);
                }
            }
        }
    }

    /// Whether something can move along the path, and should.
    fn leads_on(&self, shares: &[RackShare], path: &[usize]) -> bool {
        let (first, last) = (shares[path[0]], shares[path[path.len() - 1]]);
        let worth =
            (first.has > first.most && last.has < last.most) || (first.has > first.least && last.has < last.least);
        worth && path.windows(2).all(|hop| self.can_move(hop[0] * self.racks + hop[1]))
    }

    fn can_move(&self, pair: usize) -> bool {
        self.movable[pair] > 0 && !self.blocked[pair]
    }

    /// The shortest way from a rack that has too much to one that has too little: first what lies outside of its share
    /// on both ends, then on one.
    fn path(&self, shares: &[RackShare]) -> Option<Vec<usize>> {
        let above = |rack: usize| shares[rack].has > shares[rack].most;
        let below = |rack: usize| shares[rack].has < shares[rack].least;
        let has_spare = |rack: usize| shares[rack].has > shares[rack].least;
        let has_place = |rack: usize| shares[rack].has < shares[rack].most;
        self.way(above, below).or_else(|| self.way(above, has_place)).or_else(|| self.way(has_spare, below))
    }

    /// The shortest way from a rack to another over pairs between which something can move.
    fn way(&self, gives: impl Fn(usize) -> bool, gets: impl Fn(usize) -> bool) -> Option<Vec<usize>> {
        let mut from: Vec<Option<usize>> = vec![None; self.racks];
        let mut queue: VecDeque<usize> = (0..self.racks).filter(|rack| gives(*rack)).collect();
        for rack in &queue {
            from[*rack] = Some(*rack);
        }
        while let Some(rack) = queue.pop_front() {
            for to in 0..self.racks {
                let pair = rack * self.racks + to;
                if from[to].is_some() || !self.can_move(pair) {
                    continue;
                }
                from[to] = Some(rack);
                if gets(to) {
                    let mut path = vec![to];
                    let mut rack = to;
                    while let Some(before) = from[rack].filter(|before| *before != rack) {
                        path.push(before);
                        rack = before;
                    }
                    path.reverse();
                    return Some(path);
                }
                queue.push_back(to);
            }
        }
        None
    }
}

/// Whether a rack can take a replica from one that has `has` of the partition.
fn can_go(state: &State<'_>, at: usize, has: usize, to: usize) -> bool {
    state.in_rack(at, to) < has && state.open[to].iter().any(|node| state.takes[*node] && !state.holds(at, *node))
}

/// Moves replicas between racks until each has its share, or as near to it as can be. Gives the brokers whose disks were
/// too full for that.
pub(super) fn even_out(state: &mut State<'_>, buckets: &mut Buckets, shares: &mut [RackShare]) -> Vec<usize> {
    let racks = state.racks();
    let mut full = Vec::new();
    if shares.iter().all(|share| (share.least..=share.most).contains(&share.has)) {
        return full;
    }
    let mut table = Table::new(state);
    // For each broker and rack: nothing of the broker can go there. What moves may change that.
    let mut dry = vec![false; state.nodes.len() * racks];
    while let Some(path) = table.path(shares) {
        while table.leads_on(shares, &path) {
            // From the end, so that no rack between gets more than it had.
            for hop in (1..path.len()).rev() {
                let (from, to) = (path[hop - 1], path[hop]);
                if !move_one(state, buckets, &mut table, &mut dry, (from, to), &mut full) {
                    table.blocked[from * racks + to] = true;
                    break;
                }
                shares[from].has -= 1;
                shares[to].has += 1;
            }
        }
    }
    full
}

/// Moves one replica from one rack to another: from the fullest broker that can, to the emptiest.
fn move_one(
    state: &mut State<'_>,
    buckets: &mut Buckets,
    table: &mut Table,
    dry: &mut [bool],
    (from, to): (usize, usize),
    full: &mut Vec<usize>,
) -> bool {
    let racks = table.racks;
    let mut sources: Vec<usize> = share::even_able(state, from).filter(|node| !dry[node * racks + to]).collect();
    sources.sort_by_key(|node| (std::cmp::Reverse(state.load[*node]), *node));
    let mut no_room = Vec::new();
    for source in sources {
        let found = buckets.take(state, source, 1.0, |at, _| {
            let has = state.in_rack(at, from);
            if !can_go(state, at, has, to) {
                return None;
            }
            let takes = state.open[to].iter().copied().filter(|node| state.takes[*node] && !state.holds(at, *node));
            let mut best = None;
            for node in takes.filter(|node| state.moves_freely || state.load[source] >= state.load[*node] + 2) {
                if !state.fits(at, node) {
                    no_room.push(node);
                } else if best.is_none_or(|best: usize| (state.load[node], node) < (state.load[best], best)) {
                    best = Some(node);
                }
            }
            best
        });
        let Some((at, slot, target)) = found else {
            dry[source * racks + to] = true;
            continue;
        };
        table.count(state, at, -1);
        state.replace(at, slot, target, Cause::Share);
        table.count(state, at, 1);
        buckets.put(target, at);
        for node in state.list(at).to_vec() {
            dry[node as usize * racks..(node as usize + 1) * racks].fill(false);
        }
        return true;
    }
    no_room.sort_unstable();
    no_room.dedup();
    full.extend(no_room);
    false
}
