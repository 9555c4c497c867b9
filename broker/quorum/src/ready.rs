//! What a turn of the quorum gives to its caller.

use bytes::Bytes;

/// A committed entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the log; the first one is 1.
    pub index: u64,
    /// The term of the leader that proposed it.
    pub term: u64,
    /// What was proposed; empty for the entry with which a leader begins its term.
    pub data: Bytes,
}

/// A state to begin with instead of the entries up to `index`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The last entry that is part of the state.
    pub index: u64,
    /// That entry's term.
    pub term: u64,
    /// What [`crate::Quorum::compact`] was given.
    pub data: Bytes,
}

/// What happened since the last turn. Everything in it rests on what is on the device already.
///
/// To be taken in this order: load the snapshot, apply the committed entries, give up leadership, take leadership,
/// send the messages (the order between messages to one node should be kept, losing or doubling some is allowed).
#[derive(Debug, Default)]
pub struct Ready {
    /// Replaces the whole state.
    pub snapshot: Option<Snapshot>,
    /// The next committed entries without a gap.
    pub committed: Vec<Entry>,
    /// This node led and does not any more (or leads in a newer term): what it proposed and is not committed may be
    /// lost, or may still be committed by the next leader.
    pub lost_leadership: bool,
    /// This node leads in this term. Its state is complete once an entry of this term is applied.
    pub became_leader: Option<u64>,
    /// (node id, message) for other voters' [`crate::Quorum::step`].
    pub messages: Vec<(u64, Bytes)>,
}

impl Ready {
    /// Nothing happened.
    pub fn is_empty(&self) -> bool {
        self.snapshot.is_none()
            && self.committed.is_empty()
            && !self.lost_leadership
            && self.became_leader.is_none()
            && self.messages.is_empty()
    }
}
