//! Who speaks of the past is refused: under another leader epoch (KIP-320), from another partition epoch (KIP-497), of
//! an earlier registration (KIP-380, KIP-903).

use std::collections::BTreeMap;

use odradek_core::metadata::image::Image;
use odradek_core::metadata::rpc::{AlterPartitionData, ControllerRequest, ControllerResponse, Request, Response};
use odradek_node::broker::BrokerNode;
use odradek_node::event::{FetchPayload, LogKey, RequestId};
use odradek_wire::fetch::FetchResponse;
use odradek_wire::messages::FetchRequest;
use uuid::Uuid;

/// Requests that wait for their answers, with what they name.
#[derive(Debug, Clone, Default)]
pub struct StaleEpochs {
    fetches: BTreeMap<RequestId, Vec<(LogKey, i32)>>,
    /// In-sync changes, each with the partition epoch that was committed when it came.
    changes: BTreeMap<RequestId, Vec<(AlterPartitionData, i32)>>,
    /// By a broker whose registration was replaced when they came, with that broker and the epoch that it named.
    outdated: BTreeMap<RequestId, (i32, i64)>,
}

impl StaleEpochs {
    /// A fetch comes to a broker.
    pub fn fetch_came(&mut self, request: RequestId, fetch: &FetchRequest) {
        let mut named = Vec::new();
        for topic in &fetch.topics {
            for partition in topic.partitions.iter().filter(|partition| partition.current_leader_epoch >= 0) {
                let key = LogKey { topic_id: topic.topic_id, partition: partition.partition };
                named.push((key, partition.current_leader_epoch));
            }
        }
        self.fetches.insert(request, named);
    }

    /// A broker answers a fetch.
    ///
    /// # Errors
    /// When it gives out records of a partition under another leader epoch than the one asked for.
    pub fn fetch_answered(
        &mut self,
        request: RequestId,
        broker: &BrokerNode,
        answer: &FetchResponse<FetchPayload>,
    ) -> Result<(), String> {
        let Some(named) = self.fetches.remove(&request) else { return Ok(()) };
        for topic in &answer.topics {
            for partition in topic.partitions.iter().filter(|partition| partition.error_code == 0) {
                let key = LogKey { topic_id: topic.id, partition: partition.index };
                let Some((_, asked)) = named.iter().find(|(named, _)| *named == key) else { continue };
                let Some(hosted) = broker.hosted_partition(key) else { continue };
                if hosted.leader_epoch != *asked {
                    return Err(format!(
                        "{}-{}: a fetch under leader epoch {asked} was answered under epoch {}",
                        hosted.topic, partition.index, hosted.leader_epoch
                    ));
                }
            }
        }
        Ok(())
    }

    /// A request comes to a controller with that committed image.
    pub fn request_came(&mut self, request: RequestId, body: &ControllerRequest, image: &Image) {
        let (broker, epoch) = match &body.request {
            Some(Request::Heartbeat(heartbeat)) => (heartbeat.broker_id, heartbeat.broker_epoch),
            Some(Request::AllocateProducerIds(ids)) => (ids.broker_id, ids.broker_epoch),
            Some(Request::AlterPartition(change)) => {
                let committed = |data: &AlterPartitionData| {
                    let topic_id = Uuid::from_slice(&data.topic_id).ok()?;
                    Some(image.partition(topic_id, data.partition)?.partition_epoch)
                };
                let asked = |data: &AlterPartitionData| (data.clone(), committed(data).unwrap_or(-1));
                self.changes.insert(request, change.partitions.iter().map(asked).collect());
                (change.broker_id, change.broker_epoch)
            }
            _ => return,
        };
        if image.broker(broker).is_some_and(|registered| registered.epoch > epoch) {
            self.outdated.insert(request, (broker, epoch));
        }
    }

    /// A controller answers; gives the partitions whose in-sync sets were changed.
    ///
    /// # Errors
    /// When it took what it had to refuse.
    pub fn request_answered(
        &mut self,
        request: RequestId,
        answer: &ControllerResponse,
    ) -> Result<Vec<(Uuid, i32)>, String> {
        let outdated = self.outdated.remove(&request);
        let changes = self.changes.remove(&request).unwrap_or_default();
        let error = match &answer.response {
            Some(Response::Heartbeat(answer)) => answer.error_code,
            Some(Response::AllocateProducerIds(answer)) => answer.error_code,
            Some(Response::AlterPartition(answer)) => answer.error_code,
            _ => return Ok(Vec::new()),
        };
        if let Some((broker, epoch)) = outdated.filter(|_| error == 0) {
            return Err(format!("broker {broker} was heard under its earlier registration {epoch}"));
        }
        let Some(Response::AlterPartition(answer)) = &answer.response else { return Ok(Vec::new()) };
        let mut changed = Vec::new();
        for ((asked, committed), given) in changes.iter().zip(&answer.partitions) {
            if given.error_code != 0 {
                continue;
            }
            if *committed > asked.partition_epoch {
                return Err(format!(
                    "partition {}: an in-sync change from partition epoch {} was taken when {committed} was committed",
                    asked.partition, asked.partition_epoch
                ));
            }
            changed.extend(Uuid::from_slice(&asked.topic_id).ok().map(|topic_id| (topic_id, asked.partition)));
        }
        Ok(changed)
    }
}
