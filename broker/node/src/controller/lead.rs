//! What a controller holds only while it leads the quorum.

use std::collections::VecDeque;

use odradek_core::metadata::controller::Controller;
use odradek_core::metadata::rpc::{ControllerRequest, ControllerResponse};

use crate::event::RequestId;

/// An answer that waits until its entry is committed.
#[derive(Debug)]
pub(super) struct PendingReply {
    /// Committed(>= index) is what it waits for.
    pub index: u64,
    pub request: RequestId,
    pub response: ControllerResponse,
}

/// A request that came before the new leader could decide.
#[derive(Debug)]
pub(super) struct HeldRequest {
    pub request: RequestId,
    pub connection: u64,
    pub body: ControllerRequest,
}

/// Leadership in one term.
#[derive(Debug)]
pub(super) struct Lead {
    /// The term.
    pub term: u64,
    /// The last entry that this leader proposed; the one with which it began its term at first.
    pub proposed: u64,
    /// Decides, from the moment on at which everything proposed is applied. None until then.
    pub controller: Option<Controller>,
    /// Answers in the order of their entries.
    pub pending: VecDeque<PendingReply>,
    /// What came too early, in order.
    pub held: Vec<HeldRequest>,
}

/// More requests than this are not held for a leader that cannot decide yet; they are told to come again.
pub(super) const MOST_HELD: usize = 1_000;

impl Lead {
    /// Leadership that just began with entry `proposed`.
    pub(super) fn new(term: u64, proposed: u64) -> Lead {
        Lead { term, proposed, controller: None, pending: VecDeque::new(), held: Vec::new() }
    }

    /// Leaders elected from outside of the in-sync and the eligible sets in this term.
    pub(super) fn unclean_elections(&self) -> u64 {
        self.controller.as_ref().map_or(0, Controller::unclean_elections)
    }

    /// The requests that get no answer when leadership ends.
    pub(super) fn unanswered(self) -> impl Iterator<Item = RequestId> {
        let pending = self.pending.into_iter().map(|reply| reply.request);
        pending.chain(self.held.into_iter().map(|held| held.request))
    }
}
