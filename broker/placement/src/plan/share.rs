//! How many replicas each rack and each broker should have.
//!
//! A partition has in each rack either the fewest replicas that distinct racks allow or one more; that bounds what a rack
//! can have. Within these bounds all brokers get the same. Where the numbers do not divide, those that have more keep one
//! more, so that nothing moves for it.

use super::Copies;
use super::state::{Role, State};

/// What the partitions allow a rack to have on brokers that can be evened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bounds {
    least: usize,
    most: usize,
}

/// What a rack should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RackShare {
    /// What its brokers have together.
    pub(super) has: usize,
    /// The least and the most that they should have. What each rack has between these is as even as it gets.
    pub(super) least: usize,
    pub(super) most: usize,
    /// What they have in the end when as little moves as can be.
    pub(super) goal: usize,
}

/// The replicas that the brokers of each rack should have together, those on brokers that cannot be evened left out.
pub(super) fn of_racks(state: &State<'_>) -> Vec<RackShare> {
    let racks = state.racks();
    let brokers: Vec<usize> = (0..racks).map(|rack| even_able(state, rack).count()).collect();
    let has: Vec<usize> = (0..racks).map(|rack| even_able(state, rack).map(|node| state.load[node]).sum()).collect();
    let (bounds, all) = bounds(state, &brokers);
    let clamp = |rack: usize, each: usize| (brokers[rack] * each).clamp(bounds[rack].least, bounds[rack].most);
    let sum = |each: usize| (0..racks).map(|rack| clamp(rack, each)).sum::<usize>();
    // The most that every broker can have: above it there are not enough replicas.
    let (mut low, mut high) = (0, all + 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if sum(middle) <= all { low = middle } else { high = middle }
    }
    // Brokers that have one more than others must keep it, or something moves for nothing.
    let kept = |rack: usize| -> usize { even_able(state, rack).map(|node| state.load[node].clamp(low, low + 1)).sum() };
    let mut goal: Vec<usize> =
        (0..racks).map(|rack| kept(rack).clamp(clamp(rack, low), clamp(rack, low + 1))).collect();
    let total = goal.iter().sum::<usize>();
    let (mut lack, mut spare) = (all.saturating_sub(total), total.saturating_sub(all));
    let mut order: Vec<usize> = (0..racks).collect();
    order.sort_by_key(|rack| (std::cmp::Reverse(has[*rack].saturating_sub(goal[*rack])), *rack));
    for rack in order {
        let more = lack.min(clamp(rack, low + 1) - goal[rack]);
        let fewer = spare.min(goal[rack] - clamp(rack, low));
        goal[rack] = goal[rack] + more - fewer;
        lack -= more;
        spare -= fewer;
    }
    let share = |rack: usize| RackShare {
        has: has[rack],
        least: clamp(rack, low),
        most: clamp(rack, low + 1),
        goal: goal[rack],
    };
    (0..racks).map(share).collect()
}

/// The brokers of a rack that can be evened.
pub(super) fn even_able<'s>(state: &'s State<'_>, rack: usize) -> impl Iterator<Item = usize> + Clone + 's {
    state.open[rack].iter().copied().filter(|node| state.is_even_able(*node))
}

/// An even share of `total` for each that has `loads` now: those that have most get what does not divide.
pub(super) fn of_brokers(loads: &[usize], total: usize) -> Vec<usize> {
    if loads.is_empty() {
        return Vec::new();
    }
    let mut order: Vec<usize> = (0..loads.len()).collect();
    order.sort_by_key(|at| (std::cmp::Reverse(loads[*at]), *at));
    let mut shares = vec![total / loads.len(); loads.len()];
    for at in order.into_iter().take(total % loads.len()) {
        shares[at] += 1;
    }
    shares
}

/// What each rack can have at least and at most, and how many replicas there are for all of them.
fn bounds(state: &State<'_>, brokers: &[usize]) -> (Vec<Bounds>, usize) {
    let racks = brokers.len();
    let mut bounds = vec![Bounds::default(); racks];
    let mut all = 0;
    // What a replica is fixed on: a broker that stays and cannot be evened.
    let is_fixed = |node: usize| match state.nodes[node].role {
        Role::Open => state.closed[node],
        Role::Still => true,
        Role::Leaves | Role::Gone => false,
    };
    let any_fixed = (0..state.nodes.len()).any(is_fixed);
    let mut same: Vec<usize> = Vec::new();
    let mut fixed = vec![0; racks];
    for at in 0..state.input.len() {
        let wanted = state.wanted(at);
        if !state.may_change(at) {
            for node in state.list(at).iter().map(|node| *node as usize).filter(|node| state.is_even_able(*node)) {
                let Some(rack) = state.nodes[node].rack else { continue };
                bounds[rack].least += 1;
                bounds[rack].most += 1;
                all += 1;
            }
            continue;
        }
        let on_fixed = || state.list(at).iter().map(|node| *node as usize).filter(|node| is_fixed(*node));
        if any_fixed && on_fixed().next().is_some() {
            on_fixed().filter_map(|node| state.nodes[node].rack).for_each(|rack| fixed[rack] += 1);
            all += wanted.saturating_sub(fixed.iter().sum());
            add_bounds(&mut bounds, wanted, brokers, &fixed, 1);
            fixed.fill(0);
        } else {
            if same.len() <= wanted {
                same.resize(wanted + 1, 0);
            }
            same[wanted] += 1;
            all += wanted;
        }
    }
    for (wanted, times) in same.into_iter().enumerate() {
        add_bounds(&mut bounds, wanted, brokers, &fixed, times);
    }
    (bounds, all)
}

/// Adds what partitions with this many replicas allow, of which `fixed` are in each rack already.
fn add_bounds(bounds: &mut [Bounds], wanted: usize, brokers: &[usize], fixed: &[usize], times: usize) {
    if times == 0 {
        return;
    }
    let at_level = |rack: usize, level: usize| level.min(fixed[rack] + brokers[rack]).max(fixed[rack]);
    let sum = |level: usize| (0..brokers.len()).map(|rack| at_level(rack, level)).sum::<usize>();
    let mut level = 0;
    while level < wanted && sum(level + 1) <= wanted {
        level += 1;
    }
    let spare = wanted > sum(level);
    for (rack, bounds) in bounds.iter_mut().enumerate() {
        let least = at_level(rack, level) - fixed[rack];
        let most = if spare { at_level(rack, level + 1) - fixed[rack] } else { least };
        bounds.least += least * times;
        bounds.most += most * times;
    }
}

/// What must be copied whatever the plan: replicas on brokers that must hold nothing, and those that are added.
pub(super) fn must_copy(state: &State<'_>) -> Copies {
    let mut copies = Copies::default();
    let stays =
        |id: &&i32| state.nodes.binary_search_by_key(*id, |node| node.id).is_ok_and(|node| !state.must_go(node));
    for at in (0..state.input.len()).filter(|at| state.may_change(*at)) {
        let start = state.input.start_of(at);
        let wanted = state.wanted(at);
        let lacks = wanted.saturating_sub(start.iter().filter(stays).count());
        // What was there before the reassignment under way costs nothing.
        let free = if lacks == 0 {
            0
        } else {
            state.input.replicas_of(at).iter().filter(|id| !start.contains(id)).filter(stays).count()
        };
        copies.replicas += lacks.saturating_sub(free);
        copies.bytes += lacks.saturating_sub(free) as u64 * state.input.size_of(at);
    }
    copies
}

/// The least that any plan copies; to be asked before anything is changed.
pub(super) fn least(state: &State<'_>) -> Copies {
    let must = must_copy(state);
    if !state.moves_all {
        return must;
    }
    let all: usize = state.load.iter().sum();
    let mean = state.bytes.iter().sum::<u64>() as f64 / all.max(1) as f64;
    let mut lack = 0;
    for (rack, share) in of_racks(state).into_iter().enumerate() {
        let nodes: Vec<usize> = even_able(state, rack).collect();
        let loads: Vec<usize> = nodes.iter().map(|node| state.load[*node]).collect();
        let lacks = |(node, share): (&usize, usize)| share.saturating_sub(state.load[*node]);
        let takes = |(node, _): &(&usize, usize)| state.takes[**node];
        lack += nodes.iter().zip(of_brokers(&loads, share.goal)).filter(takes).map(lacks).sum::<usize>();
    }
    let more = lack.saturating_sub(must.replicas);
    Copies { replicas: must.replicas + more, bytes: must.bytes + (more as f64 * mean) as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds_of(wanted: usize, brokers: &[usize], fixed: &[usize]) -> Vec<(usize, usize)> {
        let mut bounds = vec![Bounds::default(); brokers.len()];
        add_bounds(&mut bounds, wanted, brokers, fixed, 1);
        bounds.iter().map(|bounds| (bounds.least, bounds.most)).collect()
    }

    #[test]
    fn racks_bound_what_they_can_have() {
        assert_eq!(bounds_of(3, &[5, 1, 1], &[0; 3]), [(1, 1); 3], "one in each");
        assert_eq!(bounds_of(2, &[5, 1, 1], &[0; 3]), [(0, 1); 3], "any two of them");
        assert_eq!(bounds_of(4, &[5, 1, 1], &[0; 3]), [(2, 2), (1, 1), (1, 1)], "the small ones are full");
        assert_eq!(bounds_of(4, &[5, 5, 1], &[0; 3]), [(1, 2), (1, 2), (1, 1)]);
        assert_eq!(bounds_of(3, &[2, 2, 2], &[1, 0, 0]), [(0, 0), (1, 1), (1, 1)], "one is there already");
        assert_eq!(bounds_of(9, &[1, 1], &[0, 0]), [(1, 1); 2], "more than there can be");
    }

    #[test]
    fn who_has_more_keeps_one_more() {
        assert_eq!(of_brokers(&[0, 5, 3], 8), [2, 3, 3]);
        assert_eq!(of_brokers(&[], 8), [] as [usize; 0]);
    }
}
