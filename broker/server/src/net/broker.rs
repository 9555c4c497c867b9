//! Listeners of clients and brokers, and the way out of the broker's loop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use odradek_node::event::{CallId, Event, Peer, PeerRequest, Request, RequestContext, RequestId, Response};
use odradek_wire::features::FinalizedFeatures;
use odradek_wire::messages::{ApiKey, RequestKind};
use odradek_wire::request::{self, DecodeError, RequestBody, RequestHeader};
use odradek_wire::response::{self, EncodeError};
use odradek_wire::versions::{self, ListenerKind};

use super::peers::Peers;
use super::replies::Replies;
use super::service::{ConnectionInfo, Incoming, Outgoing, Service};
use super::{codes, outgoing, produce};
use crate::loops::{BrokerHandle, BrokerOutbox, LoopEnded};
use crate::metrics::Traffic;

/// Kafka's protocol, answered by the broker's loop.
#[derive(Debug, Clone)]
pub struct BrokerService {
    handle: BrokerHandle,
    traffic: Traffic,
    max_frame: usize,
}

impl BrokerService {
    /// Requests go to `handle`; `max_frame` is `socket.request.max.bytes`.
    pub fn new(handle: BrokerHandle, traffic: Traffic, max_frame: usize) -> Self {
        Self { handle, traffic, max_frame }
    }
}

impl Service for BrokerService {
    type Request = Request;
    type Reply = Response;
    const IN_ORDER: bool = true;

    fn decode(&self, frame: Bytes) -> Result<Incoming<Request>, DecodeError> {
        let incoming = decode(frame, self.max_frame, &self.handle);
        if let Ok(Incoming::Answered(_)) = incoming {
            self.traffic.answered(ApiKey::ApiVersions as i16, &[]);
        }
        incoming
    }

    async fn submit(
        &self,
        id: RequestId,
        connection: &ConnectionInfo,
        header: &RequestHeader,
        request: Request,
    ) -> Result<(), LoopEnded> {
        let context = RequestContext {
            request: id,
            connection: connection.id,
            listener: connection.listener.clone(),
            role: connection.role,
            api_key: header.api_key,
            api_version: header.api_version,
            client_id: Arc::from(header.client_id.as_deref().unwrap_or_default()),
            client_host: connection.host.clone(),
        };
        self.handle.send(Event::Request { context, body: request }).await
    }

    fn encode(&self, header: &RequestHeader, reply: Response) -> Result<Outgoing, EncodeError> {
        self.traffic.answered(header.api_key, &[codes::first_error(&reply)]);
        outgoing::encode(header, reply)
    }

    async fn closed(&self, connection: u64) {
        // A broker that has stopped has forgotten all connections.
        let _ = self.handle.send(Event::ConnectionClosed { connection }).await;
    }
}

fn decode(frame: Bytes, max_frame: usize, handle: &BrokerHandle) -> Result<Incoming<Request>, DecodeError> {
    let decoded = match request::decode(ListenerKind::Broker, frame) {
        Ok(decoded) => decoded,
        Err(error) => return unsupported(ListenerKind::Broker, error),
    };
    let version = decoded.header.api_version;
    let request = match decoded.body {
        RequestBody::Kafka(RequestKind::Produce(request)) => {
            Request::Produce(produce::check(request, version, max_frame))
        }
        RequestBody::Kafka(RequestKind::ApiVersions(_)) => {
            return api_versions(ListenerKind::Broker, &decoded.header, handle.features());
        }
        RequestBody::Kafka(kind) => Request::Kafka(Box::new(kind)),
        RequestBody::Controller(_) => {
            // The version table of these listeners does not have it.
            return Err(DecodeError::UnknownApi { api_key: decoded.header.api_key, api_version: version });
        }
    };
    Ok(Incoming::Ask(decoded.header, request))
}

/// What is served on a listener, and which features are on; nothing in it needs a loop.
pub(super) fn api_versions<R>(
    kind: ListenerKind,
    header: &RequestHeader,
    features: FinalizedFeatures,
) -> Result<Incoming<R>, DecodeError> {
    let answer = versions::answer(kind, header.api_version, features);
    match response::encode_message(header.api_key, header.api_version, header.correlation_id, &answer) {
        Ok(frame) => Ok(Incoming::Answered(frame)),
        Err(error) => Err(DecodeError::Body { header: header.clone(), reason: error.to_string() }),
    }
}

/// ApiVersions in a version that is too new has an answer; the other errors have none.
pub(super) fn unsupported<R>(kind: ListenerKind, error: DecodeError) -> Result<Incoming<R>, DecodeError> {
    let answer = error
        .wants_api_versions()
        .and_then(|header| response::unsupported_api_versions(kind, header.correlation_id).ok());
    answer.map(Incoming::Answered).ok_or(error)
}

/// The broker loop's way out.
#[derive(Debug)]
pub struct BrokerOut {
    replies: Arc<Replies<Response>>,
    peers: Peers,
    handle: BrokerHandle,
    runtime: tokio::runtime::Handle,
}

impl BrokerOut {
    /// Replies go to the connections that serve with the same `replies`; answers to calls come back through `handle`.
    pub fn new(
        replies: Arc<Replies<Response>>,
        peers: Peers,
        handle: BrokerHandle,
        runtime: tokio::runtime::Handle,
    ) -> Self {
        Self { replies, peers, handle, runtime }
    }
}

impl BrokerOutbox for BrokerOut {
    fn reply(&mut self, request: RequestId, response: Response) {
        self.replies.deliver(request, response);
    }

    fn controllers(&mut self, addresses: BTreeMap<i32, (String, u16)>) {
        self.peers.update_controllers(addresses);
    }

    fn call(&mut self, call: CallId, to: Peer, body: PeerRequest, timeout: Duration) {
        let (peers, handle) = (self.peers.clone(), self.handle.clone());
        self.runtime.spawn(async move {
            let result = peers.call(&to, body, timeout).await;
            // A broker that has stopped waits for nothing.
            let _ = handle.send(Event::Answer { call, result }).await;
        });
    }
}
