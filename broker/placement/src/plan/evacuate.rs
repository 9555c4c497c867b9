//! What must move: off brokers that leave or are gone, and to the number of replicas that is wanted.

use super::PlanError;
use super::bucket::Turns;
use super::state::{Cause, Role, State};

/// Makes every partition have the replicas that it shall have, none of them on a broker that must hold nothing.
pub(super) fn evacuate(state: &mut State<'_>) -> Result<(), PlanError> {
    let must = |at: &usize| {
        let list = state.list(*at);
        list.len() != state.wanted(*at) || list.iter().any(|node| state.must_go(*node as usize))
    };
    let work: Vec<usize> = (0..state.input.len()).filter(|at| state.may_change(*at)).filter(must).collect();
    if work.is_empty() {
        return Ok(());
    }
    // The largest first: what is small still finds room beside them.
    let turns = Turns::new(state.input);
    let mut order: Vec<u64> = work.iter().map(|at| turns.largest_first(state.input, *at)).collect();
    order.sort_unstable();
    for at in order.into_iter().map(Turns::partition) {
        drop_spare(state, at);
        for slot in 0..state.list(at).len() {
            let from = state.list(at)[slot] as usize;
            if state.must_go(from) {
                let Some((to, _)) = state.best(at, Some(slot), false) else { return Err(no_place(state, at)) };
                let cause = if state.nodes[from].role == Role::Gone { Cause::Gone(from) } else { Cause::Leaves(from) };
                state.replace(at, slot, to, cause);
            }
        }
        while state.list(at).len() < state.wanted(at) {
            let Some((to, _)) = state.best(at, None, false) else { return Err(no_place(state, at)) };
            state.add(at, to, Cause::Factor);
        }
    }
    Ok(())
}

/// Drops replicas that are too many: those that must go first, then those that are down, then where a rack has most.
fn drop_spare(state: &mut State<'_>, at: usize) {
    while state.list(at).len() > state.wanted(at) {
        let worst = state.list(at).iter().enumerate().max_by_key(|(slot, node)| {
            let node = **node as usize;
            let shared = state.nodes[node].rack.map_or(0, |rack| state.in_rack(at, rack));
            (
                state.must_go(node),
                !state.is_alive(node),
                shared,
                *slot > 0,
                !state.has_data(at, node),
                state.load[node],
                *slot,
            )
        });
        let Some(slot) = worst.map(|(slot, _)| slot) else { return };
        state.remove(at, slot, Cause::Factor);
    }
}

/// Why a replica found no broker.
fn no_place(state: &State<'_>, at: usize) -> PlanError {
    let (topic, partition) =
        (state.input.topic_name(state.input.topic_of(at)).to_owned(), state.input.partition_of(at));
    let open = || state.open.iter().flatten().copied();
    match open().filter(|node| !state.holds(at, *node)).max_by_key(|node| (state.room(*node), *node)) {
        None => PlanError::TooFewBrokers { topic, partition, replicas: state.wanted(at), brokers: open().count() },
        Some(roomiest) => PlanError::NoRoom {
            topic,
            partition,
            bytes: state.input.size_of(at),
            broker: state.nodes[roomiest].id,
            free: state.room(roomiest),
            needed: super::share::must_copy(state).bytes,
            free_in_all: open().map(|node| state.free_at_start(node)).fold(0, u64::saturating_add),
        },
    }
}
