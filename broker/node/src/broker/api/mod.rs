//! What clients and followers ask: one file an API, or a family of them.

mod cluster;
mod configs;
mod describe_producers;
mod epochs;
mod fetch;
mod group;
mod list_offsets;
mod log_dirs;
mod metadata;
mod produce;
mod producer_ids;

pub(super) use fetch::{DelayedFetch, FetchKey, FetchWatch};
pub(super) use group::Loading;
pub(super) use produce::AckWait;
pub(super) use producer_ids::ProducerIds;

use odradek_core::metadata::reassignments;
use odradek_core::time::Now;
use odradek_wire::messages::{RequestKind, ResponseKind};
use odradek_wire::protocol::StrBytes;

use super::BrokerNode;
use crate::event::{Command, Request, RequestContext, Response};

/// Requests that are held while the broker catches up with the metadata.
const MAX_EARLY: usize = 1_000;

/// Kafka's strings from ours.
pub(super) fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}

pub(super) fn reply(out: &mut Vec<Command>, context: &RequestContext, response: impl Into<ResponseKind>) {
    out.push(Command::Reply { request: context.request, response: Response::Kafka(Box::new(response.into())) });
}

impl BrokerNode {
    pub(super) fn request(&mut self, now: Now, context: RequestContext, body: Request, out: &mut Vec<Command>) {
        if !self.follow.caught_up {
            // An answer from metadata of the past would send the client astray.
            if self.early.len() < MAX_EARLY {
                self.early.push((context, body));
            } else {
                out.push(Command::Reply { request: context.request, response: Response::Close });
            }
            return;
        }
        let body = match body {
            Request::Produce(request) => return self.produce(now, context, request, out),
            Request::Kafka(body) => *body,
        };
        match body {
            RequestKind::Fetch(request) => self.fetch(now, context, request, out),
            RequestKind::ListOffsets(request) => self.list_offsets(&context, request, out),
            RequestKind::Metadata(request) => self.metadata(now, &context, request, out),
            RequestKind::OffsetForLeaderEpoch(request) => self.offset_for_leader_epoch(&context, request, out),
            RequestKind::InitProducerId(request) => self.init_producer_id(now, context, &request, out),
            RequestKind::DescribeCluster(request) => self.describe_cluster(&context, &request, out),
            RequestKind::DescribeTopicPartitions(request) => self.describe_topic_partitions(&context, request, out),
            RequestKind::DescribeProducers(request) => self.describe_producers(&context, request, out),
            RequestKind::DescribeConfigs(request) => self.describe_configs(&context, request, out),
            RequestKind::AlterReplicaLogDirs(request) => self.alter_replica_log_dirs(now, &context, request, out),
            RequestKind::DescribeLogDirs(request) => self.describe_log_dirs(&context, request, out),
            RequestKind::ListPartitionReassignments(request) => {
                reply(out, &context, reassignments::list(&self.image, request.topics.as_deref()));
            }
            RequestKind::DeleteRecords(request) => self.delete_records(&context, request, out),
            body @ (RequestKind::CreateTopics(_)
            | RequestKind::DeleteTopics(_)
            | RequestKind::CreatePartitions(_)
            | RequestKind::AlterConfigs(_)
            | RequestKind::IncrementalAlterConfigs(_)
            | RequestKind::ElectLeaders(_)
            | RequestKind::UnregisterBroker(_)
            | RequestKind::AlterPartitionReassignments(_)
            | RequestKind::UpdateFeatures(_)
            | RequestKind::DescribeQuorum(_)
            | RequestKind::AddRaftVoter(_)
            | RequestKind::RemoveRaftVoter(_)) => self.forward(now, context, body, out),
            body => self.group_request(now, context, body, out),
        }
    }
}
