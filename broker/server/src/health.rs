//! What `/livez` and `/readyz` answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use odradek_node::event::BrokerState;

/// The state of the whole process; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Health {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// `None`: this process has no broker.
    broker: Option<Phase>,
}

/// Where the broker is, start-up included.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// Reading what was not flushed.
    Recovering { done: usize, total: usize },
    /// In the hands of its loop.
    Looping(BrokerState),
}

impl Health {
    /// The log directories are being recovered: `done` of `total` logs are open.
    pub fn recovering(&self, done: usize, total: usize) {
        self.lock().broker = Some(Phase::Recovering { done, total });
    }

    /// The broker's loop says where it is.
    pub fn broker(&self, state: BrokerState) {
        let state = Phase::Looping(state);
        let mut shared = self.lock();
        // A broker that tries again and again to register says so each time; once is enough here.
        if shared.broker.as_ref() != Some(&state) {
            if let Phase::Looping(state) = &state {
                tracing::info!("{}", told(state));
            }
            shared.broker = Some(state);
        }
    }

    /// Whether there is a broker in this process.
    #[must_use]
    pub fn has_broker(&self) -> bool {
        self.lock().broker.is_some()
    }

    /// Why the broker is not ready; `None` when it is, or when there is none in this process.
    #[must_use]
    pub fn broker_waits_for(&self) -> Option<String> {
        match self.lock().broker.as_ref()? {
            Phase::Recovering { done, total } => Some(format!("recovering logs: {done} of {total} are open")),
            Phase::Looping(BrokerState::Running) => None,
            Phase::Looping(state) => Some(told(state)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn told(state: &BrokerState) -> String {
    match state {
        BrokerState::Starting(what) => format!("starting: {what}"),
        BrokerState::Fenced => "registered, and fenced until the metadata has been caught up with".to_owned(),
        BrokerState::Running => "running".to_owned(),
        BrokerState::ShuttingDown => "shutting down: handing leaders over".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_running_broker_is_ready() {
        let health = Health::default();
        assert_eq!(health.broker_waits_for(), None, "no broker here");
        health.recovering(3, 10);
        assert_eq!(health.broker_waits_for().unwrap(), "recovering logs: 3 of 10 are open");
        health.broker(BrokerState::Fenced);
        assert!(health.broker_waits_for().is_some());
        health.broker(BrokerState::Running);
        assert_eq!(health.broker_waits_for(), None);
        health.broker(BrokerState::ShuttingDown);
        assert!(health.broker_waits_for().is_some());
    }
}
