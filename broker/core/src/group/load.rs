//! A partition's groups from its records.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::Name;
use super::api::Loaded;
use super::expiry;
use super::io::Io;
use super::member::{Member, Subscription};
use super::record::{Decoded, GroupValue, MemberValue, decode};
use super::state::{Group, State};

/// Takes records in the order of the log. Broken ones are passed over.
pub(super) fn load(
    groups: &mut BTreeMap<Name, Group>,
    records: impl IntoIterator<Item = (Bytes, Option<Bytes>, i64)>,
) -> Loaded {
    let mut loaded = Loaded::default();
    for (key, value, offset) in records {
        match decode(&key, value.as_deref()) {
            Ok(record) => {
                loaded.records += 1;
                apply(groups, record);
            }
            Err(error) => loaded.skipped.push((offset, error)),
        }
    }
    loaded
}

fn apply(groups: &mut BTreeMap<Name, Group>, record: Decoded) {
    match record {
        Decoded::Offset { group, topic, partition, value } => {
            let group = group_of(groups, &group);
            let topic = group.offsets.name_of(&topic);
            group.offsets.apply(&topic, partition, value);
        }
        Decoded::Group { group, value: Some(value) } => group_of(groups, &group).restore(value),
        Decoded::Group { group, value: None } => {
            let group = group_of(groups, &group);
            let offsets = std::mem::take(&mut group.offsets);
            *group = Group::new(group.id.clone());
            group.offsets = offsets;
        }
    }
}

fn group_of<'a>(groups: &'a mut BTreeMap<Name, Group>, id: &str) -> &'a mut Group {
    let id = Name::from(id);
    groups.entry(id.clone()).or_insert_with(|| Group::new(id))
}

impl Group {
    fn restore(&mut self, value: GroupValue) {
        let name = |text: &String| Name::from(text.as_str());
        let protocol = value.protocol.as_ref().map(name);
        let members = value.members.into_iter().map(|member| {
            let member = restore_member(member, protocol.clone().unwrap_or_else(|| "".into()));
            (member.id.clone(), member)
        });
        self.members = members.collect();
        let statics = self.members.values().filter_map(|member| {
            let instance = member.instance_id.clone()?;
            Some((instance, member.id.clone()))
        });
        self.instances = statics.collect();
        self.state = match self.members.is_empty() {
            true => State::Empty,
            false => State::Stable,
        };
        self.state_since_ms = value.state_since_ms;
        self.generation = value.generation;
        self.protocol_type = Some(name(&value.protocol_type)).filter(|kind| !kind.is_empty());
        self.leader = value.leader.as_ref().map(name);
        self.protocol = protocol;
        self.is_recorded = true;
    }
}

fn restore_member(member: MemberValue, protocol: Name) -> Member {
    Member {
        id: member.member_id.into(),
        instance_id: member.instance_id.map(Name::from),
        client_id: member.client_id.into(),
        client_host: member.client_host.into(),
        subscription: Subscription {
            session_timeout_ms: member.session_timeout_ms,
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            // The others that it supports were not kept.
            protocols: vec![(protocol, member.subscription)],
        },
        assignment: member.assignment,
        is_new: false,
        awaiting_join: None,
        awaiting_sync: None,
    }
}

/// Everything is there: sessions begin, and expired offsets are found.
pub(super) fn finish(groups: &mut BTreeMap<Name, Group>, io: &mut Io<'_>) {
    groups.retain(|_, group| !group.is_vacant());
    let max_size = io.config().max_size;
    for group in groups.values_mut() {
        group.refresh_subscribed();
        for id in group.members.keys() {
            group.restart_session(io, id);
        }
        expiry::schedule(group, io);
        if group.members.len() > max_size {
            group.prepare_rebalance(io, "the group is larger than group.max.size");
        }
    }
}
