//! One member of a group.

use bytes::Bytes;

use super::Name;
use super::api::Token;

/// A request of a member that waits for the rest of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) token: Token,
    pub(super) api_version: i16,
}

/// What a JoinGroup request says about its member, checked and copied out of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subscription {
    pub(super) session_timeout_ms: i32,
    pub(super) rebalance_timeout_ms: i32,
    /// Names and metadata of the protocols, the preferred one first.
    pub(super) protocols: Vec<(Name, Bytes)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) id: Name,
    /// `group.instance.id` of a static member (KIP-345).
    pub(super) instance_id: Option<Name>,
    pub(super) client_id: Name,
    pub(super) client_host: Name,
    pub(super) subscription: Subscription,
    /// The assignment of the current generation; empty before it is committed.
    pub(super) assignment: Bytes,
    /// It has never finished a join: until then it may be removed even though it waits, since
    /// nobody would notice that its client is gone.
    pub(super) is_new: bool,
    pub(super) awaiting_join: Option<Waiting>,
    pub(super) awaiting_sync: Option<Waiting>,
}

impl Member {
    /// Whether the member proves by waiting that it is alive.
    pub(super) fn is_held(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }

    /// The metadata of the member for one protocol.
    pub(super) fn metadata(&self, protocol: &str) -> Bytes {
        self.subscription
            .protocols
            .iter()
            .find(|(name, _)| &**name == protocol)
            .map(|(_, metadata)| metadata.clone())
            .unwrap_or_default()
    }

    pub(super) fn supports(&self, protocol: &str) -> bool {
        self.subscription.protocols.iter().any(|(name, _)| &**name == protocol)
    }
}
