//! A broker is alive, and what it wants: to serve, to be fenced, or to stop.

use odradek_probe::{Mutation, mutated, reached};
use odradek_wire::ResponseError;

use super::Controller;
use crate::metadata::rpc::{HeartbeatRequest, HeartbeatResponse};
use crate::time::Now;

impl Controller {
    /// Checks that a broker speaks under its current registration.
    pub(super) fn check_epoch(&self, broker_id: i32, epoch: i64) -> Result<(), ResponseError> {
        match self.image.broker(broker_id) {
            None => Err(ResponseError::BrokerIdNotRegistered),
            Some(broker) if broker.epoch != epoch && !mutated(Mutation::IgnoreBrokerEpoch) => {
                reached("stale broker epoch at the controller");
                Err(ResponseError::StaleBrokerEpoch)
            }
            Some(_) => Ok(()),
        }
    }

    pub(super) fn heartbeat(&mut self, now: Now, request: &HeartbeatRequest) -> HeartbeatResponse {
        let (id, epoch) = (request.broker_id, request.broker_epoch);
        if let Err(error) = self.check_epoch(id, epoch) {
            return HeartbeatResponse {
                error_code: i32::from(error.code()),
                is_caught_up: false,
                is_fenced: true,
                should_shutdown: false,
            };
        }
        let session = self.sessions.touch(id, now.mono_ms);
        session.metadata_offset = session.metadata_offset.max(request.metadata_offset);
        let is_caught_up = i64::try_from(request.metadata_offset).is_ok_and(|at| at >= epoch);
        let fenced = self.image.broker(id).is_some_and(|broker| broker.fenced);
        let mut should_shutdown = false;
        if request.want_shutdown {
            should_shutdown = fenced || self.controlled_shutdown(id, epoch);
            if should_shutdown {
                self.fence(&[id]);
                // Nothing more will come; a new process may take the id at once.
                self.sessions.close(id);
            }
        } else if request.want_fence {
            self.fence(&[id]);
        } else if fenced && is_caught_up {
            self.unfence(id, epoch);
        }
        HeartbeatResponse {
            error_code: 0,
            is_caught_up,
            is_fenced: self.image.broker(id).is_some_and(|broker| broker.fenced),
            should_shutdown,
        }
    }
}
