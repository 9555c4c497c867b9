//! The assignment that is being worked on: brokers and racks as numbers, replicas in one flat list.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::{Broker, Mode, Options, Partitions, PlanError};

/// Room where the disk is not known: more than all that there is, and far from overflowing.
const NO_BOUND: i128 = i128::MAX / 4;

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
    alive: bool,
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
    fn rank(self) -> u8 {
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
    room: Vec<i128>,
    room_at_start: Vec<i128>,
    /// Whether replicas that are where they were may move, and not only those that move anyway.
    pub(super) moves_all: bool,
    /// Whether a replica may move on without making the load more even by itself, for one behind it in a chain.
    pub(super) moves_freely: bool,
    /// Whether racks are repaired.
    pub(super) repairs: bool,
    /// Whether room counts before load.
    pub(super) roomiest_first: bool,
    /// The replication factor wanted of each topic that is planned for; `None` when all are, as they are.
    goals: Option<Vec<Goal>>,
    /// The partitions none of whose replicas is up.
    pub(super) offline: BTreeSet<usize>,
    starts: Vec<u32>,
    lens: Vec<u16>,
    now: Vec<u32>,
    pub(super) causes: HashMap<usize, Cause>,
    /// For each rack, zero between calls.
    scratch: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    LeftAlone,
    AsItIs,
    Replicas(usize),
}

impl<'a> State<'a> {
    /// The assignment as it is, with reassignments under way as done.
    pub(super) fn new(
        brokers: &[Broker<'_>],
        input: &'a Partitions,
        options: &Options,
    ) -> Result<State<'a>, PlanError> {
        let mut sorted = brokers.to_vec();
        sorted.sort_by_key(|broker| broker.id);
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(PlanError::DuplicateBroker { id: pair[0].id });
        }
        let known = |id: i32| sorted.binary_search_by_key(&id, |broker| broker.id).is_ok();
        let named: &[i32] = match &options.mode {
            Mode::AddBrokers(ids) | Mode::RemoveBrokers(ids) => ids,
            Mode::Full | Mode::Topics(_) => &[],
        };
        if let Some(id) = named.iter().find(|id| !known(**id)) {
            return Err(PlanError::UnknownBroker { id: *id });
        }
        let mut gone: Vec<i32> = Vec::new();
        for at in 0..input.len() {
            let lists = [Some(input.replicas_of(at)), input.target_of(at)];
            for replicas in lists.into_iter().flatten() {
                let twice = |(place, id): (usize, &i32)| replicas[..place].contains(id);
                if replicas.is_empty() || replicas.iter().enumerate().any(twice) {
                    return Err(PlanError::BadReplicas {
                        topic: input.topic_name(input.topic_of(at)).to_owned(),
                        partition: input.partition_of(at),
                        replicas: replicas.to_vec(),
                    });
                }
                gone.extend(replicas.iter().copied().filter(|id| !known(*id)));
            }
        }
        gone.sort_unstable();
        gone.dedup();

        let mut names: Vec<Option<&str>> = sorted.iter().map(|broker| broker.rack).collect();
        names.sort_unstable();
        names.dedup();
        let leaves = |broker: &Broker<'_>| match &options.mode {
            Mode::RemoveBrokers(ids) => broker.leaving || ids.contains(&broker.id),
            _ => broker.leaving,
        };
        let mut nodes: Vec<Node> = sorted
            .iter()
            .map(|broker| Node {
                id: broker.id,
                rack: names.binary_search(&broker.rack).ok(),
                role: match (leaves(broker), broker.alive) {
                    (true, _) => Role::Leaves,
                    (false, true) => Role::Open,
                    (false, false) => Role::Still,
                },
                alive: broker.alive,
            })
            .collect();
        nodes.extend(gone.iter().map(|id| Node { id: *id, rack: None, role: Role::Gone, alive: false }));
        nodes.sort_by_key(|node| node.id);
        let mut room = vec![0; nodes.len()];
        for broker in &sorted {
            if let Ok(at) = nodes.binary_search_by_key(&broker.id, |node| node.id) {
                let free =
                    |disk: super::Disk| i128::from(disk.size) - i128::from(disk.used) - i128::from(options.keep_free);
                room[at] = broker.disk.map_or(NO_BOUND, free);
            }
        }
        let mut open = vec![Vec::new(); names.len()];
        for (at, node) in nodes.iter().enumerate() {
            if let (Role::Open, Some(rack)) = (node.role, node.rack) {
                open[rack].push(at);
            }
        }
        let takes = nodes.iter().map(|node| match &options.mode {
            Mode::AddBrokers(ids) => node.role == Role::Open && ids.contains(&node.id),
            _ => node.role == Role::Open,
        });
        let goals = match &options.mode {
            Mode::Topics(topics) => {
                let mut goals = vec![Goal::LeftAlone; input.topics()];
                for goal in topics {
                    if goal.replication_factor == Some(0) {
                        return Err(PlanError::ZeroReplicationFactor {
                            topic: input.topic_name(goal.topic).to_owned(),
                        });
                    }
                    if let Some(of) = goals.get_mut(goal.topic as usize) {
                        *of = goal.replication_factor.map_or(Goal::AsItIs, Goal::Replicas);
                    }
                }
                Some(goals)
            }
            _ => None,
        };
        let count = nodes.len();
        let racks = names.len();
        let mut state = State {
            input,
            takes: takes.collect(),
            closed: vec![false; count],
            load: vec![0; count],
            leads: vec![0; count],
            bytes: vec![0; count],
            room,
            room_at_start: Vec::new(),
            moves_all: matches!(options.mode, Mode::Full | Mode::AddBrokers(_)),
            moves_freely: matches!(options.mode, Mode::Full),
            repairs: !matches!(options.mode, Mode::RemoveBrokers(_)),
            roomiest_first: false,
            goals,
            offline: BTreeSet::new(),
            starts: Vec::with_capacity(input.len()),
            lens: Vec::with_capacity(input.len()),
            now: Vec::new(),
            causes: HashMap::new(),
            scratch: vec![0; racks],
            rack_names: names.into_iter().map(|name| name.map(Arc::from)).collect(),
            open,
            nodes,
        };
        state.load_up();
        state.room_at_start = state.room.clone();
        Ok(state)
    }

    fn load_up(&mut self) {
        let all_up = self.nodes.iter().all(|node| node.alive);
        for at in 0..self.input.len() {
            let start = self.input.start_of(at);
            let place = self.now.len();
            self.starts.push(place as u32);
            self.lens.push(start.len() as u16);
            for id in start {
                self.now.push(self.node(*id) as u32);
            }
            self.now.resize(place + start.len().max(self.wanted(at)), 0);
            for slot in 0..start.len() {
                let node = self.now[place + slot] as usize;
                self.count(at, slot, node, 1);
            }
            if !all_up && !self.input.replicas_of(at).iter().any(|id| self.nodes[self.node(*id)].alive) {
                self.offline.insert(at);
            }
        }
    }

    /// The place of the broker with this id, which the input names.
    fn node(&self, id: i32) -> usize {
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

    fn count(&mut self, at: usize, slot: usize, node: usize, sign: isize) {
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
        let open = self.open.iter().enumerate();
        let best = open
            .flat_map(|(rack, nodes)| nodes.iter().map(move |node| (rack, *node)))
            .filter(|(_, node)| !self.closed[*node] && (!only_takes || self.takes[*node]))
            .filter(|(_, node)| !self.holds(at, *node) && self.fits(at, *node))
            .min_by_key(|(rack, node)| {
                let room = if self.roomiest_first { self.room[*node] } else { 0 };
                let copies = !self.has_data(at, *node);
                (used[*rack], copies, Reverse(room), self.load[*node], self.bytes[*node], *node)
            })
            .map(|(rack, node)| (node, used[rack]));
        others().filter_map(|(_, node)| rack_of(*node)).for_each(|rack| used[rack] = 0);
        self.scratch = used;
        best
    }
}
