//! The lease to stop processes: one holder at a time, committed, and over by itself when the holder is gone.

use std::collections::BTreeSet;

use odradek_wire::ResponseError;

use super::Controller;
use super::restart_safety::Asked;
use crate::metadata::record;
use crate::metadata::rpc::{RestartAction, RestartLease, RestartSafetyRequest, RestartSafetyResponse};
use crate::time::Now;

/// The longest name of a holder, in bytes.
const MOST_HOLDER: usize = 256;
/// The shortest and the longest lease, in milliseconds.
const TTL: std::ops::RangeInclusive<u32> = 1_000..=3_600_000;
/// The most brokers and controllers in a set.
const MOST_IDS: usize = 10_000;

impl Controller {
    /// The verdict on a set, and the lease when that is asked for and safe.
    pub(super) fn restart_safety(&mut self, now: Now, request: &RestartSafetyRequest) -> RestartSafetyResponse {
        let mut response = RestartSafetyResponse { controller_id: self.quorum.node_id, ..Default::default() };
        let action = match check(request) {
            Ok(action) => action,
            Err(message) => {
                response.error_code = i32::from(ResponseError::InvalidRequest.code());
                response.error_message = message;
                return response;
            }
        };
        let brokers: BTreeSet<i32> = request.broker_ids.iter().copied().collect();
        let controllers: BTreeSet<i32> = request.controller_ids.iter().copied().collect();
        if action == RestartAction::Release {
            self.release_lease(request, &mut response);
        } else {
            let asked =
                Asked { brokers: &brokers, controllers: &controllers, ignore_never_safe: request.ignore_never_safe };
            (response.reasons, response.partitions) = self.judge_restart(&asked);
            response.safe = response.reasons.is_empty();
        }
        if action == RestartAction::Acquire {
            let wanted = record::RestartLease {
                holder: request.holder.clone(),
                broker_ids: brokers.into_iter().collect(),
                controller_ids: controllers.into_iter().collect(),
                ttl_ms: u64::from(request.ttl_ms),
            };
            response.granted = self.acquire_lease(now, wanted, response.safe);
        }
        response.lease = self.image.restart_lease().map(|lease| RestartLease {
            holder: lease.holder.clone(),
            broker_ids: lease.broker_ids.clone(),
            controller_ids: lease.controller_ids.clone(),
            left_ms: self.lease_ends_ms.map_or(0, |end| end.saturating_sub(now.mono_ms)),
        });
        response.metadata_offset = self.image.offset();
        response
    }

    fn acquire_lease(&mut self, now: Now, wanted: record::RestartLease, safe: bool) -> bool {
        let held = self.image.restart_lease();
        let same_set = held.is_some_and(|lease| {
            lease.holder == wanted.holder
                && lease.broker_ids == wanted.broker_ids
                && lease.controller_ids == wanted.controller_ids
        });
        let free = held.is_none_or(|lease| lease.holder == wanted.holder);
        let may_have = same_set || (safe && free);
        if !may_have {
            return false;
        }
        self.lease_ends_ms = Some(now.mono_ms + wanted.ttl_ms);
        // A renewal that changes nothing but the time needs no record: who becomes active counts the time anew.
        if held != Some(&wanted) {
            tracing::info!(holder = wanted.holder, brokers = ?wanted.broker_ids, controllers = ?wanted.controller_ids, "restart lease");
            self.write(wanted);
        }
        true
    }

    fn release_lease(&mut self, request: &RestartSafetyRequest, response: &mut RestartSafetyResponse) {
        match self.image.restart_lease() {
            Some(lease) if lease.holder == request.holder => self.end_lease("given back"),
            Some(lease) => {
                response.error_code = i32::from(ResponseError::InvalidRequest.code());
                response.error_message = format!("the lease is held by {}, not by {}", lease.holder, request.holder);
            }
            // Given back already, or over.
            None => {}
        }
    }

    fn end_lease(&mut self, why: &str) {
        self.lease_ends_ms = None;
        if let Some(lease) = self.image.restart_lease() {
            tracing::info!(holder = lease.holder, why, "restart lease ended");
            self.write(record::RestartLease::default());
        }
    }

    /// Ends the lease whose time is over.
    pub(super) fn expire_lease(&mut self, now: Now) {
        if self.lease_ends_ms.is_some_and(|end| end <= now.mono_ms) {
            self.end_lease("its time is over");
        }
    }
}

fn check(request: &RestartSafetyRequest) -> Result<RestartAction, String> {
    let action = RestartAction::try_from(request.action)
        .map_err(|_| format!("action {} is none of check (0), acquire (1), release (2)", request.action))?;
    if action != RestartAction::Check && !(1..=MOST_HOLDER).contains(&request.holder.len()) {
        return Err(format!("holder must be a name of 1 to {MOST_HOLDER} bytes, not of {}", request.holder.len()));
    }
    if request.broker_ids.len() > MOST_IDS || request.controller_ids.len() > MOST_IDS {
        return Err(format!("a set of more than {MOST_IDS} brokers or controllers"));
    }
    if action == RestartAction::Acquire {
        if request.broker_ids.is_empty() && request.controller_ids.is_empty() {
            return Err("an empty set: name the brokers or controllers that shall stop".to_owned());
        }
        if !TTL.contains(&request.ttl_ms) {
            return Err(format!("a lease of {} ms: it must be {} to {}", request.ttl_ms, TTL.start(), TTL.end()));
        }
    }
    Ok(action)
}
