//! DescribeCluster.

use odradek_wire::messages::describe_cluster_response::DescribeClusterBroker;
use odradek_wire::messages::{BrokerId, DescribeClusterRequest, DescribeClusterResponse};

use super::super::BrokerNode;
use super::metadata::OPERATIONS_NOT_ASKED;
use super::{reply, text};
use crate::event::{Command, RequestContext};

/// KIP-919: DescribeCluster asked about brokers, or about controllers.
const ENDPOINTS_OF_BROKERS: i8 = 1;
const MISMATCHED_ENDPOINT_TYPE: i16 = 114;

impl BrokerNode {
    pub(super) fn describe_cluster(
        &self,
        context: &RequestContext,
        request: &DescribeClusterRequest,
        out: &mut Vec<Command>,
    ) {
        let mut response = DescribeClusterResponse::default()
            .with_endpoint_type(ENDPOINTS_OF_BROKERS)
            .with_cluster_id(text(self.image.cluster_id().unwrap_or_default()))
            .with_controller_id(BrokerId(self.controller_to_show()))
            .with_cluster_authorized_operations(OPERATIONS_NOT_ASKED);
        if context.api_version >= 1 && request.endpoint_type != ENDPOINTS_OF_BROKERS {
            response.error_code = MISMATCHED_ENDPOINT_TYPE;
            response.error_message = Some(text("this is a broker: ask a controller about controllers"));
        }
        response.brokers = self
            .image
            .brokers()
            .filter(|broker| !broker.fenced || request.include_fenced_brokers)
            .filter_map(|broker| {
                let listener = broker.listener(&context.listener)?;
                Some(
                    DescribeClusterBroker::default()
                        .with_broker_id(BrokerId(broker.id))
                        .with_host(text(&listener.host))
                        .with_port(i32::try_from(listener.port).ok()?)
                        .with_rack(broker.rack.as_deref().map(text))
                        .with_is_fenced(broker.fenced),
                )
            })
            .collect();
        reply(out, context, response);
    }
}
