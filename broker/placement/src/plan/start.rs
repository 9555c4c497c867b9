//! The assignment as it is, checked and put into numbers.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::state::{Goal, Node, Role, State};
use super::{Broker, Mode, Options, Partitions, PlanError};

/// Room where the disk is not known: more than all that there is, and far from overflowing.
const NO_BOUND: i128 = i128::MAX / 4;

impl<'a> State<'a> {
    /// The assignment as it is, with reassignments under way as done.
    pub(super) fn new(
        brokers: &[Broker<'_>],
        input: &'a Partitions,
        options: &Options,
    ) -> Result<State<'a>, PlanError> {
        let mut sorted = brokers.to_vec();
        sorted.sort_by_key(|broker| broker.id);
        check_brokers(&sorted, &options.mode)?;
        check_replicas(input)?;
        let mut racks: Vec<Option<&str>> = sorted.iter().map(|broker| broker.rack).collect();
        racks.sort_unstable();
        racks.dedup();
        let nodes = nodes(&sorted, &racks, input, &options.mode);
        let mut open = vec![Vec::new(); racks.len()];
        for (at, node) in nodes.iter().enumerate() {
            if let (Role::Open, Some(rack)) = (node.role, node.rack) {
                open[rack].push(at);
            }
        }
        let takes = |node: &Node| match &options.mode {
            Mode::AddBrokers(ids) => node.role == Role::Open && ids.contains(&node.id),
            Mode::Full | Mode::RemoveBrokers(_) | Mode::Topics(_) => node.role == Role::Open,
        };
        let count = nodes.len();
        let mut state = State {
            input,
            takes: nodes.iter().map(takes).collect(),
            closed: vec![false; count],
            load: vec![0; count],
            leads: vec![0; count],
            bytes: vec![0; count],
            room: nodes.iter().map(|node| room(&sorted, node, options.keep_free)).collect(),
            room_at_start: Vec::new(),
            moves_all: matches!(options.mode, Mode::Full | Mode::AddBrokers(_)),
            moves_freely: matches!(options.mode, Mode::Full),
            repairs: !matches!(options.mode, Mode::RemoveBrokers(_)),
            roomiest_first: false,
            goals: goals(input, &options.mode, sorted.len(), open.iter().map(Vec::len).sum())?,
            offline: BTreeSet::new(),
            starts: Vec::with_capacity(input.len()),
            lens: Vec::with_capacity(input.len()),
            now: Vec::new(),
            causes: HashMap::new(),
            scratch: vec![0; racks.len()],
            rack_names: racks.into_iter().map(|name| name.map(Arc::from)).collect(),
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
}

fn check_brokers(sorted: &[Broker<'_>], mode: &Mode) -> Result<(), PlanError> {
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0].id == pair[1].id) {
        return Err(PlanError::DuplicateBroker { id: pair[0].id });
    }
    let named: &[i32] = match mode {
        Mode::AddBrokers(ids) | Mode::RemoveBrokers(ids) => ids,
        Mode::Full | Mode::Topics(_) => &[],
    };
    match named.iter().find(|id| !is_known(sorted, **id)) {
        Some(id) => Err(PlanError::UnknownBroker { id: *id }),
        None => Ok(()),
    }
}

fn is_known(sorted: &[Broker<'_>], id: i32) -> bool {
    sorted.binary_search_by_key(&id, |broker| broker.id).is_ok()
}

fn check_replicas(input: &Partitions) -> Result<(), PlanError> {
    for at in 0..input.len() {
        for replicas in [Some(input.replicas_of(at)), input.target_of(at)].into_iter().flatten() {
            let twice = |(place, id): (usize, &i32)| replicas[..place].contains(id);
            if replicas.is_empty() || replicas.iter().enumerate().any(twice) {
                return Err(PlanError::BadReplicas {
                    topic: input.topic_name(input.topic_of(at)).to_owned(),
                    partition: input.partition_of(at),
                    replicas: replicas.to_vec(),
                });
            }
        }
    }
    Ok(())
}

/// The brokers that are there, and those that only the assignment names.
fn nodes(sorted: &[Broker<'_>], racks: &[Option<&str>], input: &Partitions, mode: &Mode) -> Vec<Node> {
    let mut gone = BTreeSet::new();
    for at in 0..input.len() {
        for replicas in [Some(input.replicas_of(at)), input.target_of(at)].into_iter().flatten() {
            gone.extend(replicas.iter().copied().filter(|id| !is_known(sorted, *id)));
        }
    }
    let leaves = |broker: &Broker<'_>| match mode {
        Mode::RemoveBrokers(ids) => broker.leaving || ids.contains(&broker.id),
        Mode::Full | Mode::AddBrokers(_) | Mode::Topics(_) => broker.leaving,
    };
    let node = |broker: &Broker<'_>| Node {
        id: broker.id,
        rack: racks.binary_search(&broker.rack).ok(),
        role: match (leaves(broker), broker.alive) {
            (true, _) => Role::Leaves,
            (false, true) => Role::Open,
            (false, false) => Role::Still,
        },
        alive: broker.alive,
    };
    let gone = gone.into_iter().map(|id| Node { id, rack: None, role: Role::Gone, alive: false });
    let mut nodes: Vec<Node> = sorted.iter().map(node).chain(gone).collect();
    nodes.sort_by_key(|node| node.id);
    nodes
}

fn room(sorted: &[Broker<'_>], node: &Node, keep_free: u64) -> i128 {
    let broker = sorted.binary_search_by_key(&node.id, |broker| broker.id).map(|at| sorted[at]);
    match broker.map(|broker| broker.disk) {
        Ok(Some(disk)) => i128::from(disk.size) - i128::from(disk.used) - i128::from(keep_free),
        Ok(None) => NO_BOUND,
        Err(_) => 0,
    }
}

/// What each topic shall have; `None` when all are planned for as they are.
fn goals(input: &Partitions, mode: &Mode, brokers: usize, open: usize) -> Result<Option<Vec<Goal>>, PlanError> {
    let Mode::Topics(topics) = mode else { return Ok(None) };
    let mut goals = vec![Goal::LeftAlone; input.topics()];
    for goal in topics {
        let Some(of) = goals.get_mut(goal.topic as usize) else { continue };
        let topic = || input.topic_name(goal.topic).to_owned();
        *of = match goal.replication_factor {
            None => Goal::AsItIs,
            Some(0) => return Err(PlanError::ZeroReplicationFactor { topic: topic() }),
            Some(replicas) if replicas > brokers => {
                return Err(PlanError::TooFewBrokers { topic: topic(), partition: 0, replicas, brokers: open });
            }
            Some(replicas) => Goal::Replicas(replicas),
        };
    }
    Ok(Some(goals))
}
