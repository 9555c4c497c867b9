//! From the assignment that was worked out to what has to be done.

use crate::Range;

use super::state::{Cause, State};
use super::{Balance, Cancel, Carried, Copies, Move, Plan, Stuck, Why};

/// How the replicas lie, as planned so far.
pub(super) fn balance(state: &State<'_>) -> Balance {
    let brokers: Vec<Carried> = (0..state.nodes.len())
        .map(|node| Carried {
            id: state.nodes[node].id,
            replicas: state.load[node],
            leaders: state.leads[node],
            bytes: state.bytes[node],
        })
        .collect();
    let open = || state.open.iter().flatten().map(|node| brokers[*node]);
    let racks = state.open.iter().filter(|nodes| !nodes.is_empty()).count();
    let (mut crowded, mut misplaced) = (0, 0);
    for at in 0..state.input.len() {
        let list = state.list(at);
        let rack = |node: u32| state.nodes[node as usize].rack;
        let distinct = |(slot, node): &(usize, &u32)| {
            rack(**node).is_some() && !list[..*slot].iter().any(|other| rack(*other) == rack(**node))
        };
        let used = list.iter().enumerate().filter(distinct).count();
        crowded += usize::from(used < list.len().min(racks));
        misplaced += list.iter().filter(|node| state.must_go(**node as usize)).count();
    }
    Balance {
        replicas: Range::of(open().map(|broker| broker.replicas)),
        leaders: Range::of(open().map(|broker| broker.leaders)),
        bytes: Range::of(open().map(|broker| broker.bytes as usize)),
        crowded,
        misplaced,
        brokers,
    }
}

/// What has to be done.
pub(super) fn finish(state: &State<'_>, before: Balance, least: Copies) -> Plan {
    let after = balance(state);
    let mut plan = Plan { least, ..Plan::default() };
    let mut moves: Vec<(u8, Move)> = Vec::new();
    for at in 0..state.input.len() {
        if let Some(stuck) = stuck(state, at) {
            plan.stuck.push(stuck);
        }
        let target = state.input.target_of(at);
        if target.is_none() && !state.causes.contains_key(&at) {
            continue;
        }
        let to: Vec<i32> = state.list(at).iter().map(|node| state.nodes[*node as usize].id).collect();
        let from = state.input.replicas_of(at);
        let adding = || to.iter().filter(|id| !from.contains(id));
        let bytes = state.input.size_of(at) * adding().count() as u64;
        if target.is_some_and(|target| target == to) {
            plan.in_flight.add(bytes, adding().copied());
        } else if from != to {
            let why = why(state, at, from, &to, &before, &after);
            plan.copies.replicas += adding().count();
            plan.copies.bytes += bytes;
            let (topic, partition) = (state.input.topic_of(at), state.input.partition_of(at));
            let rank = state.causes.get(&at).map_or(Cause::Leader.rank(), |cause| cause.rank());
            moves.push((
                rank,
                Move { topic, partition, from: from.to_vec(), to, bytes, why, replaces: target.is_some() },
            ));
        } else if let Some(target) = target {
            let why = why(state, at, target, &to, &before, &after);
            plan.cancels.push(Cancel { topic: state.input.topic_of(at), partition: state.input.partition_of(at), why });
        }
    }
    moves.sort_by_key(|(rank, _)| *rank);
    plan.moves = moves.into_iter().map(|(_, one)| one).collect();
    plan.before = before;
    plan.after = after;
    plan
}

fn stuck(state: &State<'_>, at: usize) -> Option<Stuck> {
    let must = |state: &State<'_>| state.list(at).iter().any(|node| state.must_go(*node as usize));
    let stuck =
        state.offline.contains(&at) && state.in_scope(at) && (must(state) || state.wanted(at) != state.list(at).len());
    stuck.then(|| Stuck {
        topic: state.input.topic_of(at),
        partition: state.input.partition_of(at),
        replicas: state.input.replicas_of(at).to_vec(),
    })
}

/// The reason, with the numbers of before.
fn why(state: &State<'_>, at: usize, from: &[i32], to: &[i32], before: &Balance, after: &Balance) -> Why {
    let carried = |balance: &Balance, id: i32| {
        let place = balance.brokers.binary_search_by_key(&id, |broker| broker.id);
        place.map(|place| balance.brokers[place]).unwrap_or_default()
    };
    let leader = || {
        let (old, new) = (from[0], to[0]);
        let (leads, led) = (carried(before, old).leaders, carried(before, new).leaders);
        Why::Leader { from: old, leads, to: new, led }
    };
    match state.causes.get(&at) {
        Some(Cause::Leaves(node)) => Why::Leaves { broker: state.nodes[*node].id },
        Some(Cause::Gone(node)) => Why::Gone { broker: state.nodes[*node].id },
        Some(Cause::Factor) => Why::ReplicationFactor { from: from.len(), to: to.len() },
        Some(Cause::Shared(rack, replicas)) => {
            Why::SharedRack { rack: state.rack_names[*rack].clone(), replicas: *replicas }
        }
        Some(Cause::Share | Cause::Leader) | None => {
            let gives = from.iter().find(|id| !to.contains(id));
            let gets = to.iter().find(|id| !from.contains(id));
            match (gives, gets) {
                (Some(gives), Some(gets)) => Why::Share {
                    from: *gives,
                    has: carried(before, *gives).replicas,
                    to: *gets,
                    had: carried(before, *gets).replicas,
                    share: carried(after, *gets).replicas,
                },
                _ => leader(),
            }
        }
    }
}
