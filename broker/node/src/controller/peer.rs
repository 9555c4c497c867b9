//! What is around a message of one controller's quorum to another's: which cluster it is of.

use bytes::Bytes;
use odradek_core::metadata::rpc::{ControllerRequest, RaftRequest};
use prost::Message;

/// The content of [`RaftRequest::message`].
#[derive(Clone, PartialEq, prost::Message)]
struct Envelope {
    /// Empty while the sender does not know it.
    #[prost(string, tag = "1")]
    cluster_id: String,
    /// The sender's metadata folder, 16 bytes; empty when it has no id.
    #[prost(bytes = "bytes", tag = "2")]
    directory_id: Bytes,
    /// The quorum's own message.
    #[prost(bytes = "bytes", tag = "3")]
    message: Bytes,
}

/// What a message of a peer says.
#[derive(Debug)]
pub(super) struct PeerMessage {
    /// The peer's cluster, when it knows it.
    pub cluster_id: Option<String>,
    /// For [`odradek_quorum::Quorum::step`].
    pub message: Bytes,
}

/// Wraps a message for another controller.
pub(super) fn seal(
    from: u64,
    cluster_id: Option<&str>,
    directory_id: Option<[u8; 16]>,
    message: Bytes,
) -> ControllerRequest {
    let envelope = Envelope {
        cluster_id: cluster_id.unwrap_or_default().to_owned(),
        directory_id: directory_id.map(|id| Bytes::copy_from_slice(&id)).unwrap_or_default(),
        message,
    };
    RaftRequest { from, message: envelope.encode_to_vec() }.into()
}

/// Reads what [`seal`] made.
pub(super) fn open(message: Bytes) -> Result<PeerMessage, prost::DecodeError> {
    let envelope = Envelope::decode(message)?;
    let cluster_id = Some(envelope.cluster_id).filter(|id| !id.is_empty());
    Ok(PeerMessage { cluster_id, message: envelope.message })
}
