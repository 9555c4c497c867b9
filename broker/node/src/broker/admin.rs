//! Admin requests, which only the active controller decides: passed on, and answered once this broker has seen the
//! result itself, so that a client that asks it next finds what it made.

use bytes::{Bytes, BytesMut};
use odradek_core::metadata::rpc::{ForwardRequest, ForwardResponse, Response as Answer};
use odradek_core::time::Now;
use odradek_wire::messages::create_topics_request::CreatableTopic;
use odradek_wire::messages::{ApiKey, CreateTopicsRequest, RequestKind, ResponseKind, TopicName};
use odradek_wire::protocol::{Encodable, StrBytes};

use super::BrokerNode;
use super::calls::Pending;
use super::roles::OFFSETS_TOPIC;
use crate::event::{Command, RequestContext, Response};

const RETRY_MS: u64 = 100;
/// Kafka's tools wait for 30 s or more.
const MAX_WAIT_MS: u64 = 30_000;
/// An answer waits no longer than this for the metadata to arrive here.
const SEEN_MAX_WAIT_MS: u64 = 2_000;
/// CreateTopics in a version that takes -1 for the broker's defaults.
const CREATE_TOPICS_VERSION: i16 = 7;

/// A client's request on its way.
#[derive(Debug)]
pub(super) struct Forwarded {
    context: RequestContext,
    request: ForwardRequest,
    deadline_ms: u64,
}

/// An answer that waits until this broker has applied the metadata that it speaks of.
#[derive(Debug)]
pub(super) struct Unseen {
    offset: u64,
    pub until_ms: u64,
    context: RequestContext,
    body: Vec<u8>,
}

impl BrokerNode {
    pub(super) fn forward(&mut self, now: Now, context: RequestContext, body: RequestKind, out: &mut Vec<Command>) {
        let mut bytes = BytesMut::new();
        if let Err(error) = body.encode(&mut bytes, context.api_version) {
            tracing::warn!(%error, api = context.api_key, "cannot pass the request on");
            out.push(Command::Reply { request: context.request, response: Response::Close });
            return;
        }
        let request = ForwardRequest {
            api_key: i32::from(context.api_key),
            api_version: i32::from(context.api_version),
            body: bytes.to_vec(),
            client_id: context.client_id.to_string(),
            client_host: context.client_host.to_string(),
        };
        let forwarded = Forwarded { context, request, deadline_ms: now.mono_ms + MAX_WAIT_MS };
        self.send_forward(now, forwarded, out);
    }

    fn send_forward(&mut self, now: Now, forwarded: Forwarded, out: &mut Vec<Command>) {
        let left = forwarded.deadline_ms.saturating_sub(now.mono_ms).max(1);
        let request = forwarded.request.clone();
        self.call_controller(now, request.into(), left, Pending::Forward(Box::new(forwarded)), out);
    }

    /// No active controller was found, or the connection broke: another try, as a client would make one.
    pub(super) fn forward_unanswered(&mut self, now: Now, forwarded: Forwarded, out: &mut Vec<Command>) {
        if now.mono_ms >= forwarded.deadline_ms {
            tracing::warn!(api = forwarded.context.api_key, "no active controller answered");
            out.push(Command::Reply { request: forwarded.context.request, response: Response::Close });
            return;
        }
        self.forward_retries.push((now.mono_ms + RETRY_MS, forwarded));
    }

    pub(super) fn retry_forwards(&mut self, now: Now, out: &mut Vec<Command>) {
        let (due, later) =
            std::mem::take(&mut self.forward_retries).into_iter().partition(|(at, _)| *at <= now.mono_ms);
        self.forward_retries = later;
        let due: Vec<(u64, Forwarded)> = due;
        for (_, forwarded) in due {
            self.send_forward(now, forwarded, out);
        }
    }

    pub(super) fn forward_answered(
        &mut self,
        now: Now,
        forwarded: Forwarded,
        response: ForwardResponse,
        out: &mut Vec<Command>,
    ) {
        if response.error_code != 0 {
            tracing::warn!(api = forwarded.context.api_key, error = response.error_code, "the controller refused");
            out.push(Command::Reply { request: forwarded.context.request, response: Response::Close });
            return;
        }
        let unseen = Unseen {
            offset: response.metadata_offset,
            until_ms: now.mono_ms + SEEN_MAX_WAIT_MS,
            context: forwarded.context,
            body: response.body,
        };
        self.unseen.push(unseen);
        self.forwards_seen(now, out);
    }

    /// Answers what this broker has applied by now.
    pub(super) fn forwards_seen(&mut self, now: Now, out: &mut Vec<Command>) {
        let applied = self.follow.applied();
        for unseen in std::mem::take(&mut self.unseen) {
            if unseen.offset <= applied || now.mono_ms >= unseen.until_ms {
                let response = decode_response(&unseen.context, unseen.body);
                out.push(Command::Reply { request: unseen.context.request, response });
            } else {
                self.unseen.push(unseen);
            }
        }
    }

    pub(super) fn forwards_deadline(&self) -> Option<u64> {
        let retries = self.forward_retries.iter().map(|(at, _)| *at);
        retries.chain(self.unseen.iter().map(|unseen| unseen.until_ms)).min()
    }

    /// Makes a topic that a client or the coordinator asked for, unless that is under way.
    pub(super) fn create_topic(&mut self, now: Now, name: &str, out: &mut Vec<Command>) {
        if !self.creating.insert(name.to_owned()) {
            return;
        }
        let (partitions, replicas) = if name == OFFSETS_TOPIC {
            (self.config.offsets_topic_partitions, self.config.offsets_topic_replication_factor)
        } else {
            (self.config.num_partitions, self.config.default_replication_factor)
        };
        let mut topic = CreatableTopic::default()
            .with_name(TopicName(StrBytes::from_string(name.to_owned())))
            .with_num_partitions(partitions)
            .with_replication_factor(replicas);
        if name == OFFSETS_TOPIC {
            let segment = self.config.offsets_topic_segment_bytes.to_string();
            for (key, value) in
                [("cleanup.policy", "compact"), ("compression.type", "producer"), ("segment.bytes", &segment)]
            {
                topic.configs.push(
                    odradek_wire::messages::create_topics_request::CreatableTopicConfig::default()
                        .with_name(StrBytes::from_string(key.to_owned()))
                        .with_value(Some(StrBytes::from_string(value.to_owned()))),
                );
            }
        }
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000);
        let mut body = BytesMut::new();
        if let Err(error) = request.encode(&mut body, CREATE_TOPICS_VERSION) {
            tracing::warn!(topic = name, %error, "cannot ask for the topic");
            return;
        }
        tracing::info!(topic = name, partitions, replicas, "asking the controller for a topic");
        let request = ForwardRequest {
            api_key: ApiKey::CreateTopics as i32,
            api_version: i32::from(CREATE_TOPICS_VERSION),
            body: body.to_vec(),
            client_id: format!("broker-{}", self.config.node_id),
            client_host: String::new(),
        };
        self.call_controller(now, request.into(), 30_000, Pending::CreateTopic(name.to_owned()), out);
    }

    pub(super) fn topic_creation_answered(&mut self, _now: Now, name: &str, answer: Result<Answer, String>) {
        self.creating.remove(name);
        match answer {
            Ok(Answer::Forward(response)) if response.error_code == 0 => {
                let mut body = Bytes::from(response.body);
                match ResponseKind::decode(ApiKey::CreateTopics, &mut body, CREATE_TOPICS_VERSION) {
                    Ok(ResponseKind::CreateTopics(response)) => {
                        for topic in response.topics.iter().filter(|topic| topic.error_code != 0) {
                            let message = topic.error_message.as_deref().unwrap_or_default();
                            tracing::warn!(topic = name, error = topic.error_code, message, "the topic was not made");
                        }
                    }
                    _ => tracing::warn!(topic = name, "the controller's answer cannot be read"),
                }
            }
            Ok(_) => tracing::warn!(topic = name, "the controller refused to make the topic"),
            Err(reason) => tracing::info!(topic = name, reason, "the topic was not made; the next request tries again"),
        }
    }
}

fn decode_response(context: &RequestContext, body: Vec<u8>) -> Response {
    let mut body = Bytes::from(body);
    let response = ApiKey::try_from(context.api_key)
        .ok()
        .and_then(|key| ResponseKind::decode(key, &mut body, context.api_version).ok());
    match response {
        Some(response) => Response::Kafka(Box::new(response)),
        None => {
            tracing::warn!(api = context.api_key, "the controller's answer cannot be read");
            Response::Close
        }
    }
}
