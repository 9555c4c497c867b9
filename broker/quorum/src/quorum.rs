//! One node's part of the quorum.

mod change;
mod form;
mod guard;
mod haste;
mod recover;
mod turn;
mod view;

pub use recover::stored_directory_id;
pub(crate) use turn::is_data;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use odradek_log::Disk;
use odradek_probe::{Mutation, mutated};
use protobuf::Message as _;
use raft::eraftpb::Message;
use raft::{Config, RawNode, ReadOnlyOption, StateRole};

use crate::config::QuorumConfig;
use crate::election::ElectionTimeouts;
use crate::error::{ProposeError, QuorumError, StepError};
use crate::ready::Snapshot;
use crate::storage::Store;

use self::form::Forming;

/// A controller's part in the quorum, driven from outside: [`tick`](Quorum::tick), [`step`](Quorum::step) and
/// [`propose`](Quorum::propose) go in, and after any of them [`ready`](Quorum::ready) gives what came of it.
///
/// After a [`QuorumError`] every call fails: what is on disk is in doubt until it is opened again.
pub struct Quorum {
    node: RawNode<Store>,
    config: QuorumConfig,
    timeouts: ElectionTimeouts,
    /// The time-out that counts, and the (term, role) it was drawn for.
    timeout: usize,
    drawn_for: (u64, StateRole),
    /// Ticks until this node stands for election although no time-out has passed (`haste`).
    stands_in: Option<u32>,
    /// The term that this node leads in, as far as the caller knows.
    leads: Option<u64>,
    /// The snapshot that was on disk at the start, until the caller has it.
    restored: Option<Snapshot>,
    /// The last entry that the caller has, by itself or in a snapshot.
    given: u64,
    /// What is known of the others before the quorum has formed.
    forming: Forming,
    /// Node ids behind the library's ids that are not among the members (yet), as their messages say.
    met: BTreeMap<u64, u64>,
    stopped: bool,
}

impl std::fmt::Debug for Quorum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Quorum").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl Quorum {
    /// Opens (or makes) the folder `dir` and joins the quorum, as a follower when it is a voter; a single voter leads at
    /// once.
    ///
    /// The first [`ready`](Quorum::ready) gives the snapshot on disk, if there is one, and then the entries after it
    /// as they are known to be committed. `wall_ms` is only for timestamps on disk.
    ///
    /// # Errors
    ///
    /// A configuration that cannot work; a disk that fails; a vote, a snapshot or committed entries that do not check.
    /// A torn end of the log is no error: what was acknowledged had been synced before.
    pub fn open(disk: Arc<dyn Disk>, dir: PathBuf, config: QuorumConfig, wall_ms: i64) -> Result<Quorum, QuorumError> {
        config.validate().map_err(QuorumError::Config)?;
        let store = Store::open(disk, dir, &config, wall_ms)?;
        let restored =
            store.read_snapshot()?.map(|file| Snapshot { index: file.index, term: file.term, data: file.data });
        let min = config.election_ticks as usize;
        let raft_config = Config {
            id: store.raft_id(),
            election_tick: min,
            min_election_tick: min,
            max_election_tick: 2 * min,
            heartbeat_tick: config.heartbeat_ticks as usize,
            applied: store.snapshot_index(),
            max_size_per_msg: config.max_message_bytes,
            max_inflight_msgs: config.max_inflight_messages,
            check_quorum: true,
            pre_vote: true,
            read_only_option: ReadOnlyOption::Safe,
            max_uncommitted_size: config.max_uncommitted_bytes,
            ..Config::default()
        };
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let node = RawNode::new(&raft_config, store, &logger)?;
        let mut quorum = Quorum {
            drawn_for: (node.raft.term, node.raft.state),
            node,
            timeouts: ElectionTimeouts::new(config.seed, config.node_id, config.election_ticks),
            timeout: min,
            config,
            stands_in: None,
            leads: None,
            restored,
            given: 0,
            forming: Forming::default(),
            met: BTreeMap::new(),
            stopped: false,
        };
        quorum.redraw();
        // Nobody else could lead or object, so there is nothing to wait for.
        if quorum.is_only_voter() {
            quorum.node.campaign()?;
            quorum.settle_timeout();
        }
        Ok(quorum)
    }

    /// One tick of the clock went by.
    pub fn tick(&mut self) {
        if self.stopped {
            return;
        }
        if self.stands_now()
            && let Err(error) = self.node.campaign()
        {
            // The election time-out is there still.
            tracing::debug!(%error, "not standing for election");
        }
        let campaigned = self.node.tick() && self.node.raft.state != StateRole::Leader;
        // A pre-vote that failed changes neither term nor role, and the next one needs another time-out all the same.
        if campaigned {
            self.redraw();
        }
        self.settle_timeout();
    }

    /// Takes a message that another voter's [`crate::Ready::messages`] gave for this node.
    ///
    /// # Errors
    ///
    /// [`StepError::Fatal`] when this node must stop; the others mean that the message was dropped.
    pub fn step(&mut self, message: &Bytes) -> Result<(), StepError> {
        if self.stopped {
            return Err(QuorumError::Stopped.into());
        }
        let sealed = self.unseal(message)?;
        let mut message = Message::parse_from_carllerche_bytes(&sealed.message)
            .map_err(|error| StepError::Malformed(error.to_string()))?;
        self.check(&sealed, &message).inspect_err(|error| self.stopped |= matches!(error, StepError::Fatal(_)))?;
        let kind = message.get_msg_type();
        self.learn_commit(&message);
        let mut stepped = Ok(());
        for message in self.forming_grants(&sealed, &mut message) {
            stepped = stepped.and(self.node.step(message));
        }
        self.settle_timeout();
        match stepped {
            Ok(()) | Err(raft::Error::ProposalDropped | raft::Error::RequestSnapshotDropped) => Ok(()),
            Err(raft::Error::StepLocalMsg | raft::Error::StepPeerNotFound) => {
                Err(StepError::Unexpected(format!("{kind:?}")))
            }
            Err(error) => {
                self.stopped = true;
                Err(QuorumError::Raft(error).into())
            }
        }
    }

    /// Appends to the log as its leader, and says which index the entry will have if it is committed in this term.
    ///
    /// # Errors
    ///
    /// This node does not lead, or too much waits already.
    pub fn propose(&mut self, data: Vec<u8>) -> Result<u64, ProposeError> {
        if self.stopped {
            return Err(ProposeError::Stopped);
        }
        if self.node.raft.state != StateRole::Leader {
            return Err(ProposeError::NotLeader { leader: self.leader() });
        }
        if data.len() > self.max_entry_bytes() {
            return Err(ProposeError::TooLarge { bytes: data.len(), max: self.max_entry_bytes() });
        }
        let index = self.next_index();
        let context = self.formation();
        let forms = !context.is_empty();
        self.node.propose(context, data).map_err(|_| ProposeError::Busy)?;
        if forms {
            self.forming.proposed = Some(self.node.raft.term);
        }
        Ok(index)
    }

    /// The largest entry that can be proposed, in bytes: what fits into one segment.
    pub fn max_entry_bytes(&self) -> usize {
        (self.config.segment_bytes as usize).saturating_sub(crate::entry::OVERHEAD)
    }

    /// The index that the next proposal will have.
    pub fn next_index(&self) -> u64 {
        self.node.raft.raft_log.last_index() + 1
    }

    /// Writes a snapshot of the state that holds every entry up to `index`, which must have been given as committed,
    /// and drops the entries before it (but for some that lagging followers may need).
    ///
    /// # Errors
    ///
    /// The disk failed, and the process must stop.
    pub fn compact(&mut self, index: u64, data: Bytes, wall_ms: i64) -> Result<(), QuorumError> {
        if self.stopped {
            return Err(QuorumError::Stopped);
        }
        let keep = self.config.keep_entries;
        if index > self.node.raft.raft_log.applied() {
            // This disk just became an observer's, and has to hear again how far the log is committed.
            return Ok(());
        }
        self.node.mut_store().compact(index, data, keep, wall_ms).inspect_err(|_| self.stopped = true)
    }

    /// Tells that messages to a controller may have been lost: its connection broke. Saves it a round of refusals.
    pub fn unreachable(&mut self, node: u64) {
        if self.stopped {
            return;
        }
        let ids: Vec<u64> = self.members().iter().filter(|member| member.id == node).map(|it| it.raft()).collect();
        for id in ids {
            self.node.report_unreachable(id);
            self.lost_sight_of(id);
        }
    }

    /// Hands leadership to the voter that has most of the log, before this node stops. Nothing is taken as a proposal
    /// until it is done, or one election time-out has passed.
    ///
    /// Returns whom it is handed to; `None` when this node does not lead, or is alone.
    pub fn transfer_leadership(&mut self) -> Option<u64> {
        if self.stopped || self.node.raft.state != StateRole::Leader {
            return None;
        }
        let to = self.most_of_the_log()?;
        self.node.transfer_leader(to);
        self.node_of(to)
    }

    /// The other voter that has most of the log, among those that were heard of lately.
    fn most_of_the_log(&self) -> Option<u64> {
        let raft = &self.node.raft;
        let others = raft.prs().iter().filter(|(id, progress)| {
            **id != raft.id && progress.recent_active && raft.prs().conf().voters().contains(**id)
        });
        others.map(|(id, progress)| (progress.matched, *id)).max().map(|most| most.1)
    }

    /// Notes on disk how far entries are committed, and completes the log's indexes. Not needed for safety, only for a
    /// quicker start and for Kafka's tools.
    ///
    /// # Errors
    ///
    /// The disk failed.
    pub fn close(mut self) -> Result<(), QuorumError> {
        if self.stopped {
            return Ok(());
        }
        let commit = self.node.raft.raft_log.committed;
        self.node.mut_store().close(commit)
    }

    /// Who leads, when it is known.
    pub fn leader(&self) -> Option<u64> {
        self.node_of(self.node.raft.leader_id)
    }

    /// The newest term.
    pub fn term(&self) -> u64 {
        self.node.raft.term
    }

    /// Whether this node leads and nobody else takes part: nobody's messages are waited for then, and nothing is gained
    /// by ticks.
    pub fn is_alone(&self) -> bool {
        let leads = self.node.raft.state == StateRole::Leader || mutated(Mutation::LastVoterDoesNotLead);
        leads && self.members().len() == 1 && self.is_only_voter()
    }

    fn is_only_voter(&self) -> bool {
        let mut voters = self.members().iter().filter(|member| !member.observer);
        voters.next().is_some_and(|member| member.raft() == self.node.raft.id) && voters.next().is_none()
    }

    fn redraw(&mut self) {
        self.timeout = self.timeouts.draw(self.node.raft.term);
        self.drawn_for = (self.node.raft.term, self.node.raft.state);
        self.node.raft.set_randomized_election_timeout(self.timeout);
    }

    /// Puts our time-out in the place of the one that the library may just have drawn.
    fn settle_timeout(&mut self) {
        if self.drawn_for == (self.node.raft.term, self.node.raft.state) {
            self.node.raft.set_randomized_election_timeout(self.timeout);
        } else {
            self.redraw();
        }
    }
}
