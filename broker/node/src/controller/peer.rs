//! What is around a message of one controller to another: which cluster it is of, and what kind of message it is.

use bytes::Bytes;
use odradek_core::metadata::record::SupportedFeature;
use odradek_core::metadata::rpc::{ControllerRequest, RaftRequest};
use odradek_quorum::{Endpoint, Member};
use odradek_wire::features::{self, METADATA_VERSION, MetadataVersion};
use prost::Message;

const FIRST_LEVEL: i32 = MetadataVersion::IV0_4_1.level() as i32;

/// The content of [`RaftRequest::message`].
#[derive(Clone, PartialEq, prost::Message)]
struct Envelope {
    /// Empty while the sender does not know it.
    #[prost(string, tag = "1")]
    cluster_id: String,
    /// The sender's metadata folder, 16 bytes.
    #[prost(bytes = "bytes", tag = "2")]
    directory_id: Bytes,
    /// What it says.
    #[prost(oneof = "Payload", tags = "3, 4, 5")]
    payload: Option<Payload>,
    /// The levels of `metadata.version` that the sender supports. A release that had one level did not tell.
    #[prost(int32, tag = "6")]
    min_metadata_version: i32,
    #[prost(int32, tag = "7")]
    max_metadata_version: i32,
}

/// What a message says.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Payload {
    /// The quorum's own message, for [`odradek_quorum::Quorum::step`].
    #[prost(bytes = "bytes", tag = "3")]
    Raft(Bytes),
    /// Somebody is there who has no leader, or does not vote.
    #[prost(message, tag = "4")]
    Hello(Hello),
    /// The answer: who the members are.
    #[prost(message, tag = "5")]
    Welcome(Welcome),
}

/// A controller introduces itself.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Hello {
    /// Its id in the quorum's library; 0 while it may not be added under the one it has.
    #[prost(uint64, tag = "1")]
    pub raft_id: u64,
    /// Where it listens.
    #[prost(message, repeated, tag = "2")]
    pub endpoints: Vec<Endpoint>,
    /// `controller.quorum.auto.join.enable` (KIP-1186): it wants to be a voter.
    #[prost(bool, tag = "3")]
    pub auto_join: bool,
    /// It wants that only in the place of its own former disk.
    #[prost(bool, tag = "4")]
    pub in_place_only: bool,
}

/// What the committed log says of the members; only sent once the quorum has formed.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Welcome {
    /// All of them.
    #[prost(message, repeated, tag = "1")]
    pub members: Vec<Member>,
}

/// What came from a peer.
#[derive(Debug)]
pub(super) struct PeerMessage {
    /// The peer's cluster, when it knows it.
    pub cluster_id: Option<String>,
    /// The peer's metadata folder.
    pub directory_id: Bytes,
    /// What it says; `None` when a newer release says what this one does not know.
    pub payload: Option<Payload>,
    /// What it supports.
    pub features: Vec<SupportedFeature>,
}

/// Wraps a message for another controller.
pub(super) fn seal(from: u64, cluster_id: Option<&str>, directory_id: Bytes, payload: Payload) -> ControllerRequest {
    let levels = features::supported();
    let envelope = Envelope {
        cluster_id: cluster_id.unwrap_or_default().to_owned(),
        directory_id,
        payload: Some(payload),
        min_metadata_version: i32::from(*levels.start()),
        max_metadata_version: i32::from(*levels.end()),
    };
    RaftRequest { from, message: envelope.encode_to_vec() }.into()
}

/// Reads what [`seal`] made.
pub(super) fn open(message: Bytes) -> Result<PeerMessage, prost::DecodeError> {
    let envelope = Envelope::decode(message)?;
    let cluster_id = Some(envelope.cluster_id).filter(|id| !id.is_empty());
    let (min, max) = match envelope.max_metadata_version {
        0 => (FIRST_LEVEL, FIRST_LEVEL),
        max => (envelope.min_metadata_version, max),
    };
    let features = vec![SupportedFeature { name: METADATA_VERSION.to_owned(), min, max }];
    Ok(PeerMessage { cluster_id, directory_id: envelope.directory_id, payload: envelope.payload, features })
}
