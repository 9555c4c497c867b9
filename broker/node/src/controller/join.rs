//! Controllers that find each other: who is new says so, and gets the log as an observer (KIP-853); with
//! `controller.quorum.auto.join.enable` (KIP-1186) it is then made a voter in the place of its former disk; with
//! `odradek.quorum.auto.join.newcomers=false` only where there was one, so that somebody else decides how many there are.
//!
//! All of it is one-way messages: a hello is repeated until its sender votes and knows a leader.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use odradek_core::time::Now;
use odradek_quorum::{ChangeError, Endpoint, Member};

use super::ControllerNode;
use super::error::ControllerError;
use super::event::ControllerCommand;
use super::peer::{self, Hello, Payload, Welcome};

/// Between two hellos.
const AGAIN_MS: u64 = 1_000;

/// An observer that says nothing for so long is forgotten, as in Kafka.
const FORGET_MS: u64 = 300_000;

/// More observers are not taken: somebody starts controllers in a loop.
const MOST_OBSERVERS: usize = 32;

/// Controllers that are no members and whose addresses are remembered, to answer them.
const MOST_STRANGERS: usize = 32;

/// What is known of the way to others.
#[derive(Debug)]
pub(super) struct Join {
    /// When the next hello is due; `None` while this controller votes and knows a leader.
    pub due: Option<u64>,
    /// Addresses of those who are no members.
    strangers: BTreeMap<u64, Vec<Endpoint>>,
    /// The addresses that the shell knows.
    told: BTreeMap<u64, Vec<Endpoint>>,
    /// When each observer was last heard of.
    heard: BTreeMap<(u64, Bytes), u64>,
    /// When the leader looks for observers that are gone.
    forget_at: u64,
    /// The term in which this leader last looked whether its own address is known.
    told_in: u64,
    /// What was last said about who is waited for.
    waited_for: Vec<u64>,
    /// Controllers whose former disk this leader took out, and whose new one has yet to become a voter.
    replaced: BTreeSet<u64>,
}

impl Join {
    /// The shell knows the addresses of the configuration.
    pub(super) fn new(voters: &BTreeMap<u64, Vec<Endpoint>>, now: Now) -> Join {
        let told = voters.iter().filter(|(_, at)| !at.is_empty()).map(|(id, at)| (*id, at.clone())).collect();
        Join {
            due: Some(now.mono_ms),
            strangers: BTreeMap::new(),
            told,
            heard: BTreeMap::new(),
            forget_at: now.mono_ms + FORGET_MS,
            told_in: 0,
            waited_for: Vec::new(),
            replaced: BTreeSet::new(),
        }
    }

    /// Somebody asked for a controller to vote, or not to: it is not waited for in the place of its former disk any more.
    pub(super) fn placed_by_request(&mut self, id: u64) {
        self.replaced.remove(&id);
    }
}

impl ControllerNode {
    /// Says hello when it is due, looks after observers, and tells the shell of new addresses.
    pub(super) fn look_around(&mut self, now: Now, out: &mut Vec<ControllerCommand>) {
        let settled = self.quorum.is_formed() && self.quorum.is_voter() && self.quorum.leader().is_some();
        match self.join.due {
            Some(due) if due <= now.mono_ms => {
                self.say_hello(out);
                self.join.due = Some(now.mono_ms + AGAIN_MS).filter(|_| !settled);
                self.tell_who_is_missing();
            }
            None if !settled => self.join.due = Some(now.mono_ms + AGAIN_MS),
            _ => {}
        }
        if self.lead.is_some() && self.join.forget_at <= now.mono_ms {
            self.join.forget_at = now.mono_ms + FORGET_MS / 4;
            self.forget_observers(now);
        }
        self.say_where_this_is();
        self.tell_addresses(out);
    }

    /// A leader whose own address is not what the members' list says puts that right, once a term.
    fn say_where_this_is(&mut self) {
        let Some(term) = self.lead.as_ref().map(|lead| lead.term).filter(|term| *term != self.join.told_in) else {
            return;
        };
        let endpoints = self.own_endpoints();
        let known = self.quorum.own_member().map(|own| own.endpoints.clone()).unwrap_or_default();
        let own = self.quorum.directory_id().clone();
        if endpoints.is_empty() || endpoints == known || self.quorum.moved(self.config.node_id, &own, endpoints).is_ok()
        {
            self.join.told_in = term;
        }
    }

    fn own_endpoints(&self) -> Vec<Endpoint> {
        if !self.config.endpoints.is_empty() {
            return self.config.endpoints.clone();
        }
        self.config.voters.get(&self.config.node_id).cloned().unwrap_or_default()
    }

    fn say_hello(&self, out: &mut Vec<ControllerCommand>) {
        if self.quorum.is_alone() {
            return;
        }
        let hello = Hello {
            raft_id: self.quorum.joins_as().unwrap_or_default(),
            endpoints: self.own_endpoints(),
            auto_join: self.config.auto_join,
            in_place_only: !self.config.auto_join_newcomers,
        };
        let message = self.sealed(Payload::Hello(hello));
        let members = self.quorum.members().iter().map(|member| member.id);
        let mut ids: Vec<u64> = members.chain(self.config.voters.keys().copied()).collect();
        // Whoever once answered may be all that is left of the way in.
        ids.extend(self.join.told.keys());
        ids.sort_unstable();
        ids.dedup();
        for to in ids.into_iter().filter(|id| *id != self.config.node_id) {
            out.push(ControllerCommand::Send { to, message: message.clone() });
        }
        for server in 0..self.config.bootstrap_servers {
            out.push(ControllerCommand::Probe { server, message: message.clone() });
        }
    }

    /// A quorum that cannot form says whom it waits for.
    fn tell_who_is_missing(&mut self) {
        let missing = self.quorum.waits_for();
        if missing != self.join.waited_for && self.quorum.leader().is_none() && !missing.is_empty() {
            let ids: Vec<String> = missing.iter().map(u64::to_string).collect();
            tracing::info!(
                "the quorum forms once every controller of controller.quorum.voters is there; not heard of yet: {}",
                ids.join(", ")
            );
        }
        self.join.waited_for = missing;
    }

    pub(super) fn sealed(&self, payload: Payload) -> odradek_core::metadata::rpc::ControllerRequest {
        let cluster_id = self.image.cluster_id().or(self.config.cluster_id.as_deref());
        peer::seal(self.config.node_id, cluster_id, self.quorum.directory_id().clone(), payload)
    }

    /// Somebody said hello. `same_cluster` is false for a controller of another cluster, which is only told so.
    pub(super) fn take_hello(
        &mut self,
        now: Now,
        from: u64,
        directory_id: Bytes,
        hello: Hello,
        same_cluster: bool,
        out: &mut Vec<ControllerCommand>,
    ) {
        let own = from == self.config.node_id && directory_id == *self.quorum.directory_id();
        if own || !self.quorum.is_formed() {
            return;
        }
        let is_member = self.quorum.members().iter().any(|member| member.id == from);
        if !is_member && !hello.endpoints.is_empty() {
            if self.join.strangers.len() >= MOST_STRANGERS {
                self.join.strangers.clear();
            }
            self.join.strangers.insert(from, hello.endpoints.clone());
            self.tell_addresses(out);
        }
        let members = if same_cluster { self.quorum.members().to_vec() } else { Vec::new() };
        let message = self.sealed(Payload::Welcome(Welcome { members }));
        out.push(ControllerCommand::Send { to: from, message });
        if same_cluster && self.lead.is_some() {
            self.join.heard.insert((from, directory_id.clone()), now.mono_ms);
            self.consider(from, &directory_id, hello);
        }
    }

    /// The leader does one step for who said hello; the next hello leads to the next one.
    fn consider(&mut self, id: u64, directory_id: &Bytes, hello: Hello) {
        let members = self.quorum.members();
        let former = members.iter().find(|member| member.id == id && member.directory_id != *directory_id).cloned();
        let step = match members.iter().find(|member| member.is(id, directory_id)).cloned() {
            Some(_) if former.as_ref().is_some_and(|former| former.observer) => {
                self.quorum.remove(id, &former.map(|former| former.directory_id).unwrap_or_default())
            }
            // It has learnt meanwhile that the id which it had in the library is another disk's.
            Some(member) if member.observer && member.raft_id != hello.raft_id => self.quorum.remove(id, directory_id),
            Some(member) if !hello.endpoints.is_empty() && member.endpoints != hello.endpoints => {
                tracing::info!(controller = id, "a controller listens somewhere else now");
                self.quorum.moved(id, directory_id, hello.endpoints)
            }
            Some(member)
                if member.observer
                    && hello.auto_join
                    && (former.is_some() || !hello.in_place_only || self.join.replaced.contains(&id)) =>
            {
                self.join_as_voter(&member, former.as_ref())
            }
            Some(_) => return,
            None => match former {
                // An observer's disk was replaced: the former one is nobody any more.
                Some(former) if former.observer => self.quorum.remove(id, &former.directory_id),
                // It has to hear first that it is no member; the welcome tells.
                _ if hello.raft_id == 0 => return,
                _ if members.iter().filter(|member| member.observer).count() >= MOST_OBSERVERS => {
                    tracing::warn!(controller = id, "no observer more than the {MOST_OBSERVERS} there are");
                    return;
                }
                _ => {
                    let added = self.quorum.add_observer(id, directory_id.clone(), hello.raft_id, hello.endpoints);
                    if added.is_ok() {
                        tracing::info!(controller = id, "a controller follows the metadata log as an observer");
                    }
                    added
                }
            },
        };
        if let Err(error) = step
            && !matches!(error, ChangeError::Busy | ChangeError::DuplicateVoter { .. })
        {
            tracing::debug!(controller = id, %error, "the members stay as they are for the moment");
        }
    }

    /// KIP-1186: first the voter of the same id with the former disk goes, then this one comes.
    fn join_as_voter(&mut self, member: &Member, former: Option<&Member>) -> Result<u64, ChangeError> {
        match former.filter(|former| !former.observer) {
            Some(former) => {
                let removed = self.quorum.remove(member.id, &former.directory_id);
                if removed.is_ok() {
                    self.join.replaced.insert(member.id);
                    tracing::info!(controller = member.id, "the voter with the former disk goes");
                }
                removed
            }
            None => {
                let added = self.quorum.add_voter(member.id, &member.directory_id);
                if added.is_ok() {
                    self.join.replaced.remove(&member.id);
                    tracing::info!(controller = member.id, "an observer that has caught up becomes a voter");
                }
                added
            }
        }
    }

    /// The answer to a hello.
    pub(super) fn take_welcome(
        &mut self,
        now: Now,
        from: u64,
        welcome: Welcome,
        out: &mut Vec<ControllerCommand>,
    ) -> Result<(), ControllerError> {
        let own = self.quorum.directory_id().clone();
        let id = self.config.node_id;
        if !self.quorum.is_formed() && !welcome.members.is_empty() {
            for member in &welcome.members {
                self.join.strangers.insert(member.id, member.endpoints.clone());
            }
            self.tell_addresses(out);
            let raft_id = self.quorum.raft_id();
            if !welcome.members.iter().any(|member| member.is(id, &own)) {
                self.quorum.become_observer(now.wall_ms)?;
            }
            if raft_id != self.quorum.raft_id() {
                tracing::warn!(
                    from,
                    "the quorum has formed without this disk: this controller observes until it is made a voter \
                     (kafka-metadata-quorum add-controller, or controller.quorum.auto.join.enable=true)"
                );
                self.join.due = Some(now.mono_ms);
            }
        }
        Ok(())
    }

    fn forget_observers(&mut self, now: Now) {
        let silent = |member: &&Member, heard: &BTreeMap<(u64, Bytes), u64>| {
            let last = heard.get(&(member.id, member.directory_id.clone())).copied().unwrap_or(0);
            member.observer && last + FORGET_MS <= now.mono_ms
        };
        let observers = self.quorum.members().iter();
        let Some(gone) = observers.into_iter().find(|member| silent(member, &self.join.heard)).cloned() else { return };
        if self.quorum.remove(gone.id, &gone.directory_id).is_ok() {
            tracing::info!(controller = gone.id, "an observer that is silent for minutes is forgotten");
            self.join.heard.remove(&(gone.id, gone.directory_id));
        }
    }

    /// A new leader has heard of nobody yet.
    pub(super) fn begin_to_hear(&mut self, now: Now) {
        self.join.heard.clear();
        self.join.replaced.clear();
        self.join.forget_at = now.mono_ms + FORGET_MS;
    }

    fn tell_addresses(&mut self, out: &mut Vec<ControllerCommand>) {
        let mut all: BTreeMap<u64, Vec<Endpoint>> = self.config.voters.clone();
        all.extend(self.join.strangers.iter().map(|(id, at)| (*id, at.clone())));
        for member in self.quorum.members().iter().filter(|member| !member.endpoints.is_empty()) {
            all.insert(member.id, member.endpoints.clone());
        }
        all.retain(|_, at| !at.is_empty());
        if all != self.join.told {
            self.join.told = all.clone();
            out.push(ControllerCommand::Controllers(all));
        }
    }
}
