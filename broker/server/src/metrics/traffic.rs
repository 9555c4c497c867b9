//! Requests, answers and bytes, counted as they pass.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::ApiKey;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// API keys below this have a counter of their own for answers without an error.
const KEYS: usize = 128;

/// Counters of a process; clones share them.
#[derive(Debug, Clone)]
pub struct Traffic {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Answers without an error, by API key: nearly all of them, so nothing is looked up for these.
    good: [AtomicU64; KEYS],
    /// Answers with errors, by API key and code.
    bad: Mutex<BTreeMap<(i16, i16), u64>>,
    received: AtomicU64,
    sent: AtomicU64,
    opened: AtomicU64,
    closed: AtomicU64,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            shared: Arc::new(Shared {
                good: [const { AtomicU64::new(0) }; KEYS],
                bad: Mutex::default(),
                received: AtomicU64::new(0),
                sent: AtomicU64::new(0),
                opened: AtomicU64::new(0),
                closed: AtomicU64::new(0),
            }),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    api: String,
    error: String,
}

impl Traffic {
    /// A client connected.
    pub fn connection_opened(&self) {
        self.shared.opened.fetch_add(1, Ordering::Relaxed);
    }

    /// A client's connection is gone.
    pub fn connection_closed(&self) {
        self.shared.closed.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes were read from sockets.
    pub fn received(&self, bytes: u64) {
        self.shared.received.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes were written to sockets.
    pub fn sent(&self, bytes: u64) {
        self.shared.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// One request was answered; `codes` are Kafka's error codes in the answer, in any order and number. The first
    /// that is not 0 is counted.
    pub fn answered(&self, api_key: i16, codes: &[i16]) {
        let error = codes.iter().copied().find(|code| *code != 0).unwrap_or(0);
        match self.shared.good.get(usize::try_from(api_key).unwrap_or(KEYS)) {
            Some(counter) if error == 0 => {
                counter.fetch_add(1, Ordering::Relaxed);
            }
            _ => {
                let mut bad = self.shared.bad.lock().unwrap_or_else(PoisonError::into_inner);
                *bad.entry((api_key, error)).or_insert(0) += 1;
            }
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let shared = &self.shared;
        let family = Family::<Answer, Counter>::default();
        let add = |api_key: i16, code: i16, count: u64| {
            let answer = Answer { api: api_name(api_key), error: error_name(code) };
            family.get_or_create(&answer).inc_by(count);
        };
        for (key, counter) in (0..).zip(&shared.good) {
            match counter.load(Ordering::Relaxed) {
                0 => {}
                count => add(key, 0, count),
            }
        }
        for (&(key, code), &count) in shared.bad.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            add(key, code, count);
        }
        registry.register("requests", "Answered requests by API and error", family);
        for (name, help, value) in [
            ("received_bytes", "Read from clients' and brokers' sockets", &shared.received),
            ("sent_bytes", "Written to clients' and brokers' sockets", &shared.sent),
            ("connections_opened", "Accepted connections", &shared.opened),
        ] {
            let counter: Counter = Counter::default();
            counter.inc_by(value.load(Ordering::Relaxed));
            registry.register(name, help, counter);
        }
        let open: Gauge = Gauge::default();
        let closed = shared.closed.load(Ordering::Relaxed);
        let opened = shared.opened.load(Ordering::Relaxed);
        open.set(i64::try_from(opened.saturating_sub(closed)).unwrap_or(i64::MAX));
        registry.register("connections", "Open connections", open);
    }
}

fn api_name(key: i16) -> String {
    match ApiKey::try_from(key) {
        // Only names of APIs: a stranger's number cannot make label values without end, for keys are 16 bits and
        // unknown ones close their connection.
        Ok(api) => format!("{api:?}"),
        Err(_) => key.to_string(),
    }
}

fn error_name(code: i16) -> String {
    match ResponseError::try_from_code(code) {
        None => "NONE".to_owned(),
        Some(error) => {
            // NotLeaderOrFollower -> NOT_LEADER_OR_FOLLOWER, as Kafka's documentation spells them.
            let name = match error {
                ResponseError::Unknown(code) => return code.to_string(),
                known => format!("{known:?}"),
            };
            let mut spelt = String::with_capacity(name.len() + 8);
            for (at, c) in name.chars().enumerate() {
                if at > 0 && c.is_ascii_uppercase() {
                    spelt.push('_');
                }
                spelt.push(c.to_ascii_uppercase());
            }
            spelt
        }
    }
}
