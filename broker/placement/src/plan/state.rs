//! The assignment that is being worked on: brokers and racks as numbers, replicas in one flat list.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::Partitions;

/// What a broker may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It is up and stays: it gives and gets.
    Open,
    /// It is down and stays: it keeps what it has.
    Still,
    /// It must hold nothing.
    Leaves,
    /// Only the assignment names it.
    Gone,
}

/// A broker.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) id: i32,
    /// Its rack; none for those that are gone, since nobody knows it.
    pub(super) rack: Option<usize>,
    pub(super) role: Role,
    pub(super) alive: bool,
}

/// Why a partition is changed; the other numbers are added in the end. The first that is listed here counts, and of equal
/// ones the first that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Leaves(usize),
    Gone(usize),
    Factor,
    /// This many replicas in this rack.
    Shared(usize, usize),
    Share,
    Leader,
}

impl Cause {
    /// What must move first has the smallest.
    pub(super) fn rank(self) -> u8 {
        match self {
            Cause::Leaves(_) => 0,
            Cause::Gone(_) => 1,
            Cause::Factor => 2,
            Cause::Shared(..) => 3,
            Cause::Share => 4,
            Cause::Leader => 5,
        }
    }
}

/// The assignment that is being worked on.
pub(super) struct State<'a> {
    pub(super) input: &'a Partitions,
    /// By id.
    pub(super) nodes: Vec<Node>,
    pub(super) rack_names: Vec<Option<Arc<str>>>,
    /// The open brokers of each rack.
    pub(super) open: Vec<Vec<usize>>,
    /// Whether the broker may get replicas only so that the load is more even.
    pub(super) takes: Vec<bool>,
    /// Open brokers that get nothing more since their disk is full: they keep what they have.
    pub(super) closed: Vec<bool>,
    /// What each broker carries.
    pub(super) load: Vec<usize>,
    pub(super) leads: Vec<usize>,
    pub(super) bytes: Vec<u64>,
    pub(super) room: Vec<i128>,
    pub(super) room_at_start: Vec<i128>,
    /// Whether replicas that are where they were may move, and not only those that move anyway.
    pub(super) moves_all: bool,
    /// Whether a replica may move on without making the load more even by itself, for one behind it in a chain.
    pub(super) moves_freely: bool,
    /// Whether racks are repaired.
    pub(super) repairs: bool,
    /// Whether room counts before load.
    pub(super) roomiest_first: bool,
    /// The replication factor wanted of each topic that is planned for; `None` when all are, as they are.
    pub(super) goals: Option<Vec<Goal>>,
    /// The partitions none of whose replicas is up.
    pub(super) offline: BTreeSet<usize>,
    pub(super) starts: Vec<u32>,
    pub(super) lens: Vec<u16>,
    pub(super) now: Vec<u32>,
    pub(super) causes: HashMap<usize, Cause>,
    /// For each rack, zero between calls.
    pub(super) scratch: Vec<usize>,
}

/// What is planned for a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    LeftAlone,
    AsItIs,
    Replicas(usize),
}

impl State<'_> {
    /// The place of the broker with this id, which the input names.
    pub(super) fn node(&self, id: i32) -> usize {
        self.nodes.binary_search_by_key(&id, |node| node.id).unwrap_or_default()
    }

    pub(super) fn racks(&self) -> usize {
        self.rack_names.len()
    }

    /// The replicas of the partition as planned so far.
    pub(super) fn list(&self, at: usize) -> &[u32] {
        let start = self.starts[at] as usize;
        &self.now[start..start + usize::from(self.lens[at])]
    }

    /// How many replicas the partition shall have.
    pub(super) fn wanted(&self, at: usize) -> usize {
        match self.goal(at) {
            Goal::Replicas(wanted) => wanted,
            Goal::AsItIs | Goal::LeftAlone => self.input.start_of(at).len(),
        }
    }

    fn goal(&self, at: usize) -> Goal {
        self.goals.as_ref().map_or(Goal::AsItIs, |goals| goals[self.input.topic_of(at) as usize])
    }

    /// Whether the plan is about this partition.
    pub(super) fn in_scope(&self, at: usize) -> bool {
        self.goal(at) != Goal::LeftAlone
    }

    /// Whether the partition may change.
    pub(super) fn may_change(&self, at: usize) -> bool {
        self.in_scope(at) && (self.offline.is_empty() || !self.offline.contains(&at))
    }

    pub(super) fn holds(&self, at: usize, node: usize) -> bool {
        self.list(at).contains(&(node as u32))
    }

    /// Whether the broker has the data already.
    pub(super) fn has_data(&self, at: usize, node: usize) -> bool {
        self.input.replicas_of(at).contains(&self.nodes[node].id)
    }

    /// Whether the broker's replica may be moved for more even load: any, or only one that is to be copied there anyway.
    /// What is under way as wanted is left alone until it is done.
    pub(super) fn gives(&self, at: usize, node: usize) -> bool {
        self.is_even_able(node) && (self.is_new(at, node) || (self.moves_all && !self.is_under_way(at)))
    }

    /// Whether a reassignment is under way to just what is planned so far.
    pub(super) fn is_under_way(&self, at: usize) -> bool {
        let ids = || self.list(at).iter().map(|node| self.nodes[*node as usize].id);
        self.input.target_of(at).is_some_and(|target| ids().eq(target.iter().copied()))
    }

    /// Whether the plan copies the partition to the broker.
    pub(super) fn is_new(&self, at: usize, node: usize) -> bool {
        !self.has_data(at, node) && !self.input.start_of(at).contains(&self.nodes[node].id)
    }

    /// Whether the broker must not keep what it has.
    pub(super) fn must_go(&self, node: usize) -> bool {
        matches!(self.nodes[node].role, Role::Leaves | Role::Gone)
    }

    pub(super) fn is_alive(&self, node: usize) -> bool {
        self.nodes[node].alive
    }

    /// Whether replicas may be put on the broker and taken off it for more even load.
    pub(super) fn is_even_able(&self, node: usize) -> bool {
        self.nodes[node].role == Role::Open && !self.closed[node]
    }

    /// How many replicas of the partition are in the rack.
    pub(super) fn in_rack(&self, at: usize, rack: usize) -> usize {
        self.list(at).iter().filter(|node| self.nodes[**node as usize].rack == Some(rack)).count()
    }

    /// The bytes that the broker has room for beside what is planned, those that stay free left out.
    pub(super) fn room(&self, node: usize) -> u64 {
        u64::try_from(self.room[node].max(0)).unwrap_or(u64::MAX)
    }

    /// The bytes that it had room for before anything was planned.
    pub(super) fn free_at_start(&self, node: usize) -> u64 {
        u64::try_from(self.room_at_start[node].max(0)).unwrap_or(u64::MAX)
    }

    pub(super) fn fits(&self, at: usize, node: usize) -> bool {
        self.room[node] >= i128::from(self.input.size_of(at)) || self.has_data(at, node)
    }

    pub(super) fn count(&mut self, at: usize, slot: usize, node: usize, sign: isize) {
        let size = self.input.size_of(at);
        self.load[node] = self.load[node].wrapping_add_signed(sign);
        if slot == 0 {
            self.leads[node] = self.leads[node].wrapping_add_signed(sign);
        }
        if sign > 0 {
            self.bytes[node] = self.bytes[node].saturating_add(size);
        } else {
            self.bytes[node] = self.bytes[node].saturating_sub(size);
        }
        if !self.has_data(at, node) {
            self.room[node] -= i128::from(size) * sign as i128;
        }
    }

    pub(super) fn because(&mut self, at: usize, cause: Cause) {
        let known = self.causes.entry(at).or_insert(cause);
        if cause.rank() < known.rank() {
            *known = cause;
        }
    }

    /// Puts `to` in the place of a replica.
    pub(super) fn replace(&mut self, at: usize, slot: usize, to: usize, cause: Cause) {
        let place = self.starts[at] as usize + slot;
        let from = self.now[place] as usize;
        self.count(at, slot, from, -1);
        self.count(at, slot, to, 1);
        self.now[place] = to as u32;
        self.because(at, cause);
    }

    /// Adds a replica; only as many as are wanted.
    pub(super) fn add(&mut self, at: usize, to: usize, cause: Cause) {
        let slot = usize::from(self.lens[at]);
        self.now[self.starts[at] as usize + slot] = to as u32;
        self.lens[at] += 1;
        self.count(at, slot, to, 1);
        self.because(at, cause);
    }

    /// Takes a replica out; those behind it move up.
    pub(super) fn remove(&mut self, at: usize, slot: usize, cause: Cause) {
        let (start, len) = (self.starts[at] as usize, usize::from(self.lens[at]));
        self.count(at, slot, self.now[start + slot] as usize, -1);
        self.now[start + slot..start + len].rotate_left(1);
        self.lens[at] -= 1;
        if slot == 0 && len > 1 {
            self.leads[self.now[start] as usize] += 1;
        }
        self.because(at, cause);
    }

    /// Makes the replica in this place the preferred leader; that one takes its place.
    pub(super) fn lead(&mut self, at: usize, slot: usize) {
        let start = self.starts[at] as usize;
        self.leads[self.now[start] as usize] -= 1;
        self.now.swap(start, start + slot);
        self.leads[self.now[start] as usize] += 1;
        self.because(at, Cause::Leader);
    }

    /// The broker that should get a replica of the partition beside those that it has, not counting the one in the place
    /// `without`: in the rack with the fewest of them, where the data is already, then where the load is least. `None`
    /// when there is none with room. Also the number of the partition's other replicas in its rack.
    pub(super) fn best(&mut self, at: usize, without: Option<usize>, only_takes: bool) -> Option<(usize, usize)> {
        let mut used = std::mem::take(&mut self.scratch);
        let others = || self.list(at).iter().enumerate().filter(|(slot, _)| Some(*slot) != without);
        let rack_of = |node: u32| self.nodes[node as usize].rack;
        others().filter_map(|(_, node)| rack_of(*node)).for_each(|rack| used[rack] += 1);
        // Mostly nobody else has the data: then nobody is asked for it.
        let moved = self.input.target_of(at).is_some() || self.causes.contains_key(&at);
        let has_data = |node: usize| moved && self.has_data(at, node);
        let size = i128::from(self.input.size_of(at));
        let mut best: Option<(usize, usize)> = None;
        for (rack, nodes) in self.open.iter().enumerate() {
            if best.is_some_and(|best| used[best.1] < used[rack]) {
                continue;
            }
            for &node in nodes {
                let may = !self.closed[node] && (!only_takes || self.takes[node]) && !self.holds(at, node);
                if !may || !(self.room[node] >= size || has_data(node)) {
                    continue;
                }
                // Every broker is asked for every replica that must move: only what is equal is looked at further.
                let key = |node: usize| {
                    let room = if self.roomiest_first { self.room[node] } else { 0 };
                    (!has_data(node), Reverse(room), self.load[node])
                };
                let better = best.is_none_or(|(other, other_rack)| {
                    let order = used[rack].cmp(&used[other_rack]).then_with(|| key(node).cmp(&key(other)));
                    order.then_with(|| (self.bytes[node], node).cmp(&(self.bytes[other], other))).is_lt()
                });
                if better {
                    best = Some((node, rack));
                }
            }
        }
        let best = best.map(|(node, rack)| (node, used[rack]));
        others().filter_map(|(_, node)| rack_of(*node)).for_each(|rack| used[rack] = 0);
        self.scratch = used;
        best
    }
}
