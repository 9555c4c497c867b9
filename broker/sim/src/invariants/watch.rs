//! Where the invariants look at what goes between processes.

use odradek_core::metadata::rpc::{ControllerResponse, Response as ControllerAnswer};
use odradek_node::controller::ControllerEvent;
use odradek_node::event::{Event, LogKey, Request, RequestId, Response};
use odradek_wire::messages::RequestKind;

use super::{HighWatermarks, OneMetadataLog, OneVote, OneVoterChange, StaleEpochs, in_sync};
use crate::network::Place;
use crate::process::Arrived;
use crate::world::World;

/// All of them.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    /// Stale requests are refused.
    pub epochs: StaleEpochs,
    /// High watermarks do not go back.
    pub high_watermarks: HighWatermarks,
    /// The metadata log is one log.
    pub metadata: OneMetadataLog,
    /// One vote a term.
    pub votes: OneVote,
    /// One voter comes or goes at a time.
    pub voters: OneVoterChange,
}

impl World {
    /// A process is about to take up what arrived.
    pub(crate) fn watch_request(&mut self, place: Place, what: &Arrived) {
        match what {
            Arrived::Broker(Event::Request { context, body: Request::Kafka(kind) }) => {
                if let RequestKind::Fetch(fetch) = kind.as_ref() {
                    self.watch.epochs.fetch_came(context.request, fetch);
                }
            }
            Arrived::Controller(ControllerEvent::Request { request, body, .. }) => {
                let controller = self.processes.get(&place).and_then(|process| process.controller.as_ref());
                if let Some(controller) = controller {
                    self.watch.epochs.request_came(*request, body, controller.image());
                }
            }
            _ => {}
        }
    }

    /// A broker answers.
    pub(crate) fn watch_reply(&mut self, place: Place, request: RequestId, response: &Response) {
        let Response::Fetch(answer) = response else { return };
        let Some(process) = self.processes.get(&place) else { return };
        let Some(broker) = &process.broker else { return };
        if let Err(finding) = self.watch.epochs.fetch_answered(request, broker, answer) {
            self.findings.push(finding);
        }
        for topic in &answer.topics {
            for partition in topic.partitions.iter().filter(|partition| partition.error_code == 0) {
                let key = LogKey { topic_id: topic.id, partition: partition.index };
                let Some(hosted) = broker.hosted_partition(key).filter(|hosted| hosted.leads) else { continue };
                let who = (place, process.generation);
                let looked = self.watch.high_watermarks.look(key, hosted.leader_epoch, who, partition.high_watermark);
                if let Err(finding) = looked {
                    self.findings.push(finding);
                }
            }
        }
    }

    /// A controller answers.
    pub(crate) fn watch_controller_reply(&mut self, place: Place, request: RequestId, answer: &ControllerResponse) {
        match self.watch.epochs.request_answered(request, answer) {
            Ok(changed) => {
                for (topic_id, partition) in changed {
                    let finding = in_sync(self, topic_id, partition);
                    self.findings.extend(finding);
                }
            }
            Err(finding) => self.findings.push(finding),
        }
        if let Some(ControllerAnswer::FetchMetadata(answer)) = &answer.response
            && let Err(finding) = self.watch.metadata.look(place, answer)
        {
            self.findings.push(finding);
        }
    }
}
