//! What differs between listeners: which requests they take, who answers them, how answers become bytes.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use odradek_log::FileRange;
use odradek_node::event::{ListenerRole, RequestId};
use odradek_wire::request::{DecodeError, RequestHeader};
use odradek_wire::response::EncodeError;

use crate::loops::LoopEnded;

/// A connection, as requests carry it.
#[derive(Debug, Clone)]
pub struct ConnectionInfo {
    /// Never used twice by one process.
    pub id: u64,
    /// Where the peer is.
    pub peer: SocketAddr,
    /// The peer's address as Kafka prints it: `/10.0.0.7`.
    pub host: Arc<str>,
    /// The listener's name.
    pub listener: Arc<str>,
    /// Who may connect there.
    pub role: ListenerRole,
}

/// What a frame turned out to be.
#[derive(Debug)]
pub enum Incoming<R> {
    /// A request for the loop.
    Ask(RequestHeader, R),
    /// A request that needs no loop: the whole frame of its answer.
    Answered(Bytes),
}

/// What an answer turned out to be.
#[derive(Debug)]
pub enum Outgoing {
    /// A whole frame, in parts.
    Frame(Vec<Part>),
    /// Nothing is sent, and the next request may be answered.
    Nothing,
    /// The connection is to be closed.
    Close,
}

/// A part of an answer.
#[derive(Debug, Clone)]
pub enum Part {
    /// Bytes in memory.
    Bytes(Bytes),
    /// Bytes in a file.
    File(FileRange),
}

/// What is served on a listener.
pub trait Service: Send + Sync + 'static {
    /// What the loop takes.
    type Request: Send;
    /// What the loop gives.
    type Reply: Send + 'static;

    /// Whether answers leave in the order of their requests, as Kafka's clients count on. If not, each leaves as soon
    /// as it is there.
    const IN_ORDER: bool;

    /// Decodes a frame. An error closes the connection, after a line in the log.
    fn decode(&self, frame: Bytes) -> Result<Incoming<Self::Request>, DecodeError>;

    /// Hands a request to the loop; waits while the loop's queue is full. The reply comes under `id`.
    fn submit(
        &self,
        id: RequestId,
        connection: &ConnectionInfo,
        header: &RequestHeader,
        request: Self::Request,
    ) -> impl Future<Output = Result<(), LoopEnded>> + Send;

    /// Encodes an answer. An error closes the connection, after a line in the log.
    fn encode(&self, header: &RequestHeader, reply: Self::Reply) -> Result<Outgoing, EncodeError>;

    /// Tells the loop that a connection is gone.
    fn closed(&self, connection: u64) -> impl Future<Output = ()> + Send;
}
