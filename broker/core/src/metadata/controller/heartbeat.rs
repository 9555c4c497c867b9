//! A broker is alive, and what it wants: to serve, to be fenced, or to stop.

use std::collections::BTreeSet;

use odradek_probe::{Mutation, mutated, reached};
use odradek_wire::ResponseError;

use super::Controller;
use super::election::Loss;
use crate::metadata::record::BrokerChange;
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
        let session = self.sessions.touch(id, now.mono_ms + self.config.session_timeout_ms);
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

    /// Moves the leadership off a broker that wants to stop. True once it may: when it leads
    /// nothing that another could lead, and the others know it.
    fn controlled_shutdown(&mut self, id: i32, epoch: i64) -> bool {
        let begun = self.image.broker(id).is_some_and(|broker| broker.in_controlled_shutdown);
        if !begun {
            tracing::info!(broker = id, leads = self.index.led(id).len(), "controlled shutdown");
            self.write(BrokerChange {
                broker_id: id,
                broker_epoch: epoch,
                fenced: None,
                in_controlled_shutdown: Some(true),
            });
            self.lose(&BTreeSet::from([id]), Loss::Stopping);
            if let Some(session) = self.sessions.get_mut(id) {
                session.shutdown_offset = Some(self.offset);
            }
        }
        let needed = self.sessions.get(id).and_then(|session| session.shutdown_offset);
        let needed = needed.unwrap_or(self.offset);
        self.image
            .brokers()
            .filter(|other| other.id != id && other.is_active())
            .all(|other| self.sessions.get(other.id).is_some_and(|session| session.metadata_offset >= needed))
    }
}
