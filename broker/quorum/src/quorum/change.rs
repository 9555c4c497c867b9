//! Changes of the members, one at a time, through the log (KIP-853).

use bytes::Bytes;
use odradek_probe::{Mutation, mutated, reached};
use prost::Message as _;
use protobuf::Message as _;
use raft::StateRole;
use raft::eraftpb::{ConfChange, ConfChangeType, Entry, EntryType, Message, MessageType};

use super::Quorum;
use crate::error::{ChangeError, QuorumError};
use crate::member::{Control, Endpoint, Member, drawn_raft_id, initial_raft_id};

/// An observer that lacks more entries than this is not made a voter: the quorum might have to wait for it.
const MOST_BEHIND: u64 = 100;

impl Quorum {
    /// Everybody who takes part as committed entries say, in no order that means anything. Before the quorum has
    /// formed: the voters of the configuration, without their disks.
    pub fn members(&self) -> &[Member] {
        self.node.store().members()
    }

    /// The entry that named the members as they are; 0 before the quorum has formed.
    pub fn members_index(&self) -> u64 {
        self.node.store().members_index()
    }

    /// Whether this leader's log may hold a change of the members that is not committed yet.
    pub fn is_changing(&self) -> bool {
        self.node.raft.has_pending_conf()
    }

    /// The id of this controller's metadata folder.
    pub fn directory_id(&self) -> &Bytes {
        self.node.store().directory_id()
    }

    /// This controller's id in the library.
    pub fn raft_id(&self) -> u64 {
        self.node.raft.id
    }

    /// The id in the library under which a leader may let this controller have the log.
    ///
    /// `None` for a disk that bears an initial voter's id and has not seen the quorum form: that may be the id of the
    /// disk which it replaces, and snapshots from before its time would say so. It first has to hear who the members are,
    /// and goes by an id of its own ([`Quorum::become_observer`]) when it is none of them.
    pub fn joins_as(&self) -> Option<u64> {
        let own = self.node.raft.id;
        (self.is_formed() || own != initial_raft_id(self.config.node_id)).then_some(own)
    }

    /// How often this quorum was begun anew after a loss.
    pub fn generation(&self) -> u64 {
        self.node.store().generation()
    }

    /// This controller among the members.
    pub fn own_member(&self) -> Option<&Member> {
        let id = self.node.raft.id;
        self.members().iter().find(|member| member.raft() == id)
    }

    /// Whether this controller votes.
    pub fn is_voter(&self) -> bool {
        self.own_member().is_some_and(|member| !member.observer)
    }

    /// Lets a controller have the log. `raft_id` is what its [`Quorum::joins_as`] says.
    ///
    /// # Errors
    ///
    /// This node does not lead, another change is under way, or the id in the library is another member's.
    pub fn add_observer(
        &mut self,
        id: u64,
        directory_id: Bytes,
        raft_id: u64,
        endpoints: Vec<Endpoint>,
    ) -> Result<u64, ChangeError> {
        self.may_change()?;
        if self.members().iter().any(|member| member.raft() == raft_id) {
            return Err(ChangeError::DuplicateVoter { id });
        }
        self.change(ConfChangeType::AddLearnerNode, Member { id, directory_id, raft_id, endpoints, observer: true })
    }

    /// Makes an observer a voter. The index is that of the entry that does it.
    ///
    /// # Errors
    ///
    /// This node does not lead, another change is under way, there is a voter of that id, or the observer is unknown
    /// or has not caught up.
    pub fn add_voter(&mut self, id: u64, directory_id: &[u8]) -> Result<u64, ChangeError> {
        self.may_change()?;
        if self.members().iter().any(|member| member.id == id && !member.observer) {
            return Err(ChangeError::DuplicateVoter { id });
        }
        let Some(member) = self.members().iter().find(|member| member.is(id, directory_id)) else {
            return Err(ChangeError::Unknown { id });
        };
        let last = self.node.raft.raft_log.last_index();
        let progress = self.node.raft.prs().get(member.raft());
        let has = progress.filter(|progress| progress.recent_active).map_or(0, |progress| progress.matched);
        if has + MOST_BEHIND < last || has == 0 {
            return Err(ChangeError::Behind { id, has, last });
        }
        let voter = Member { observer: false, ..member.clone() };
        self.change(ConfChangeType::AddNode, voter)
    }

    /// Takes a voter or an observer out. A leader that takes itself out leads until that is committed.
    ///
    /// # Errors
    ///
    /// This node does not lead, another change is under way, or it is no member or the last voter.
    pub fn remove(&mut self, id: u64, directory_id: &[u8]) -> Result<u64, ChangeError> {
        self.may_change()?;
        let Some(member) = self.members().iter().find(|member| member.is(id, directory_id)).cloned() else {
            return Err(ChangeError::Unknown { id });
        };
        if !member.observer && self.members().iter().filter(|member| !member.observer).count() == 1 {
            return Err(ChangeError::LastVoter { id });
        }
        self.change(ConfChangeType::RemoveNode, member)
    }

    /// Notes that a member listens somewhere else now.
    ///
    /// # Errors
    ///
    /// As for [`Quorum::remove`].
    pub fn moved(&mut self, id: u64, directory_id: &[u8], endpoints: Vec<Endpoint>) -> Result<u64, ChangeError> {
        self.may_change()?;
        let Some(member) = self.members().iter().find(|member| member.is(id, directory_id)).cloned() else {
            return Err(ChangeError::Unknown { id });
        };
        let index = self.next_index();
        let control = Control { formed: Vec::new(), moved: Some(Member { endpoints, ..member }) };
        self.node.propose(control.encode_to_vec(), Vec::new()).map_err(|_| ChangeError::Busy)?;
        Ok(index)
    }

    /// This disk is not a voter's, as another controller says: it goes on as an observer, with what it has.
    ///
    /// # Errors
    ///
    /// The disk failed, and the process must stop.
    pub fn become_observer(&mut self, wall_ms: i64) -> Result<(), QuorumError> {
        let raft_id = drawn_raft_id(self.config.node_id, self.directory_id());
        if raft_id == self.node.raft.id {
            return Ok(());
        }
        self.node.mut_store().set_raft_id(raft_id)?;
        let store = self.node.store();
        let (disk, dir, config) = (store.disk(), store.dir(), self.config.clone());
        let opened = Quorum::open(disk, dir, config, wall_ms).inspect_err(|_| self.stopped = true)?;
        let (led, given) = (self.leads, self.given);
        *self = opened;
        // What the caller has is not given again.
        (self.leads, self.given) = (led, given);
        self.restored.take_if(|snapshot| snapshot.index <= given);
        Ok(())
    }

    fn may_change(&self) -> Result<(), ChangeError> {
        let raft = &self.node.raft;
        if self.stopped {
            return Err(ChangeError::Stopped);
        }
        if raft.state != StateRole::Leader {
            return Err(ChangeError::NotLeader);
        }
        if !self.is_formed() {
            return Err(ChangeError::NotFormed);
        }
        // The library would put an empty entry in the place of a second change.
        if raft.has_pending_conf() || raft.lead_transferee.is_some() || !raft.commit_to_current_term() {
            return Err(ChangeError::Busy);
        }
        Ok(())
    }

    fn change(&mut self, kind: ConfChangeType, member: Member) -> Result<u64, ChangeError> {
        let mut change = ConfChange::default();
        change.set_change_type(kind);
        change.node_id = member.raft();
        let index = self.next_index();
        self.node.propose_conf_change(member.encode_to_vec(), change).map_err(|_| ChangeError::Busy)?;
        Ok(index)
    }

    /// Carries out what a committed entry says about the members.
    pub(super) fn apply_change(&mut self, entry: &Entry) -> Result<(), QuorumError> {
        let newer = QuorumError::NewerRelease { index: entry.index };
        if entry.index <= self.members_index() {
            // The members on disk are those behind this entry already, and so are the library's.
            return Ok(());
        }
        let mut members = self.members().to_vec();
        if entry.get_entry_type() == EntryType::EntryNormal {
            if entry.context.is_empty() {
                return Ok(());
            }
            let Ok(control) = Control::decode(entry.context.clone()) else { return Err(newer) };
            if !control.formed.is_empty() && !self.is_formed() {
                members = control.formed;
                self.know(&members)?;
            } else if let Some(moved) = control.moved
                && let Some(member) = members.iter_mut().find(|member| member.raft() == moved.raft())
            {
                member.endpoints = moved.endpoints;
            }
            return self.node.mut_store().set_members(members, entry.index);
        }
        if entry.get_entry_type() != EntryType::EntryConfChange {
            return Err(newer);
        }
        if entry.data.is_empty() {
            // A change that the leader's library refused.
            return Ok(());
        }
        let (Ok(change), Ok(member)) =
            (ConfChange::parse_from_carllerche_bytes(&entry.data), Member::decode(entry.context.clone()))
        else {
            return Err(newer);
        };
        let before = members.clone();
        members.retain(|known| known.raft() != member.raft());
        match change.get_change_type() {
            ConfChangeType::AddNode => members.push(Member { observer: false, ..member.clone() }),
            ConfChangeType::AddLearnerNode => members.push(Member { observer: true, ..member.clone() }),
            ConfChangeType::RemoveNode => {}
        }
        if let Err(error) = self.node.apply_conf_change(&change) {
            // Every member comes to the same answer, from the same members.
            tracing::error!(index = entry.index, %error, "a change of the members that cannot be carried out is passed over");
            members = before;
        }
        self.node.mut_store().set_members(members, entry.index)?;
        Ok(())
    }

    /// Tells the library of voters that it does not know from the configuration.
    fn know(&mut self, voters: &[Member]) -> Result<(), QuorumError> {
        for voter in voters {
            if !self.node.raft.prs().conf().voters().contains(voter.raft()) {
                let mut change = ConfChange::default();
                change.set_change_type(ConfChangeType::AddNode);
                change.node_id = voter.raft();
                self.node.apply_conf_change(&change)?;
            }
        }
        Ok(())
    }

    /// Takes from a refused vote how far the log is committed, also where the refusing controller is in an older term.
    ///
    /// A controller that took itself out may be the only one that knows that this is committed. The others still ask for
    /// its vote then, its log may be the longest, and it stands for election no more. The library reads what is committed
    /// from refusals, but drops those of older terms; an entry that is committed stays so in any term.
    pub(super) fn learn_commit(&mut self, message: &Message) {
        let refusal = matches!(
            message.get_msg_type(),
            MessageType::MsgRequestVoteResponse | MessageType::MsgRequestPreVoteResponse
        ) && message.reject;
        let raft = &mut self.node.raft;
        if !refusal || message.term >= raft.term || raft.state == StateRole::Leader {
            return;
        }
        if raft.raft_log.maybe_commit(message.commit, message.commit_term) && raft.state != StateRole::Follower {
            // Who votes may be about to change: the next attempt counts with it.
            let term = raft.term;
            raft.become_follower(term, raft::INVALID_ID);
        }
    }

    /// A leader that was taken out leads no more: the voter that has most of the log takes over without waiting for
    /// its time.
    pub(super) fn step_down_if_out(&mut self) {
        if self.node.raft.state != StateRole::Leader || self.is_voter() {
            return;
        }
        reached("active controller taken out");
        if let Some(to) = self.most_of_the_log() {
            self.node.raft.send_timeout_now(to);
        }
        let term = self.node.raft.term;
        self.node.raft.become_follower(term, raft::INVALID_ID);
    }

    /// Whoever is the last voter leads at once: nobody else can, and the word of a leader that took itself out is not
    /// heeded before that is applied here.
    pub(super) fn lead_if_last(&mut self) {
        if self.node.raft.state == StateRole::Leader || !self.is_only_voter() || mutated(Mutation::LastVoterDoesNotLead)
        {
            return;
        }
        reached("last voter leads at once");
        if let Err(error) = self.node.campaign() {
            // The election time-out is there still.
            tracing::debug!(%error, "the last voter does not stand for election yet");
        }
    }
}
