//! One group: its members, its generation, and the questions that can be asked about them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use odradek_wire::ResponseError;

use super::Name;
use super::member::Member;
use super::offsets::Offsets;
use super::record::{GroupValue, MemberValue};
use super::subscription;

/// The protocol type of Kafka's consumers; only its metadata is understood here.
pub(super) const CONSUMER: &str = "consumer";

/// Where a group is. A dead group is one that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// No members; there may be committed offsets.
    Empty,
    /// Members are asked to join again.
    PreparingRebalance,
    /// All have joined; the leader's assignment is awaited, or its write.
    CompletingRebalance,
    /// Every member has, or can have, its assignment.
    Stable,
}

impl State {
    /// The name that Kafka's tools know.
    pub(super) fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::PreparingRebalance => "PreparingRebalance",
            State::CompletingRebalance => "CompletingRebalance",
            State::Stable => "Stable",
        }
    }
}

/// The first join phase of an empty group, which waits for more members on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InitialDelay {
    /// What is left of the rebalance time-out for further delays.
    pub(super) remaining_ms: i32,
    /// A member came since the delay began.
    pub(super) member_added: bool,
}

#[derive(Debug)]
pub(super) struct Group {
    pub(super) id: Name,
    pub(super) state: State,
    /// When the state was entered, in wall-clock milliseconds; old records do not say.
    pub(super) state_since_ms: Option<i64>,
    pub(super) initial_delay: Option<InitialDelay>,
    pub(super) generation: i32,
    pub(super) protocol_type: Option<Name>,
    pub(super) protocol: Option<Name>,
    pub(super) leader: Option<Name>,
    pub(super) members: BTreeMap<Name, Member>,
    /// Static members, from instance id to member id.
    pub(super) instances: BTreeMap<Name, Name>,
    /// Ids that were given out and have not joined yet (KIP-394).
    pub(super) pending_joins: BTreeSet<Name>,
    /// Members of this generation that have not asked for their assignment yet.
    pub(super) pending_syncs: BTreeSet<Name>,
    /// The topics that the members of this generation read, when they are consumers that say so.
    pub(super) subscribed: Option<BTreeSet<Name>>,
    /// The log holds, or will hold, a record of the group itself.
    pub(super) is_recorded: bool,
    pub(super) offsets: Offsets,
}

impl Group {
    pub(super) fn new(id: Name) -> Self {
        Self {
            id,
            state: State::Empty,
            state_since_ms: None,
            initial_delay: None,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            pending_joins: BTreeSet::new(),
            pending_syncs: BTreeSet::new(),
            subscribed: None,
            is_recorded: false,
            offsets: Offsets::default(),
        }
    }

    pub(super) fn transition(&mut self, state: State, wall_ms: i64) {
        self.state = state;
        self.state_since_ms = Some(wall_ms);
        self.initial_delay = None;
    }

    /// Nothing is known about the group that could not be made anew.
    pub(super) fn is_vacant(&self) -> bool {
        self.is_unused() && self.pending_joins.is_empty() && !self.offsets.has_pending()
    }

    /// No request that was acknowledged has left a trace in it.
    pub(super) fn is_unused(&self) -> bool {
        self.state == State::Empty && !self.is_recorded && self.offsets.is_empty()
    }

    /// It holds offsets of consumers that are assigned by hand and has never had members.
    pub(super) fn is_simple(&self) -> bool {
        self.protocol_type.is_none()
    }

    pub(super) fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }

    pub(super) fn is_leader(&self, member: &str) -> bool {
        self.leader.as_deref() == Some(member)
    }

    /// The longest rebalance time-out of the members.
    pub(super) fn rebalance_timeout_ms(&self) -> i32 {
        self.members.values().map(|member| member.subscription.rebalance_timeout_ms).max().unwrap_or(0)
    }

    pub(super) fn awaiting_join(&self) -> usize {
        let waits = |member: &&Member| member.awaiting_join.is_some();
        self.members.values().filter(waits).count()
    }

    pub(super) fn all_have_joined(&self) -> bool {
        self.pending_joins.is_empty() && self.members.values().all(|member| member.awaiting_join.is_some())
    }

    /// Whether a member with these protocols can be in the group, as it is now.
    pub(super) fn supports<'a>(
        &self,
        protocol_type: &str,
        mut protocols: impl ExactSizeIterator<Item = &'a str>,
    ) -> bool {
        if self.state == State::Empty {
            return !protocol_type.is_empty() && protocols.len() > 0;
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.any(|name| self.members.values().all(|m| m.supports(name)))
    }

    /// The protocol that most members prefer, of those that all support. On a tie the name decides,
    /// so that the same members always choose the same.
    pub(super) fn select_protocol(&self) -> Option<Name> {
        let mut votes: BTreeMap<&Name, usize> = BTreeMap::new();
        let by_all = |name: &Name| self.members.values().all(|other| other.supports(name));
        for member in self.members.values() {
            let mut preferred = member.subscription.protocols.iter().map(|(name, _)| name);
            if let Some(choice) = preferred.find(|name| by_all(name)) {
                *votes.entry(choice).or_default() += 1;
            }
        }
        // `max_by_key` takes the last of equals: the smallest name comes last here.
        votes.into_iter().rev().max_by_key(|&(_, count)| count).map(|(name, _)| name.clone())
    }

    /// Whether the sender of a request is a member: UNKNOWN_MEMBER_ID, or FENCED_INSTANCE_ID when
    /// another process has taken its place as a static member.
    pub(super) fn validate_member(&self, member: &str, instance: Option<&str>) -> Result<(), ResponseError> {
        if let Some(instance) = instance {
            match self.instances.get(instance) {
                None => return Err(ResponseError::UnknownMemberId),
                Some(owner) if &**owner != member => {
                    return Err(ResponseError::FencedInstanceId);
                }
                Some(_) => {}
            }
        }
        match self.members.contains_key(member) {
            true => Ok(()),
            false => Err(ResponseError::UnknownMemberId),
        }
    }

    /// Takes note of the topics that this generation reads.
    pub(super) fn refresh_subscribed(&mut self) {
        self.subscribed = self.topics_of_members();
    }

    fn topics_of_members(&self) -> Option<BTreeSet<Name>> {
        if !self.uses_consumer_protocol() {
            return None;
        }
        if self.members.is_empty() {
            return Some(BTreeSet::new());
        }
        let protocol = self.protocol.as_deref()?;
        let mut all = BTreeSet::new();
        for member in self.members.values() {
            all.extend(subscription::topics(&member.metadata(protocol))?);
        }
        Some(all)
    }

    /// Whether offsets of the topic are in use. Consumers whose metadata cannot be read may use
    /// any topic.
    pub(super) fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed {
            Some(topics) => topics.contains(topic),
            None => self.uses_consumer_protocol(),
        }
    }

    /// The group as it is kept, with `assignment` for its members.
    pub(super) fn to_value(&self, assignment: impl Fn(&Member) -> Bytes) -> GroupValue {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let text = |name: &Name| name.to_string();
        GroupValue {
            protocol_type: self.protocol_type.as_ref().map(text).unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.as_ref().map(text),
            leader: self.leader.as_ref().map(text),
            state_since_ms: self.state_since_ms,
            members: self
                .members
                .values()
                .map(|member| MemberValue {
                    member_id: member.id.to_string(),
                    instance_id: member.instance_id.as_ref().map(text),
                    client_id: member.client_id.to_string(),
                    client_host: member.client_host.to_string(),
                    rebalance_timeout_ms: member.subscription.rebalance_timeout_ms,
                    session_timeout_ms: member.subscription.session_timeout_ms,
                    subscription: member.metadata(protocol),
                    assignment: assignment(member),
                })
                .collect(),
        }
    }
}
