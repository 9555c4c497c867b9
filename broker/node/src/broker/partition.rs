//! A partition that this broker hosts: its log and its role.

use std::sync::Arc;

use odradek_core::replica::Leader;
use odradek_log::Log;

/// What this broker is for a partition.
pub(super) enum Role {
    /// It decides the high watermark.
    Leader(Box<Leader>),
    /// It copies the leader's log; `leader` is `None` while nobody leads.
    Follower {
        /// Who leads.
        leader: Option<i32>,
        /// Under which epoch.
        epoch: i32,
    },
}

/// A hosted partition.
pub(super) struct Partition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// Its records.
    pub log: Log,
    /// Index of its log directory.
    pub dir: usize,
    /// Leader or follower.
    pub role: Role,
    /// As far as a follower knows; a leader's own is in its role.
    pub known_high_watermark: i64,
    /// A sync is under way.
    pub flushing: bool,
    /// Records appended since the last sync was asked for.
    pub unflushed: i64,
    /// `flush.messages`.
    pub flush_messages: i64,
    /// Whether followers that are not in sync are slowed down when they copy from here (KIP-73).
    pub leader_throttled: bool,
    /// Whether this replica is slowed down while it is not in sync (KIP-73).
    pub follower_throttled: bool,
    /// Whether a look at lagging followers is due at some time.
    pub lag_check_scheduled: bool,
}

impl Partition {
    /// First offset that may still be lost; consumers see what is below.
    pub fn high_watermark(&self) -> i64 {
        match &self.role {
            Role::Leader(leader) => leader.high_watermark(),
            Role::Follower { .. } => self.known_high_watermark,
        }
    }

    /// The leader epoch that this broker acts under.
    pub fn leader_epoch(&self) -> i32 {
        match &self.role {
            Role::Leader(leader) => leader.epoch(),
            Role::Follower { epoch, .. } => *epoch,
        }
    }

    /// Its state as leader, when it leads.
    pub fn leader(&self) -> Option<&Leader> {
        match &self.role {
            Role::Leader(leader) => Some(leader),
            Role::Follower { .. } => None,
        }
    }

    /// Its state as leader, to be changed.
    pub fn leader_mut(&mut self) -> Option<&mut Leader> {
        match &mut self.role {
            Role::Leader(leader) => Some(leader),
            Role::Follower { .. } => None,
        }
    }
}
