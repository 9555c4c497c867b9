//! Which replica is preferred as leader: even over the brokers, by order only, which copies nothing.

use super::state::{Role, State};

/// No partition, at the end of a chain.
const END: u32 = u32::MAX;

/// Rounds over all partitions before chains are looked for.
const ROUNDS: usize = 8;

/// The partitions that one broker leads and another holds, for each pair.
struct Pairs {
    brokers: usize,
    first: Vec<u32>,
    /// The partition, and the next of the same pair.
    links: Vec<(u32, u32)>,
}

impl Pairs {
    fn new(state: &State<'_>) -> Pairs {
        let brokers = state.nodes.len();
        let mut pairs = Pairs { brokers, first: vec![END; brokers * brokers], links: Vec::new() };
        for at in (0..state.input.len()).rev().filter(|at| may_reorder(state, *at)) {
            pairs.add(state, at);
        }
        pairs
    }

    fn add(&mut self, state: &State<'_>, at: usize) {
        let list = state.list(at);
        for other in &list[1..] {
            if state.nodes[*other as usize].role == Role::Open {
                let pair = list[0] as usize * self.brokers + *other as usize;
                self.links.push((at as u32, self.first[pair]));
                self.first[pair] = self.links.len() as u32 - 1;
            }
        }
    }

    /// A partition that `from` leads and `to` holds, and the place of `to`. What holds no more is dropped.
    fn find(&mut self, state: &State<'_>, from: usize, to: usize) -> Option<(usize, usize)> {
        let pair = from * self.brokers + to;
        while self.first[pair] != END {
            let (at, next) = self.links[self.first[pair] as usize];
            let list = state.list(at as usize);
            if list[0] as usize == from
                && let Some(slot) = list.iter().position(|node| *node as usize == to)
            {
                return Some((at as usize, slot));
            }
            self.first[pair] = next;
        }
        None
    }
}

/// Whether the order of its replicas may change: not while they are being copied as wanted, since that would start the
/// reassignment anew.
fn may_reorder(state: &State<'_>, at: usize) -> bool {
    state.may_change(at) && state.nodes[state.list(at)[0] as usize].role == Role::Open && !state.is_under_way(at)
}

/// Evens out who leads, until no chain of partitions leads from a broker to one that leads two fewer.
pub(super) fn even_out(state: &mut State<'_>) {
    // A few rounds find most of what there is; the chains find the rest.
    for _ in 0..ROUNDS {
        if !direct(state) {
            break;
        }
    }
    let open: Vec<usize> = state.open.iter().flatten().copied().collect();
    let range = |state: &State<'_>| {
        let leads = || open.iter().map(|node| state.leads[*node]);
        leads().max().unwrap_or(0) - leads().min().unwrap_or(0)
    };
    if range(state) < 2 {
        return;
    }
    let mut pairs = Pairs::new(state);
    // Brokers from which no such chain leads on, and never will: all that they reach lead about as many.
    let mut done = vec![false; state.nodes.len()];
    while let Some(&source) = open.iter().filter(|node| !done[**node]).max_by_key(|node| (state.leads[**node], **node))
    {
        match chain(state, &mut pairs, &open, &done, source) {
            Ok(chain) => hand_over(state, &mut pairs, &chain),
            Err(reached) => reached.into_iter().for_each(|node| done[node] = true),
        }
    }
}

/// Hands over what the leader can give to one of its partition's replicas that leads at least two fewer. False when there
/// is nothing.
fn direct(state: &mut State<'_>) -> bool {
    let mut any = false;
    for at in 0..state.input.len() {
        let list = state.list(at);
        let leads = |node: u32| state.leads[node as usize];
        let least = list.iter().enumerate().filter(|(_, node)| state.nodes[**node as usize].role == Role::Open);
        let Some((slot, least)) = least.min_by_key(|(_, node)| leads(**node)) else { continue };
        if leads(*least) + 2 <= leads(list[0]) && may_reorder(state, at) {
            state.lead(at, slot);
            any = true;
        }
    }
    any
}

/// The shortest chain of brokers from `source` to one that leads at least two fewer; or all that it reaches.
fn chain(
    state: &State<'_>,
    pairs: &mut Pairs,
    open: &[usize],
    done: &[bool],
    source: usize,
) -> Result<Vec<usize>, Vec<usize>> {
    let mut from: Vec<Option<usize>> = vec![None; state.nodes.len()];
    from[source] = Some(source);
    let mut queue = vec![source];
    let mut next = 0;
    while let Some(&broker) = queue.get(next) {
        next += 1;
        for &to in open {
            if done[to] || from[to].is_some() || pairs.find(state, broker, to).is_none() {
                continue;
            }
            from[to] = Some(broker);
            if state.leads[to] + 2 <= state.leads[source] {
                let mut chain = vec![to];
                let mut at = to;
                while let Some(before) = from[at].filter(|before| *before != at) {
                    chain.push(before);
                    at = before;
                }
                chain.reverse();
                return Ok(chain);
            }
            queue.push(to);
        }
    }
    Err(queue)
}

/// Hands over one partition along the chain.
fn hand_over(state: &mut State<'_>, pairs: &mut Pairs, chain: &[usize]) {
    for hop in chain.windows(2) {
        if let Some((at, slot)) = pairs.find(state, hop[0], hop[1]) {
            state.lead(at, slot);
            pairs.add(state, at);
        }
    }
}
