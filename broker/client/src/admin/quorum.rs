//! The controllers' quorum (KIP-595, KIP-853): who votes, who observes, and changes of that.

use odradek_wire::messages::add_raft_voter_request::Listener;
use odradek_wire::messages::describe_quorum_request::{PartitionData, TopicData};
use odradek_wire::messages::describe_quorum_response::{Node, ReplicaState};
use odradek_wire::messages::{AddRaftVoterRequest, DescribeQuorumRequest, RemoveRaftVoterRequest, TopicName};
use uuid::Uuid;

use super::types::{QuorumDescription, QuorumEndpoint, QuorumReplica};
use super::{Admin, text};
use crate::{Error, KafkaError};

/// Kafka's name of the metadata log.
const METADATA: &str = "__cluster_metadata";

/// First version of DescribeQuorum that tells the disks and the addresses of voters.
const TELLS_DISKS: i16 = 2;

impl Admin {
    /// The quorum as its leader sees it. Brokers ask the leader; without one the call fails or times out.
    pub async fn describe_quorum(&self) -> Result<QuorumDescription, Error> {
        let (_, answer) = self
            .read(TELLS_DISKS, |_| {
                let partition = PartitionData::default().with_partition_index(0);
                let topic = TopicData::default().with_topic_name(TopicName(text(METADATA)));
                DescribeQuorumRequest::default().with_topics(vec![topic.with_partitions(vec![partition])])
            })
            .await?;
        KafkaError::check(answer.error_code, answer.error_message.as_deref())?;
        let Some(quorum) = answer.topics.first().and_then(|topic| topic.partitions.first()) else {
            let why = "the answer does not tell of the metadata log";
            return Err(KafkaError::new(KafkaError::UNKNOWN_TOPIC_OR_PARTITION, Some(why.to_owned())).into());
        };
        KafkaError::check(quorum.error_code, quorum.error_message.as_deref())?;
        let replicas = |states: &[ReplicaState]| {
            let mut replicas: Vec<_> = states.iter().map(|state| replica(state, &answer.nodes)).collect();
            replicas.sort_by_key(|replica| replica.id);
            replicas
        };
        Ok(QuorumDescription {
            leader: Some(quorum.leader_id.0).filter(|id| *id >= 0),
            leader_epoch: quorum.leader_epoch,
            high_watermark: quorum.high_watermark,
            voters: replicas(&quorum.current_voters),
            observers: replicas(&quorum.observers),
        })
    }

    /// Makes an observer a voter. The answer comes once that is committed; an observer that has to catch up is waited
    /// for, up to the request's time.
    pub async fn add_raft_voter(&self, cluster_id: &str, voter: &QuorumReplica) -> Result<(), Error> {
        let timeout = self.inner.config.request_timeout_ms();
        let (_, answer) = self
            .exchange(0, &|_| {
                let listeners = voter.endpoints.iter().map(|at| {
                    Listener::default().with_name(text(&at.name)).with_host(text(&at.host)).with_port(at.port)
                });
                AddRaftVoterRequest::default()
                    .with_cluster_id(Some(text(cluster_id)))
                    .with_timeout_ms(timeout)
                    .with_voter_id(voter.id)
                    .with_voter_directory_id(voter.directory_id)
                    .with_listeners(listeners.collect())
            })
            .await?;
        Ok(KafkaError::check(answer.error_code, answer.error_message.as_deref())?)
    }

    /// Takes a voter out. The answer comes once that is committed; a leader that takes itself out hands over then.
    pub async fn remove_raft_voter(&self, cluster_id: &str, id: i32, directory_id: Uuid) -> Result<(), Error> {
        let (_, answer) = self
            .exchange(0, &|_| {
                RemoveRaftVoterRequest::default()
                    .with_cluster_id(Some(text(cluster_id)))
                    .with_voter_id(id)
                    .with_voter_directory_id(directory_id)
            })
            .await?;
        Ok(KafkaError::check(answer.error_code, answer.error_message.as_deref())?)
    }
}

fn replica(state: &ReplicaState, nodes: &[Node]) -> QuorumReplica {
    let node = nodes.iter().find(|node| node.node_id == state.replica_id);
    let endpoints = node.into_iter().flat_map(|node| &node.listeners).map(|at| QuorumEndpoint {
        name: at.name.to_string(),
        host: at.host.to_string(),
        port: at.port,
    });
    QuorumReplica {
        id: state.replica_id.0,
        directory_id: state.replica_directory_id,
        log_end_offset: state.log_end_offset,
        last_fetch_ms: Some(state.last_fetch_timestamp).filter(|time| *time >= 0),
        last_caught_up_ms: Some(state.last_caught_up_timestamp).filter(|time| *time >= 0),
        endpoints: endpoints.collect(),
    }
}
