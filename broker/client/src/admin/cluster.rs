//! The cluster and its brokers.

use odradek_wire::messages::{BrokerId, DescribeClusterRequest, UnregisterBrokerRequest};

use super::Admin;
use super::types::{BrokerDescription, ClusterDescription};
use crate::{Error, KafkaError};

/// Version that can tell fenced brokers (KIP-1073).
const FENCED_BROKERS: i16 = 2;

impl Admin {
    /// The cluster's id, its controller as clients see it, and its brokers by id.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription, Error> {
        let (_, answer) = self
            .read(0, |version| DescribeClusterRequest::default().with_include_fenced_brokers(version >= FENCED_BROKERS))
            .await?;
        KafkaError::check(answer.error_code, answer.error_message.as_deref())?;
        let mut brokers: Vec<_> = answer
            .brokers
            .iter()
            .map(|broker| BrokerDescription {
                id: broker.broker_id.0,
                host: broker.host.to_string(),
                // A port outside of the range cannot be connected to anyway.
                port: u16::try_from(broker.port).unwrap_or(0),
                rack: broker.rack.as_ref().map(ToString::to_string),
                fenced: broker.is_fenced,
            })
            .collect();
        brokers.sort_by_key(|broker| broker.id);
        Ok(ClusterDescription {
            cluster_id: answer.cluster_id.to_string(),
            controller_id: Some(answer.controller_id.0).filter(|id| *id >= 0),
            brokers,
        })
    }

    /// Takes a broker out of the cluster's metadata (KIP-185), so that its id is free. It should have stopped: one that
    /// runs registers again. Refused with BROKER_ID_NOT_REGISTERED when there is no such broker.
    pub async fn unregister_broker(&self, id: i32) -> Result<(), Error> {
        let request = |_| UnregisterBrokerRequest::default().with_broker_id(BrokerId(id));
        let (_, answer) = self.exchange(0, &request).await?;
        Ok(KafkaError::check(answer.error_code, answer.error_message.as_deref())?)
    }
}
