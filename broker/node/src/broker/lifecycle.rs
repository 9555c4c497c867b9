//! Registration, heartbeats, fencing and the controlled shutdown (M1, M22; KIP-631).

use odradek_core::metadata::controller::supported_features;
use odradek_core::metadata::image::Image;
use odradek_core::metadata::record::Listener;
use odradek_core::metadata::rpc::{HeartbeatRequest, HeartbeatResponse, RegisterBrokerRequest, RegisterBrokerResponse};
use odradek_core::time::Now;
use uuid::Uuid;

use super::BrokerNode;
use super::calls::Pending;
use super::codes;
use crate::event::{BrokerState, Command};

const RETRY_MS: u64 = 100;
/// A broker that is refused tries again ever more slowly, up to this.
const REGISTER_RETRY_MAX_MS: u64 = 1_000;
/// How long the answer to a heartbeat may take. The connection is made anew after that, so it is not too short.
const HEARTBEAT_TIMEOUT_MS: u64 = 1_000;
/// While something is about to change (unfencing, shutdown), answers are wanted sooner than the interval.
const EAGER_MS: u64 = 50;
/// A stopping broker that hears nothing from an active controller for so long has nobody to hand its leaders over to,
/// as when a whole cluster is stopped at once. An election takes less.
const NO_CONTROLLER_MS: u64 = 5_000;

/// Where this broker is in its life.
#[derive(Debug)]
pub(super) struct Lifecycle {
    incarnation: Uuid,
    /// The epoch of the last clean stop, -1 after an unclean one.
    previous_epoch: i64,
    epoch: Option<i64>,
    fenced: bool,
    stopping_since: Option<u64>,
    /// When the active controller last answered, or the shutdown began.
    heard_ms: u64,
    stopped: bool,
    /// A registration or a heartbeat is under way.
    in_flight: bool,
    /// How many of them were sent; only the last one's answer counts.
    sent: u64,
    /// The pause after the next refused registration.
    register_retry_ms: u64,
    next_ms: u64,
    registering_since: u64,
    refused: bool,
}

impl Lifecycle {
    pub fn new(incarnation: Uuid, previous_epoch: i64, now: Now) -> Lifecycle {
        Lifecycle {
            incarnation,
            previous_epoch,
            epoch: None,
            fenced: true,
            stopping_since: None,
            heard_ms: now.mono_ms,
            stopped: false,
            in_flight: false,
            sent: 0,
            register_retry_ms: RETRY_MS,
            next_ms: now.mono_ms,
            registering_since: now.mono_ms,
            refused: false,
        }
    }

    /// The registration's epoch, once registered.
    pub fn broker_epoch(&self) -> Option<i64> {
        self.epoch
    }

    /// Registered, and the controller counts this broker as alive.
    pub fn is_unfenced(&self) -> bool {
        self.epoch.is_some() && !self.fenced
    }

    /// Whether the registration or heartbeat with that number is the last one.
    pub fn is_last(&self, nth: u64) -> bool {
        self.sent == nth
    }

    /// There is another active controller: it is told of this broker at once.
    pub fn ask_anew(&mut self, now: Now) {
        self.in_flight = false;
        self.next_ms = now.mono_ms;
        self.register_retry_ms = RETRY_MS;
    }

    pub fn next_deadline(&self) -> Option<u64> {
        (!self.in_flight && !self.stopped).then_some(self.next_ms)
    }

    /// When a controlled shutdown of at most `max_ms` is given up, and why then.
    fn gives_up(&self, max_ms: u64) -> Option<(u64, &'static str)> {
        let since = self.stopping_since.filter(|_| !self.stopped)?;
        let in_all = (since + max_ms, "the controllers did not end the shutdown in time");
        let silent = (self.heard_ms.max(since) + NO_CONTROLLER_MS, "no active controller answers");
        Some(in_all.min(silent))
    }
}

impl BrokerNode {
    /// Registers, or sends the heartbeat that is due.
    pub(super) fn live(&mut self, now: Now, out: &mut Vec<Command>) {
        if let Some((_, why)) =
            self.lifecycle.gives_up(self.config.controlled_shutdown_max_ms).filter(|(due, _)| now.mono_ms >= *due)
        {
            tracing::warn!("{why}; stopping with what was handed over");
            self.stop(out);
        }
        if self.lifecycle.in_flight || self.lifecycle.stopped || now.mono_ms < self.lifecycle.next_ms {
            return;
        }
        self.lifecycle.in_flight = true;
        self.lifecycle.sent += 1;
        match self.lifecycle.epoch {
            None => self.register(now, out),
            Some(broker_epoch) => {
                let request = HeartbeatRequest {
                    broker_id: self.config.node_id,
                    broker_epoch,
                    metadata_offset: self.follow.applied(),
                    want_fence: false,
                    want_shutdown: self.lifecycle.stopping_since.is_some(),
                };
                let pending = Pending::Heartbeat(self.lifecycle.sent);
                self.call_controller(now, request.into(), HEARTBEAT_TIMEOUT_MS, pending, out);
            }
        }
    }

    fn register(&mut self, now: Now, out: &mut Vec<Command>) {
        let request = RegisterBrokerRequest {
            broker_id: self.config.node_id,
            cluster_id: self.config.cluster_id.clone().unwrap_or_default(),
            incarnation: self.lifecycle.incarnation.as_bytes().to_vec(),
            listeners: self
                .config
                .listeners
                .iter()
                .map(|listener| Listener {
                    name: listener.name.clone(),
                    host: listener.host.clone(),
                    port: u32::from(listener.port),
                    security_protocol: listener.security_protocol.clone(),
                })
                .collect(),
            rack: self.config.rack.clone(),
            log_dirs: self.config.log_dirs.iter().map(|dir| dir.id.as_bytes().to_vec()).collect(),
            previous_broker_epoch: self.lifecycle.previous_epoch,
            held_partitions: u32::try_from(self.found.len() + self.partitions.len()).unwrap_or(u32::MAX),
            features: supported_features(),
        };
        self.call_controller(now, request.into(), 5_000, Pending::Register(self.lifecycle.sent), out);
    }

    /// The connection to the active controller broke: it waits for a word on another one.
    pub(super) fn speak_soon(&mut self, now: Now) {
        if self.lifecycle.epoch.is_some() {
            self.lifecycle.next_ms = self.lifecycle.next_ms.min(now.mono_ms);
        }
    }

    pub(super) fn registered(&mut self, now: Now, response: RegisterBrokerResponse, out: &mut Vec<Command>) {
        self.lifecycle.in_flight = false;
        self.lifecycle.next_ms = now.mono_ms + RETRY_MS;
        match response.error_code as i16 {
            codes::NONE => {
                tracing::info!(epoch = response.broker_epoch, "registered");
                self.lifecycle.epoch = Some(response.broker_epoch);
                self.lifecycle.register_retry_ms = RETRY_MS;
                self.lifecycle.fenced = true;
                self.cluster_id = Some(response.cluster_id);
                out.push(Command::State(BrokerState::Fenced));
                // Followers name their registration when they fetch.
                self.fetchers_due.extend(self.fetchers.keys().copied());
                self.caught_up(now, out);
            }
            // Neither the cluster nor this release becomes another one by waiting.
            codes::INCONSISTENT_CLUSTER_ID | codes::UNSUPPORTED_VERSION => {
                out.push(Command::Fatal { reason: response.error_message, exit_code: 2 });
                self.lifecycle.stopped = true;
            }
            _ => self.registration_failed(now, response.error_message, out),
        }
    }

    /// The session of an earlier life of this broker may have to end first, so a refusal is not the end.
    pub(super) fn registration_failed(&mut self, now: Now, reason: String, out: &mut Vec<Command>) {
        self.lifecycle.in_flight = false;
        self.lifecycle.next_ms = now.mono_ms + self.lifecycle.register_retry_ms;
        self.lifecycle.register_retry_ms = (self.lifecycle.register_retry_ms * 2).min(REGISTER_RETRY_MAX_MS);
        let node_id = self.config.node_id;
        if now.mono_ms.saturating_sub(self.lifecycle.registering_since) >= self.config.registration_timeout_ms {
            let reason = format!(
                "broker {node_id} could not register within {} ms (initial.broker.registration.timeout.ms): {reason}",
                self.config.registration_timeout_ms
            );
            out.push(Command::Fatal { reason, exit_code: 2 });
            self.lifecycle.stopped = true;
            return;
        }
        if !self.lifecycle.refused {
            tracing::info!(node_id, reason, "not registered yet; trying again");
            self.lifecycle.refused = true;
        }
        out.push(Command::State(BrokerState::Starting(reason)));
    }

    /// The metadata moved on. Who has seen its own registration has seen all that was committed before it: only then
    /// is a replica that no topic has a stray, and the controller unfences such a broker. (The high watermark of a
    /// controller says less: one that just started does not know yet how far the log is committed.)
    pub(super) fn caught_up(&mut self, now: Now, out: &mut Vec<Command>) {
        let Some(epoch) = self.lifecycle.epoch else { return };
        if i64::try_from(self.follow.applied()).is_ok_and(|applied| applied < epoch) {
            return;
        }
        if !std::mem::replace(&mut self.follow.caught_up, true) {
            self.image_changed(now, &Image::new(), out);
            self.discard_strays(now, out);
            for (context, body) in std::mem::take(&mut self.early) {
                self.request(now, context, body, out);
            }
        }
        if self.lifecycle.fenced {
            self.lifecycle.next_ms = now.mono_ms;
        }
    }

    pub(super) fn heartbeat_answered(&mut self, now: Now, response: &HeartbeatResponse, out: &mut Vec<Command>) {
        self.lifecycle.in_flight = false;
        match response.error_code as i16 {
            codes::NONE => {}
            codes::STALE_BROKER_EPOCH | codes::BROKER_ID_NOT_REGISTERED => {
                // Another process took the id while this one was fenced, or the controllers forgot: say again who
                // this is. Nothing was lost by this process, so its last epoch stands for a clean stop.
                tracing::warn!(error = response.error_code, "the registration is not valid any more");
                self.lifecycle.previous_epoch = self.lifecycle.epoch.take().unwrap_or(-1);
                self.lifecycle.fenced = true;
                self.lifecycle.registering_since = now.mono_ms;
                self.lifecycle.refused = false;
                self.lifecycle.next_ms = now.mono_ms;
                out.push(Command::State(BrokerState::Starting("registering again".to_owned())));
                return;
            }
            error => return self.heartbeat_failed(now, &format!("error {error}")),
        }
        self.lifecycle.heard_ms = now.mono_ms;
        if response.should_shutdown && self.lifecycle.stopping_since.is_some() {
            return self.stop(out);
        }
        if response.is_fenced != self.lifecycle.fenced {
            self.lifecycle.fenced = response.is_fenced;
            tracing::info!(fenced = response.is_fenced, "the controller's view of this broker changed");
            if self.lifecycle.stopping_since.is_none() {
                let state = if response.is_fenced { BrokerState::Fenced } else { BrokerState::Running };
                out.push(Command::State(state));
            }
        }
        let eager = self.lifecycle.stopping_since.is_some() || self.lifecycle.fenced;
        let wait = if eager { EAGER_MS } else { self.config.heartbeat_interval_ms };
        self.lifecycle.next_ms = now.mono_ms + wait;
    }

    pub(super) fn heartbeat_failed(&mut self, now: Now, reason: &str) {
        tracing::debug!(reason, "heartbeat");
        self.lifecycle.in_flight = false;
        self.lifecycle.next_ms = now.mono_ms + EAGER_MS;
    }

    /// SIGTERM.
    pub(super) fn begin_shutdown(&mut self, now: Now, out: &mut Vec<Command>) {
        if self.lifecycle.stopping_since.is_some() {
            return;
        }
        self.lifecycle.stopping_since = Some(now.mono_ms);
        self.lifecycle.next_ms = now.mono_ms;
        out.push(Command::State(BrokerState::ShuttingDown));
        if self.lifecycle.epoch.is_none() {
            self.stop(out);
        }
    }

    fn stop(&mut self, out: &mut Vec<Command>) {
        if !self.lifecycle.stopped {
            self.lifecycle.stopped = true;
            out.push(Command::Stopped);
        }
    }

    pub(super) fn shutdown_deadline(&self) -> Option<u64> {
        self.lifecycle.gives_up(self.config.controlled_shutdown_max_ms).map(|(due, _)| due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shutdown_is_given_up_when_no_controller_is_left() {
        let mut life = Lifecycle::new(Uuid::nil(), -1, Now { mono_ms: 0, wall_ms: 0 });
        assert_eq!(life.gives_up(20_000), None, "it is not asked to stop");
        life.stopping_since = Some(10_000);
        life.heard_ms = 9_000;
        let due = |life: &Lifecycle, max| life.gives_up(max).map(|(due, _)| due);
        assert_eq!(due(&life, 20_000), Some(15_000));
        life.heard_ms = 14_000;
        assert_eq!(due(&life, 20_000), Some(19_000), "a controller answered");
        life.heard_ms = 29_000;
        assert_eq!(due(&life, 20_000), Some(30_000), "and has not ended it in all that time");
        assert_eq!(due(&life, 1_000), Some(11_000));
        life.stopped = true;
        assert_eq!(due(&life, 20_000), None);
    }
}
