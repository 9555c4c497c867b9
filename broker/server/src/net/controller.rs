//! Listeners of controllers, and the way out of the controller's loop.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use odradek_core::metadata::rpc::{ControllerRequest, ControllerResponse, Request};
use odradek_node::controller::{ControllerEvent, Endpoint};
use odradek_node::event::RequestId;
use odradek_wire::messages::RequestKind;
use odradek_wire::request::{self, DecodeError, RequestBody, RequestHeader};
use odradek_wire::response::{self, EncodeError};
use odradek_wire::versions::{ListenerKind, ODRADEK_CONTROLLER};
use prost::Message;
use tokio::sync::mpsc;

use super::admin;
use super::broker::{api_versions, unsupported};
use super::peers::{Peers, bootstrap_id};
use super::replies::Replies;
use super::service::{ConnectionInfo, Incoming, Outgoing, Part, Service};
use crate::loops::{ControllerHandle, ControllerOutbox, LoopEnded};

/// Messages to one other controller that may wait for its connection; what comes on top is dropped, as on a network.
const WAITING: usize = 1024;

/// The own API of this cluster's processes, answered by the controller's loop.
#[derive(Debug, Clone)]
pub struct ControllerService {
    handle: ControllerHandle,
    peers: Peers,
}

impl ControllerService {
    /// Requests go to `handle`; `peers` learn where the other controllers' messages come from.
    pub fn new(handle: ControllerHandle, peers: Peers) -> Self {
        Self { handle, peers }
    }
}

impl Service for ControllerService {
    type Request = ControllerRequest;
    type Reply = ControllerResponse;
    // One connection carries heartbeats beside polls that wait for seconds.
    const IN_ORDER: bool = false;

    fn decode(&self, frame: Bytes) -> Result<Incoming<ControllerRequest>, DecodeError> {
        let decoded = match request::decode(ListenerKind::Controller, frame) {
            Ok(decoded) => decoded,
            Err(error) => return unsupported(ListenerKind::Controller, error),
        };
        let header = decoded.header;
        match decoded.body {
            RequestBody::Controller(body) => match ControllerRequest::decode(body) {
                Ok(request) => Ok(Incoming::Ask(header, request)),
                Err(error) => Err(DecodeError::Body { header, reason: error.to_string() }),
            },
            RequestBody::Kafka(RequestKind::ApiVersions(_)) => {
                api_versions(ListenerKind::Controller, &header, self.handle.features())
            }
            // An administrator's request (KIP-919), as a broker would pass it on.
            RequestBody::Kafka(body) => match admin::forward(&header, &body) {
                Ok(request) => Ok(Incoming::Ask(header, request)),
                Err(reason) => Err(DecodeError::Body { header, reason }),
            },
        }
    }

    async fn submit(
        &self,
        id: RequestId,
        connection: &ConnectionInfo,
        _header: &RequestHeader,
        request: ControllerRequest,
    ) -> Result<(), LoopEnded> {
        if let Some(Request::Raft(raft)) = &request.request
            && let Ok(from) = i32::try_from(raft.from)
        {
            self.peers.heard_of_controller(from, connection.peer.ip().to_canonical());
        }
        self.handle.send(ControllerEvent::Request { request: id, connection: connection.id, body: request }).await
    }

    fn encode(&self, header: &RequestHeader, reply: ControllerResponse) -> Result<Outgoing, EncodeError> {
        if header.api_key != ODRADEK_CONTROLLER {
            return admin::answer(header, &reply);
        }
        let frame = response::encode_opaque(header.correlation_id, &reply.encode_to_vec());
        Ok(Outgoing::Frame(vec![Part::Bytes(frame)]))
    }

    async fn closed(&self, connection: u64) {
        // A controller that has stopped has forgotten all connections.
        let _ = self.handle.send(ControllerEvent::ConnectionClosed { connection }).await;
    }
}

/// The controller loop's way out.
#[derive(Debug)]
pub struct ControllerOut {
    replies: Arc<Replies<ControllerResponse>>,
    peers: Peers,
    handle: ControllerHandle,
    runtime: tokio::runtime::Handle,
    lanes: BTreeMap<i32, mpsc::Sender<ControllerRequest>>,
}

impl ControllerOut {
    /// Replies go to the connections that serve with the same `replies`; broken connections to other controllers are
    /// told to `handle`.
    pub fn new(
        replies: Arc<Replies<ControllerResponse>>,
        peers: Peers,
        handle: ControllerHandle,
        runtime: tokio::runtime::Handle,
    ) -> Self {
        Self { replies, peers, handle, runtime, lanes: BTreeMap::new() }
    }
}

impl ControllerOutbox for ControllerOut {
    fn reply(&mut self, request: RequestId, response: ControllerResponse) {
        self.replies.deliver(request, response);
    }

    fn send(&mut self, to: u64, message: ControllerRequest) {
        if let Ok(to) = i32::try_from(to) {
            self.post(to, message);
        }
    }

    fn probe(&mut self, server: usize, message: ControllerRequest) {
        self.post(bootstrap_id(server), message);
    }

    fn controllers(&mut self, addresses: BTreeMap<u64, Vec<Endpoint>>) {
        let told = addresses.into_iter().filter_map(|(id, at)| {
            let at = at.into_iter().next()?;
            Some((i32::try_from(id).ok()?, (at.host, u16::try_from(at.port).ok()?)))
        });
        self.peers.update_controllers(told);
    }
}

impl ControllerOut {
    fn post(&mut self, to: i32, message: ControllerRequest) {
        let lane = self.lanes.entry(to).or_insert_with(|| {
            let (sender, messages) = mpsc::channel(WAITING);
            self.runtime.spawn(forward(to, messages, self.peers.clone(), self.handle.clone()));
            sender
        });
        // Consensus copes with lost messages; it does not cope with a loop that waits.
        if lane.try_send(message).is_err() {
            tracing::debug!(to, "message to a controller dropped: {WAITING} wait already");
        }
    }
}

/// Sends messages in their order, and tells when the connection breaks.
async fn forward(to: i32, mut messages: mpsc::Receiver<ControllerRequest>, peers: Peers, handle: ControllerHandle) {
    let mut connected = false;
    loop {
        let message = tokio::select! {
            message = messages.recv() => message,
            () = peers.controller_broken(to), if connected => {
                connected = false;
                if !unreachable(to, &handle).await {
                    return;
                }
                continue;
            }
        };
        let Some(message) = message else { return };
        connected = match peers.post(to, &message).await {
            Ok(()) => true,
            Err(reason) => {
                tracing::debug!(to, reason, "messages to a controller lost");
                // What waits behind it is of the same age, and the next attempt has its pause.
                while messages.try_recv().is_ok() {}
                if !unreachable(to, &handle).await {
                    return;
                }
                false
            }
        };
    }
}

/// Tells the loop. False when that has ended. (A bootstrap server is nobody that the quorum counts on.)
async fn unreachable(to: i32, handle: &ControllerHandle) -> bool {
    match u64::try_from(to) {
        Ok(peer) => handle.send(ControllerEvent::PeerUnreachable { peer }).await.is_ok(),
        Err(_) => true,
    }
}
