//! Brokers that have more than their share give to those that have less.

use super::bucket::Buckets;
use super::racks;
use super::share::{self, RackShare};
use super::state::{Cause, State};

/// How often racks and brokers are gone through: what was done within racks may open a way between racks. Mostly the first
/// round does all, and the second finds nothing to do.
const ROUNDS: usize = 16;

/// Evens out the racks, then the brokers of each rack.
pub(super) fn even_out(state: &mut State<'_>) {
    let mut buckets = None;
    for _ in 0..ROUNDS {
        let mut shares = share::of_racks(state);
        if is_even(state, &shares) {
            return;
        }
        let buckets = buckets.get_or_insert_with(|| Buckets::new(state));
        let before = state.load.clone();
        let mut full = racks::even_out(state, buckets, &mut shares);
        for rack in 0..state.racks() {
            full.extend(within(state, buckets, rack));
        }
        // Those that have their share are not full for what is wanted.
        full.retain(|node| {
            let rack = state.nodes[*node].rack.unwrap_or_default();
            let brokers = share::even_able(state, rack).count();
            !state.closed[*node] && state.load[*node] * brokers < shares[rack].goal
        });
        if full.is_empty() && state.load == before {
            return;
        }
        // They keep what they have; the others share what is left.
        for node in full {
            state.closed[node] = true;
            state.takes[node] = false;
        }
    }
}

fn is_even(state: &State<'_>, shares: &[RackShare]) -> bool {
    shares.iter().enumerate().all(|(rack, share)| {
        let loads = || share::even_able(state, rack).map(|node| state.load[node]);
        let apart = loads().max().unwrap_or(0) - loads().min().unwrap_or(0);
        (share.least..=share.most).contains(&share.has) && apart <= 1
    })
}

/// Evens out the brokers of one rack: the one that lacks most gets from the one that has most to spare. Gives the
/// brokers whose disks were too full for that.
fn within(state: &mut State<'_>, buckets: &mut Buckets, rack: usize) -> Vec<usize> {
    let nodes: Vec<usize> = share::even_able(state, rack).collect();
    let loads: Vec<usize> = nodes.iter().map(|node| state.load[*node]).collect();
    let goal = share::of_brokers(&loads, loads.iter().sum());
    let count = nodes.len();
    let bytes: u64 = nodes.iter().map(|node| state.bytes[*node]).sum();
    let mean = bytes as f64 / loads.iter().sum::<usize>().max(1) as f64;
    // What a replica should weigh so that the bytes get even with the number.
    let weight = |state: &State<'_>, at: usize| {
        let (replicas, bytes) = (goal[at] as f64 - state.load[nodes[at]] as f64, state.bytes[nodes[at]] as f64);
        ((goal[at] as f64 * mean - bytes) / replicas).max(0.0)
    };
    // Between these nothing can be moved, and that stays so: what gives only loses partitions, what gets only gains.
    let mut dry = vec![false; count * count];
    let mut full = Vec::new();
    let mut gets: Vec<usize> = (0..count).filter(|at| state.takes[nodes[*at]] && loads[*at] < goal[*at]).collect();
    let mut gives: Vec<usize> = (0..count).filter(|at| loads[*at] > goal[*at]).collect();
    loop {
        gets.retain(|at| state.load[nodes[*at]] < goal[*at]);
        gives.retain(|at| state.load[nodes[*at]] > goal[*at]);
        let lacks = |at: &&usize| (goal[**at] - state.load[nodes[**at]], std::cmp::Reverse(**at));
        let Some(&to) = gets.iter().max_by_key(lacks) else { return full };
        let spare = |at: &&usize| (state.load[nodes[**at]] - goal[**at], std::cmp::Reverse(**at));
        let Some(&from) = gives.iter().filter(|from| !dry[**from * count + to]).max_by_key(spare) else {
            gets.retain(|at| *at != to);
            continue;
        };
        let (source, target) = (nodes[from], nodes[to]);
        let has = state.bytes[source] as f64 / state.load[source].max(1) as f64;
        let times = if has > 0.0 { (weight(state, from) + weight(state, to)) / 2.0 / has } else { 1.0 };
        let mut no_room = false;
        let found = buckets.take(state, source, times, |at, _| {
            if state.holds(at, target) {
                return None;
            }
            let fits = state.fits(at, target);
            no_room |= !fits;
            fits.then_some(())
        });
        match found {
            Some((at, slot, ())) => {
                state.replace(at, slot, target, Cause::Share);
                buckets.put(target, at);
            }
            None => {
                dry[from * count + to] = true;
                if no_room && !full.contains(&target) {
                    full.push(target);
                }
            }
        }
    }
}
