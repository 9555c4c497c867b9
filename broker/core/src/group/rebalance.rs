//! From one generation of a group to the next: members leave, members are asked to join again, and
//! once all have, or their time is up, the next generation begins.
//!
//! Functions here return the number of the write that they asked for, if any, so that a reply can
//! wait for it.

use bytes::Bytes;
use odradek_wire::ResponseError;

use super::Name;
use super::api::{GroupResponse, LogRecord};
use super::expiry;
use super::io::Io;
use super::member::Member;
use super::record::{group_key, group_value};
use super::response;
use super::state::{Group, InitialDelay, State};
use super::timers::Timer;
use super::write::Effect;

impl Group {
    /// Expects a sign of life of the member within `timeout_ms` from now on.
    pub(super) fn expect_heartbeat(&self, io: &mut Io<'_>, member: &Name, timeout_ms: i32) {
        let at = io.after(timeout_ms.into());
        let timer = Timer::Member { group: self.id.clone(), member: member.clone() };
        io.timers.set(timer, at);
    }

    /// Restarts the session of a member.
    pub(super) fn restart_session(&self, io: &mut Io<'_>, member: &str) {
        if let Some(member) = self.members.get(member) {
            let timeout_ms = member.subscription.session_timeout_ms;
            self.expect_heartbeat(io, &member.id, timeout_ms);
        }
    }

    /// Takes a member out. A request of its own that waits is answered with UNKNOWN_MEMBER_ID, so
    /// that a client that is still there joins anew.
    pub(super) fn remove_member(&mut self, io: &mut Io<'_>, id: &Name) -> Option<Member> {
        io.timers.cancel(&Timer::Member { group: self.id.clone(), member: id.clone() });
        self.pending_syncs.remove(id);
        let mut member = self.members.remove(id)?;
        if let Some(instance) = &member.instance_id
            && self.instances.get(instance) == Some(id)
        {
            self.instances.remove(instance);
        }
        if self.is_leader(id) {
            self.leader = self.members.keys().next().cloned();
        }
        let gone = ResponseError::UnknownMemberId;
        if let Some(waiting) = member.awaiting_join.take() {
            io.reply(waiting.token, response::join_error("", gone));
        }
        if let Some(waiting) = member.awaiting_sync.take() {
            io.reply(waiting.token, response::sync_error(gone));
        }
        Some(member)
    }

    /// A member has gone: the others share its work, if they are not about to do so already.
    pub(super) fn after_removal(&mut self, io: &mut Io<'_>, reason: &str) -> Option<u64> {
        match self.state {
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(io, reason),
            State::PreparingRebalance if self.all_have_joined() => self.complete_join(io),
            State::PreparingRebalance | State::Empty => None,
        }
    }

    /// Begins a rebalance, or looks whether the one under way is complete.
    pub(super) fn rebalance(&mut self, io: &mut Io<'_>, reason: &str) -> Option<u64> {
        if self.state == State::PreparingRebalance {
            self.maybe_complete_join(io)
        } else {
            self.prepare_rebalance(io, reason)
        }
    }

    /// Ends the join phase when all have joined, unless it waits for more members on purpose.
    pub(super) fn maybe_complete_join(&mut self, io: &mut Io<'_>) -> Option<u64> {
        let complete =
            self.state == State::PreparingRebalance && self.initial_delay.is_none() && self.all_have_joined();
        if complete { self.complete_join(io) } else { None }
    }

    /// Asks all members to join again.
    pub(super) fn prepare_rebalance(&mut self, io: &mut Io<'_>, reason: &str) -> Option<u64> {
        tracing::debug!(group = %self.id, generation = self.generation, reason, "rebalance");
        if self.state == State::CompletingRebalance {
            self.drop_assignments(io, ResponseError::RebalanceInProgress);
        }
        self.pending_syncs.clear();
        io.timers.cancel(&Timer::Sync { group: self.id.clone() });
        let was_empty = self.state == State::Empty;
        self.transition(State::PreparingRebalance, io.now.wall_ms);
        if was_empty {
            let delay_ms = io.config().initial_rebalance_delay_ms;
            self.initial_delay = Some(InitialDelay {
                remaining_ms: self.rebalance_timeout_ms().saturating_sub(delay_ms).max(0),
                member_added: false,
            });
            self.end_join_in(io, delay_ms);
            None
        } else if self.all_have_joined() {
            self.complete_join(io)
        } else {
            self.end_join_in(io, self.rebalance_timeout_ms());
            None
        }
    }

    fn end_join_in(&self, io: &mut Io<'_>, ms: i32) {
        let at = io.after(ms.into());
        let group = self.id.clone();
        io.timers.set(Timer::Join { group }, at);
    }

    /// The join timer has run out.
    pub(super) fn join_expired(&mut self, io: &mut Io<'_>) -> Option<u64> {
        if self.state != State::PreparingRebalance {
            return None;
        }
        if let Some(delay) = &mut self.initial_delay
            && delay.member_added
            && delay.remaining_ms > 0
        {
            // More members came: give the next ones a chance, too, as long as the rebalance
            // time-out of the first allows it.
            let next_ms = io.config().initial_rebalance_delay_ms.min(delay.remaining_ms);
            delay.remaining_ms -= next_ms;
            delay.member_added = false;
            self.end_join_in(io, next_ms);
            return None;
        }
        self.complete_join(io)
    }

    /// Begins the next generation with the members that have joined. Static members that have not
    /// are kept until their session ends; others are removed.
    pub(super) fn complete_join(&mut self, io: &mut Io<'_>) -> Option<u64> {
        io.timers.cancel(&Timer::Join { group: self.id.clone() });
        let late: Vec<Name> = self
            .members
            .values()
            .filter(|member| member.awaiting_join.is_none() && member.instance_id.is_none())
            .map(|member| member.id.clone())
            .collect();
        for id in &late {
            self.remove_member(io, id);
        }
        if self.members.is_empty() {
            return Some(self.become_empty(io));
        }
        if !self.elect_joined_leader() {
            // Only static members, and none of them is back: their sessions will end it.
            self.end_join_in(io, self.rebalance_timeout_ms());
            return None;
        }
        self.generation = next_generation(self.generation);
        self.protocol = self.select_protocol();
        self.refresh_subscribed();
        self.transition(State::CompletingRebalance, io.now.wall_ms);
        self.answer_joins(io);
        let at = io.after(self.rebalance_timeout_ms().into());
        let group = self.id.clone();
        io.timers.set(Timer::Sync { group }, at);
        None
    }

    /// Keeps the leader if it has joined, else takes another member that has.
    fn elect_joined_leader(&mut self) -> bool {
        let has_joined = |member: &&Member| member.awaiting_join.is_some();
        let leader = self.leader.as_ref().and_then(|id| self.members.get(id));
        if leader.as_ref().is_some_and(has_joined) {
            return true;
        }
        match self.members.values().find(has_joined) {
            Some(member) => {
                self.leader = Some(member.id.clone());
                true
            }
            None => false,
        }
    }

    fn answer_joins(&mut self, io: &mut Io<'_>) {
        let ids: Vec<Name> = self.members.keys().cloned().collect();
        self.pending_syncs = ids.iter().cloned().collect();
        for id in &ids {
            let answer = response::joined(self, id);
            if let Some(member) = self.members.get_mut(id) {
                member.is_new = false;
                if let Some(waiting) = member.awaiting_join.take() {
                    io.reply(waiting.token, GroupResponse::Join(answer));
                }
            }
            self.restart_session(io, id);
        }
    }

    fn become_empty(&mut self, io: &mut Io<'_>) -> u64 {
        self.generation = next_generation(self.generation);
        self.protocol = None;
        self.leader = None;
        self.pending_syncs.clear();
        self.refresh_subscribed();
        self.transition(State::Empty, io.now.wall_ms);
        let write = self.record(io, |_| Bytes::new(), Effect::Emptied);
        expiry::schedule(self, io);
        write
    }

    /// Asks for a write of the group as it is, with these assignments.
    pub(super) fn record(
        &mut self,
        io: &mut Io<'_>,
        assignment: impl Fn(&Member) -> Bytes,
        effect: impl FnOnce(Name) -> Effect,
    ) -> u64 {
        self.is_recorded = true;
        let record = LogRecord { key: group_key(&self.id), value: Some(group_value(&self.to_value(assignment))) };
        io.append(vec![record], effect(self.id.clone()))
    }

    /// Forgets the assignments of a generation that does not come to be, and tells those who wait.
    pub(super) fn drop_assignments(&mut self, io: &mut Io<'_>, error: ResponseError) {
        let mut told = Vec::new();
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
            if let Some(waiting) = member.awaiting_sync.take() {
                io.reply(waiting.token, response::sync_error(error));
                told.push(member.id.clone());
            }
        }
        // Their sessions stood still while they waited.
        for id in &told {
            self.restart_session(io, id);
        }
    }
}

/// Generations grow; after the largest one they begin again, as zero would stand for "none yet".
fn next_generation(generation: i32) -> i32 {
    generation.checked_add(1).filter(|&next| next > 0).unwrap_or(1)
}
