//! Produce requests: their batches are checked here, so that the loop need not read them.

use bytes::Bytes;
use odradek_node::event::{ProducePartition, ProduceRequest};
use odradek_wire::batch::{BatchError, RecordBatches};
use odradek_wire::messages;

/// Lengths, format, CRC32C and what a client may send; the topic's own `max.message.bytes` is the log's to check.
pub(super) fn check(request: messages::ProduceRequest, version: i16, max_frame: usize) -> ProduceRequest {
    let mut partitions = Vec::with_capacity(request.topic_data.iter().map(|topic| topic.partition_data.len()).sum());
    for topic in request.topic_data {
        for partition in topic.partition_data {
            partitions.push(ProducePartition {
                topic: topic.name.to_string(),
                topic_id: topic.topic_id,
                index: partition.index,
                records: batches(partition.records, version, max_frame),
            });
        }
    }
    ProduceRequest {
        acks: request.acks,
        timeout_ms: request.timeout_ms,
        transactional_id: request.transactional_id.map(|id| id.to_string()),
        partitions,
    }
}

fn batches(records: Option<Bytes>, version: i16, max_frame: usize) -> Result<RecordBatches, BatchError> {
    RecordBatches::validate_produced(records.ok_or(BatchError::Empty)?, version, max_frame)
}
