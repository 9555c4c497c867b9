//! Random clients, a log that commits late or refuses, time, and fail-overs; invariants hold after
//! every step.

use std::collections::BTreeMap;

use bytes::Bytes;
use odradek_wire::ResponseError as E;
use odradek_wire::messages::sync_group_request::SyncGroupRequestAssignment;
use odradek_wire::messages::*;
use proptest::prelude::*;

use super::harness::*;
use crate::group::record::{Decoded, decode};
use crate::group::*;

const CLIENTS: usize = 5;
/// Clients from here on are static members.
const STATIC: usize = 3;
const PARTITIONS: i32 = 3;

#[derive(Debug, Clone)]
enum Step {
    /// The client does what a client does next.
    Drive(usize),
    /// Join with the id that the client has.
    Join(usize, bool),
    Sync(usize),
    Heartbeat(usize),
    Leave(usize),
    /// The process is gone and comes back without an id.
    Crash(usize),
    Commit(usize, i32),
    CommitByHand(i32),
    DeleteGroup,
    Pass(u64),
    /// The log commits so many writes.
    Written(usize),
    /// The log refuses the next write.
    Refuse,
    /// Another broker takes over, with or without what was not committed.
    FailOver(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0..CLIENTS;
    prop_oneof![
        40 => client.clone().prop_map(Step::Drive),
        8 => (client.clone(), any::<bool>()).prop_map(|(c, alt)| Step::Join(c, alt)),
        8 => client.clone().prop_map(Step::Sync),
        4 => client.clone().prop_map(Step::Heartbeat),
        1 => client.clone().prop_map(Step::Leave),
        1 => client.clone().prop_map(Step::Crash),
        3 => (client, 0..PARTITIONS).prop_map(|(c, p)| Step::Commit(c, p)),
        1 => (0..PARTITIONS).prop_map(Step::CommitByHand),
        1 => Just(Step::DeleteGroup),
        6 => (1u64..4_000).prop_map(Step::Pass),
        1 => (4_000u64..70_000).prop_map(Step::Pass),
        8 => (1usize..4).prop_map(Step::Written),
        1 => Just(Step::Refuse),
        1 => any::<bool>().prop_map(Step::FailOver),
    ]
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    /// It has to join.
    #[default]
    Out,
    /// It has joined and has no work yet.
    Joined,
    /// It works, sends heartbeats and commits.
    Working,
}

#[derive(Debug, Clone, Default)]
struct Client {
    member: String,
    generation: i32,
    phase: Phase,
    /// As leader: the members that wait for work, by id and by the name that their work carries.
    followers: Vec<(String, String)>,
    /// The request whose reply the client still wants.
    current: Option<Token>,
}

#[derive(Debug, Clone)]
enum Asked {
    Join,
    Sync { generation: i32, name: String },
    Commit { partition: i32, offset: i64 },
    Other,
}

struct World {
    bench: Bench,
    clients: Vec<Client>,
    open: BTreeMap<Token, (usize, Asked)>,
    /// What the members of a generation agree on: its leader and its protocol.
    agreed: BTreeMap<i32, (String, String)>,
    /// How many records of the log were looked at for tombstones of the group.
    seen: usize,
    next_offset: i64,
}

fn config() -> GroupConfig {
    GroupConfig { offsets_topic_partitions: 1, new_member_join_timeout_ms: 30_000, ..GroupConfig::default() }
}

fn instance_of(client: usize) -> Option<String> {
    (client >= STATIC).then(|| format!("static-{client}"))
}

/// The name under which a member's work is known: it survives a replaced static member.
fn work_name(member: &str, instance: Option<&str>) -> String {
    instance.unwrap_or(member).to_owned()
}

/// A static leader that has come back under a new id is the same leader.
fn leads_as(leader: &str) -> String {
    match leader.starts_with("static-") {
        true => leader["static-".len()..][..1].to_owned(),
        false => leader.to_owned(),
    }
}

impl World {
    fn new() -> Self {
        let mut bench = Bench::with_config(config());
        bench.commits_at_once = false;
        Self {
            bench,
            clients: vec![Client::default(); CLIENTS],
            open: BTreeMap::new(),
            agreed: BTreeMap::new(),
            seen: 0,
            next_offset: 0,
        }
    }

    fn take_step(&mut self, step: Step) {
        match step {
            Step::Drive(client) => self.drive(client),
            Step::Join(client, alternative) => self.join(client, alternative),
            Step::Sync(client) => self.sync(client),
            Step::Heartbeat(client) => self.heartbeat(client),
            Step::Leave(client) => {
                let member = std::mem::take(&mut self.clients[client]).member;
                let token = self.bench.leave(&[(&member, None)]);
                self.open.insert(token, (client, Asked::Other));
            }
            Step::Crash(client) => self.clients[client] = Client::default(),
            Step::Commit(client, partition) => {
                let Client { member, generation, .. } = self.clients[client].clone();
                self.commit(client, &member, generation, partition);
            }
            Step::CommitByHand(partition) => self.commit(0, "", -1, partition),
            Step::DeleteGroup => {
                let token = self.bench.delete_group(GROUP);
                self.open.insert(token, (0, Asked::Other));
            }
            Step::Pass(ms) => self.bench.pass(ms),
            Step::Written(count) => {
                for _ in 0..count {
                    if let Some((write, offset)) = self.bench.pending.pop_front() {
                        self.bench.written(write, Ok(offset));
                    }
                }
            }
            Step::Refuse => self.bench.fails_next = true,
            Step::FailOver(keeps) => self.fail_over(keeps),
        }
    }

    fn drive(&mut self, client: usize) {
        let state = self.clients[client].clone();
        match state.phase {
            _ if state.current.is_some() => {}
            Phase::Out => self.join(client, false),
            Phase::Joined => self.sync(client),
            Phase::Working if self.next_offset % 2 == 0 => self.heartbeat(client),
            Phase::Working => {
                let partition = client as i32 % PARTITIONS;
                self.commit(client, &state.member, state.generation, partition);
                self.heartbeat(client);
            }
        }
    }

    fn heartbeat(&mut self, client: usize) {
        let Client { member, generation, .. } = self.clients[client].clone();
        let error = self.bench.heartbeat(&member, generation);
        if error != 0 {
            self.clients[client].phase = Phase::Out;
            self.forget_if_unknown(client, error);
        }
        // So that the next one commits.
        self.next_offset += 1;
    }

    fn join(&mut self, client: usize, alternative: bool) {
        let instance = instance_of(client);
        let member = self.clients[client].member.clone();
        let token = self.bench.join(&Join {
            member: &member,
            instance: instance.as_deref(),
            protocols: if alternative { &["range", "sticky"] } else { &["sticky", "range"] },
            rebalance_timeout_ms: 20_000,
            ..Join::default()
        });
        self.clients[client].current = Some(token);
        self.open.insert(token, (client, Asked::Join));
    }

    fn sync(&mut self, client: usize) {
        let Client { member, generation, followers, .. } = self.clients[client].clone();
        let assignments = followers.iter().map(|(id, name)| {
            let work = format!("{generation}/{name}");
            SyncGroupRequestAssignment::default().with_member_id(text(id)).with_assignment(Bytes::from(work))
        });
        let instance = instance_of(client);
        let request = SyncGroupRequest::default()
            .with_group_id(group_id(GROUP))
            .with_member_id(text(&member))
            .with_group_instance_id(instance.as_deref().map(text))
            .with_generation_id(generation)
            .with_assignments(assignments.collect());
        let token = self.bench.ask(5, GroupRequest::Sync(request));
        self.clients[client].current = Some(token);
        let name = work_name(&member, instance.as_deref());
        self.open.insert(token, (client, Asked::Sync { generation, name }));
    }

    fn commit(&mut self, client: usize, member: &str, generation: i32, partition: i32) {
        let offset = self.next_offset;
        self.next_offset += 1;
        let place = ("topic", partition);
        let token = self.bench.commit_to(GROUP, member, generation, place, offset);
        self.open.insert(token, (client, Asked::Commit { partition, offset }));
    }

    /// The next leader has what was committed, and perhaps more.
    fn fail_over(&mut self, keeps: bool) {
        let mut out = Vec::new();
        self.bench.coordinator.unload(0, &mut out);
        let committed = self.bench.committed_log().len();
        self.bench.pending.clear();
        self.bench.fails_next = false;
        if !keeps {
            self.bench.log.truncate(committed);
        }
        self.bench.take(out);
        self.read_replies();
        let other = self.bench.reload(config());
        self.bench.coordinator = other.coordinator;
        self.agreed.clear();
    }

    fn read_replies(&mut self) {
        // A deleted group begins to count from nothing.
        let committed = self.bench.committed_log();
        for (_, record) in &committed[self.seen.min(committed.len())..] {
            let decoded = decode(&record.key, record.value.as_deref());
            if matches!(decoded, Ok(Decoded::Group { value: None, .. })) {
                self.agreed.clear();
            }
        }
        self.seen = committed.len();
        let tokens: Vec<Token> = self.open.keys().copied().collect();
        for token in tokens {
            let Some(response) = self.bench.reply(token) else {
                continue;
            };
            let Some((client, asked)) = self.open.remove(&token) else {
                continue;
            };
            let is_current = self.clients[client].current == Some(token);
            if is_current {
                self.clients[client].current = None;
            }
            match (asked, response) {
                (Asked::Join, GroupResponse::Join(response)) => {
                    self.joined(client, is_current, response);
                }
                (Asked::Sync { generation, name }, GroupResponse::Sync(response)) => {
                    if response.error_code == 0 {
                        let want = format!("{generation}/{name}");
                        assert_eq!(response.assignment, want.as_bytes(), "work of {name}");
                    }
                    if is_current {
                        self.clients[client].phase = match response.error_code {
                            0 => Phase::Working,
                            _ => Phase::Out,
                        };
                        self.forget_if_unknown(client, response.error_code);
                    }
                }
                (Asked::Commit { partition, offset }, GroupResponse::OffsetCommit(response)) => {
                    if response.topics[0].partitions[0].error_code == 0 {
                        assert!(self.is_committed(partition, offset), "{offset} is lost");
                    }
                }
                (Asked::Other, _) => {}
                (asked, response) => panic!("{response:?} for {asked:?}"),
            }
        }
    }

    fn joined(&mut self, client: usize, is_current: bool, response: JoinGroupResponse) {
        if response.error_code != 0 {
            if is_current {
                if response.error_code == E::MemberIdRequired.code() {
                    self.clients[client].member = response.member_id.to_string();
                }
                self.forget_if_unknown(client, response.error_code);
            }
            return;
        }
        let leader = response.leader.to_string();
        let protocol = response.protocol_name.clone().unwrap_or_default();
        let agreed = (leads_as(&leader), protocol.to_string());
        let before = self.agreed.entry(response.generation_id).or_insert(agreed.clone());
        assert_eq!(*before, agreed);
        assert_eq!(leader == *response.member_id, !response.members.is_empty());
        if is_current {
            let followers = response.members.iter().map(|member| {
                let name = work_name(&member.member_id, member.group_instance_id.as_deref());
                (member.member_id.to_string(), name)
            });
            self.clients[client] = Client {
                member: response.member_id.to_string(),
                generation: response.generation_id,
                phase: Phase::Joined,
                followers: followers.collect(),
                current: None,
            };
        }
    }

    fn forget_if_unknown(&mut self, client: usize, error: i16) {
        if error == E::UnknownMemberId.code() || error == E::FencedInstanceId.code() {
            self.clients[client] = Client::default();
        }
    }

    fn is_committed(&self, partition: i32, offset: i64) -> bool {
        self.bench.committed_log().iter().any(|(_, record)| {
            matches!(
                decode(&record.key, record.value.as_deref()),
                Ok(Decoded::Offset { partition: p, value: Some(value), .. })
                    if p == partition && value.offset == offset
            )
        })
    }

    /// What is visible is what the committed log says, no more and no less.
    fn check_offsets(&mut self) {
        let mut want = [-1; PARTITIONS as usize];
        for (_, record) in self.bench.committed_log() {
            if let Ok(Decoded::Offset { partition, value, .. }) = decode(&record.key, record.value.as_deref()) {
                want[partition as usize] = value.map_or(-1, |value| value.offset);
            }
        }
        for partition in 0..PARTITIONS {
            let visible = self.bench.fetch(GROUP, "topic", partition);
            assert_eq!(visible, want[partition as usize], "partition {partition}");
        }
    }

    fn group(bench: &Bench) -> Option<&state::Group> {
        bench.coordinator.shards[&0].groups.get(GROUP)
    }

    /// A group that rests is the same after a restart.
    fn check_reload(&mut self) {
        if self.bench.lacks_empty {
            return;
        }
        let rests = |group: &&state::Group| {
            matches!(group.state, state::State::Stable | state::State::Empty) && !group.is_unused()
        };
        let Some(group) = Self::group(&self.bench).filter(rests) else {
            return;
        };
        let generation = group.generation;
        let mut other = self.bench.reload(config());
        let reloaded = Self::group(&other).map(|group| group.generation);
        assert_eq!(reloaded, Some(generation));
        let (before, after) = (self.bench.describe(GROUP), other.describe(GROUP));
        assert_eq!(before, after);
        for partition in 0..PARTITIONS {
            let before = self.bench.fetch(GROUP, "topic", partition);
            assert_eq!(before, other.fetch(GROUP, "topic", partition));
        }
    }

    /// The log answers, time passes, and then nobody may wait any more.
    fn settle(&mut self) {
        self.bench.fails_next = false;
        self.bench.commits_at_once = true;
        self.bench.commit_all();
        self.read_replies();
        self.check_reload();
        self.bench.pass(1_000_000);
        self.read_replies();
        self.check_offsets();
        self.check_reload();
        assert!(self.open.is_empty(), "without a reply: {:?}", self.open);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn groups_agree_and_nothing_acknowledged_is_lost(
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut world = World::new();
        for step in steps {
            world.take_step(step);
            world.read_replies();
            world.check_offsets();
        }
        world.settle();
    }

    /// The same steps give the same actions: nothing depends on chance or on addresses.
    #[test]
    fn the_same_steps_give_the_same_log(steps in prop::collection::vec(step(), 0..60)) {
        let run = |steps: Vec<Step>| {
            let mut world = World::new();
            for step in steps {
                world.take_step(step);
                world.read_replies();
            }
            (world.bench.log, world.bench.coordinator.next_deadline())
        };
        prop_assert_eq!(run(steps.clone()), run(steps));
    }
}
