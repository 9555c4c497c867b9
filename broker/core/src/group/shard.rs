//! The groups of one partition of `__consumer_offsets`.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use odradek_wire::ResponseError;

use super::Name;
use super::api::{Action, GroupRequest, Loaded, RequestContext, Token};
use super::io::{Io, Shared};
use super::state::Group;
use super::timers::{Timer, Timers};
use super::write::{self, PendingWrite};
use super::{commit, delete, expiry, heartbeat, join, leave, load, response, sync};
use crate::time::Now;

#[derive(Debug)]
pub(super) struct Shard {
    partition: i32,
    pub(super) leader_epoch: i32,
    pub(super) is_loading: bool,
    pub(super) groups: BTreeMap<Name, Group>,
    timers: Timers,
    writes: BTreeMap<u64, PendingWrite>,
}

impl Shard {
    pub(super) fn new(partition: i32, leader_epoch: i32) -> Self {
        Self {
            partition,
            leader_epoch,
            is_loading: true,
            groups: BTreeMap::new(),
            timers: Timers::default(),
            writes: BTreeMap::new(),
        }
    }

    /// The groups, and apart from them what decisions about them need.
    pub(super) fn split<'a>(
        &'a mut self,
        shared: &'a mut Shared,
        now: Now,
        out: &'a mut Vec<Action>,
    ) -> (&'a mut BTreeMap<Name, Group>, Io<'a>) {
        let io = Io { now, partition: self.partition, shared, timers: &mut self.timers, writes: &mut self.writes, out };
        (&mut self.groups, io)
    }

    /// Handles a request about one group of this partition.
    pub(super) fn handle(
        &mut self,
        shared: &mut Shared,
        now: Now,
        out: &mut Vec<Action>,
        (token, context): (Token, &RequestContext),
        request: &GroupRequest,
    ) {
        let (groups, mut io) = self.split(shared, now, out);
        let io = &mut io;
        match request {
            GroupRequest::Join(request) => join::handle(groups, io, token, context, request),
            GroupRequest::Sync(request) => sync::handle(groups, io, token, context, request),
            GroupRequest::Heartbeat(request) => heartbeat::handle(groups, io, token, request),
            GroupRequest::Leave(request) => leave::handle(groups, io, token, context, request),
            GroupRequest::OffsetCommit(request) => {
                commit::handle(groups, io, token, context, request);
            }
            GroupRequest::OffsetDelete(request) => delete::offsets(groups, io, token, request),
            // These may be about groups of several partitions, and are taken apart before.
            GroupRequest::OffsetFetch(_)
            | GroupRequest::DescribeGroups(_)
            | GroupRequest::ListGroups(_)
            | GroupRequest::DeleteGroups(_) => {
                let error = ResponseError::UnknownServerError;
                io.reply(token, response::refused(request, context.api_version, error));
            }
        }
    }

    pub(super) fn written(
        &mut self,
        shared: &mut Shared,
        now: Now,
        out: &mut Vec<Action>,
        number: u64,
        result: Result<i64, i16>,
    ) {
        let (groups, mut io) = self.split(shared, now, out);
        write::written(groups, &mut io, number, result);
    }

    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.timers.next()
    }

    pub(super) fn tick(&mut self, shared: &mut Shared, now: Now, out: &mut Vec<Action>) {
        let (groups, mut io) = self.split(shared, now, out);
        while let Some(timer) = io.timers.pop_due(now.mono_ms) {
            fire(groups, &mut io, timer);
        }
    }

    pub(super) fn load(&mut self, records: impl IntoIterator<Item = (Bytes, Option<Bytes>, i64)>) -> Loaded {
        load::load(&mut self.groups, records)
    }

    pub(super) fn finish_loading(&mut self, shared: &mut Shared, now: Now, out: &mut Vec<Action>) {
        self.is_loading = false;
        let (groups, mut io) = self.split(shared, now, out);
        load::finish(groups, &mut io);
    }

    pub(super) fn unload(mut self, shared: &mut Shared, out: &mut Vec<Action>) {
        // Nothing is decided here any more, so the time does not matter.
        let (groups, mut io) = self.split(shared, Now::default(), out);
        let error = ResponseError::NotCoordinator;
        for group in groups.values_mut() {
            for member in group.members.values_mut() {
                if let Some(waiting) = member.awaiting_join.take() {
                    io.reply(waiting.token, response::join_error(&member.id, error));
                }
                if let Some(waiting) = member.awaiting_sync.take() {
                    io.reply(waiting.token, response::sync_error(error));
                }
            }
        }
        write::abandon(&mut io);
    }

    pub(super) fn topics_deleted(
        &mut self,
        shared: &mut Shared,
        now: Now,
        out: &mut Vec<Action>,
        topics: &BTreeSet<String>,
    ) {
        let (groups, mut io) = self.split(shared, now, out);
        delete::topics(groups, &mut io, topics);
    }
}

fn fire(groups: &mut BTreeMap<Name, Group>, io: &mut Io<'_>, timer: Timer) {
    let id = match &timer {
        Timer::Write { number } => return write::timed_out(groups, io, *number),
        Timer::Member { group, .. } | Timer::Join { group } | Timer::Sync { group } | Timer::Expiry { group } => {
            group.clone()
        }
    };
    let Some(group) = groups.get_mut(&id) else {
        return;
    };
    match timer {
        Timer::Member { member, .. } => group.member_expired(io, &member),
        Timer::Join { .. } => {
            group.join_expired(io);
        }
        Timer::Sync { .. } => group.sync_expired(io),
        Timer::Expiry { .. } => expiry::run(group, io),
        Timer::Write { .. } => {}
    }
    if group.is_vacant() {
        write::tidy(groups, io, &id);
    }
}
