//! Blocks of producer ids.

use odradek_wire::ResponseError;

use super::{Controller, PRODUCER_ID_BLOCK};
use crate::metadata::record::ProducerIds;
use crate::metadata::rpc::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};

impl Controller {
    pub(super) fn allocate_producer_ids(
        &mut self,
        request: &AllocateProducerIdsRequest,
    ) -> AllocateProducerIdsResponse {
        let refuse = |error: ResponseError| AllocateProducerIdsResponse {
            error_code: i32::from(error.code()),
            first: -1,
            count: 0,
        };
        if let Err(error) = self.check_epoch(request.broker_id, request.broker_epoch) {
            return refuse(error);
        }
        let first = self.image.next_producer_id();
        let Some(next) = first.checked_add(i64::from(PRODUCER_ID_BLOCK)) else {
            return refuse(ResponseError::UnknownServerError);
        };
        self.write(ProducerIds { broker_id: request.broker_id, broker_epoch: request.broker_epoch, next });
        AllocateProducerIdsResponse { error_code: 0, first, count: PRODUCER_ID_BLOCK }
    }
}
