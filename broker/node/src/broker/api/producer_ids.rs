//! InitProducerId for idempotent producers (KIP-98): ids from blocks that the controller hands out.

use odradek_core::metadata::rpc::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};
use odradek_core::time::Now;
use odradek_wire::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use super::super::calls::Pending;
use super::super::{BrokerNode, codes};
use super::reply;
use crate::event::{Command, RequestContext};

const RETRY_MS: u64 = 100;
/// A producer that waits longer is told to come again.
const MAX_WAIT_MS: u64 = 10_000;

/// The block in use, and who waits for the next.
#[derive(Debug, Default)]
pub(in crate::broker) struct ProducerIds {
    next: i64,
    end: i64,
    waiting: Vec<(u64, RequestContext)>,
    in_flight: bool,
    not_before_ms: u64,
}

impl ProducerIds {
    pub fn next_deadline(&self) -> Option<u64> {
        (!self.waiting.is_empty() && !self.in_flight).then_some(self.not_before_ms)
    }
}

impl BrokerNode {
    pub(super) fn init_producer_id(
        &mut self,
        now: Now,
        context: RequestContext,
        request: &InitProducerIdRequest,
        out: &mut Vec<Command>,
    ) {
        if request.transactional_id.is_some() {
            // Said with an error that ends the producer with a message, not with one that it retries for ever.
            reply(out, &context, failed(codes::UNSUPPORTED_VERSION));
            return;
        }
        self.producer_ids.waiting.push((now.mono_ms + MAX_WAIT_MS, context));
        self.hand_out_producer_ids(now, out);
    }

    pub(in crate::broker) fn hand_out_producer_ids(&mut self, now: Now, out: &mut Vec<Command>) {
        let ids = &mut self.producer_ids;
        for (deadline, context) in std::mem::take(&mut ids.waiting) {
            if ids.next < ids.end {
                let id = ids.next;
                ids.next += 1;
                reply(
                    out,
                    &context,
                    InitProducerIdResponse::default().with_producer_id(ProducerId(id)).with_producer_epoch(0),
                );
            } else if now.mono_ms >= deadline {
                reply(out, &context, failed(codes::COORDINATOR_NOT_AVAILABLE));
            } else {
                ids.waiting.push((deadline, context));
            }
        }
        if ids.waiting.is_empty() || ids.in_flight || now.mono_ms < ids.not_before_ms {
            return;
        }
        let Some(broker_epoch) = self.lifecycle.broker_epoch() else {
            ids.not_before_ms = now.mono_ms + RETRY_MS;
            return;
        };
        ids.in_flight = true;
        let request = AllocateProducerIdsRequest { broker_id: self.config.node_id, broker_epoch };
        self.call_controller(now, request.into(), 5_000, Pending::ProducerIds, out);
    }

    pub(in crate::broker) fn producer_ids_answered(
        &mut self,
        now: Now,
        response: &AllocateProducerIdsResponse,
        out: &mut Vec<Command>,
    ) {
        self.producer_ids.in_flight = false;
        if i16::try_from(response.error_code) != Ok(codes::NONE) {
            return self.producer_ids_failed(now);
        }
        self.producer_ids.next = response.first;
        self.producer_ids.end = response.first + i64::from(response.count);
        self.hand_out_producer_ids(now, out);
    }

    pub(in crate::broker) fn producer_ids_failed(&mut self, now: Now) {
        self.producer_ids.in_flight = false;
        self.producer_ids.not_before_ms = now.mono_ms + RETRY_MS;
    }
}

fn failed(error: i16) -> InitProducerIdResponse {
    InitProducerIdResponse::default().with_error_code(error).with_producer_id(ProducerId(-1)).with_producer_epoch(-1)
}
