//! An idempotent producer with acks=all that sends at a pace and tells what became of each record.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{
    BaseProducer, BaseRecord, DeliveryResult, NoCustomPartitioner, Producer as _, ProducerContext,
};

use super::record::{Id, encode};

/// librdkafka's `debug`, `eos` for example; what it says goes to standard error.
const DEBUG: &str = "ODRADEK_LOAD_DEBUG";

/// What to send, and how fast.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `bootstrap.servers`.
    pub bootstrap: String,
    /// The topic.
    pub topic: String,
    /// Its partitions; records go to them in turn.
    pub partitions: i32,
    /// Records a second.
    pub rate: u32,
    /// Least and largest size of a value, in bytes.
    pub bytes: RangeInclusive<usize>,
    /// More of librdkafka's configuration.
    pub client: BTreeMap<String, String>,
}

/// What became of a record.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Which one.
    pub id: Id,
    /// When the client told, since the moment that the producer was started with.
    pub at: Duration,
    /// From handing it to the client until then.
    pub latency: Duration,
    /// Its offset, or why the client gave it up.
    pub result: Result<i64, String>,
}

/// A producer on a thread of its own.
#[derive(Debug)]
pub struct Producer {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    paused: AtomicBool,
    stopped: AtomicBool,
    unsettled: AtomicUsize,
    fatal: Mutex<Option<String>>,
}

struct Deliveries {
    state: Arc<State>,
    began: Instant,
    deliveries: Sender<Delivery>,
}

impl ClientContext for Deliveries {
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, facility: &str, line: &str) {
        if std::env::var_os(DEBUG).is_some() {
            eprintln!("{:?} {facility} {line}", self.began.elapsed());
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            let mut fatal = self.state.fatal.lock().unwrap_or_else(PoisonError::into_inner);
            fatal.get_or_insert_with(|| format!("{error}: {reason}"));
        }
    }
}

impl ProducerContext<NoCustomPartitioner> for Deliveries {
    type DeliveryOpaque = Box<(Id, Instant)>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Self::DeliveryOpaque) {
        let (id, handed_over) = *sent;
        let now = Instant::now();
        let result = match result {
            Ok(message) => Ok(message.offset()),
            Err((error, _)) => Err(error.to_string()),
        };
        let delivery = Delivery { id, at: now - self.began, latency: now - handed_over, result };
        // Whoever started the producer may be gone already; then nobody counts.
        let _ = self.deliveries.send(delivery);
        self.state.unsettled.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Producer {
    /// Starts sending. `number` must be new to the topic; times in `deliveries` count from `began`.
    ///
    /// # Errors
    /// librdkafka does not take the settings.
    pub fn start(number: u32, settings: Settings, began: Instant, deliveries: Sender<Delivery>) -> Result<Producer> {
        let state = Arc::new(State::default());
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &settings.bootstrap)
            .set("client.id", format!("load-{number}"))
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("linger.ms", "5");
        for (key, value) in &settings.client {
            config.set(key, value);
        }
        if let Some(debug) = std::env::var_os(DEBUG) {
            config.set("debug", debug.to_string_lossy());
            config.set_log_level(rdkafka::config::RDKafkaLogLevel::Debug);
        }
        let context = Deliveries { state: state.clone(), began, deliveries };
        let client: BaseProducer<Deliveries> = config.create_with_context(context).context("librdkafka's producer")?;
        let shared = state.clone();
        let thread = std::thread::Builder::new()
            .name(format!("producer-{number}"))
            .spawn(move || send(number, &settings, &client, &shared))?;
        Ok(Producer { state, thread: Some(thread) })
    }

    /// Stops sending, or goes on; what is on its way stays so.
    pub fn pause(&self, paused: bool) {
        self.state.paused.store(paused, Ordering::Release);
    }

    /// Records of which nothing is known yet.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.state.unsettled.load(Ordering::Acquire)
    }

    /// Why the client gave this producer up, if it did. It sends nothing more then.
    #[must_use]
    pub fn fatal(&self) -> Option<String> {
        self.state.fatal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn send(number: u32, settings: &Settings, client: &BaseProducer<Deliveries>, state: &State) {
    let mut sequences = vec![0u64; usize::try_from(settings.partitions).unwrap_or_default()];
    let every = Duration::from_secs(1) / settings.rate.max(1);
    let span = settings.bytes.end().saturating_sub(*settings.bytes.start()) + 1;
    let mut turn = number as usize;
    let mut due = Instant::now();
    while !state.stopped.load(Ordering::Acquire) {
        let now = Instant::now();
        if state.paused.load(Ordering::Acquire) || now < due {
            client.poll(due.saturating_duration_since(now).clamp(Duration::from_millis(1), Duration::from_millis(5)));
            // After a pause the pace begins anew, so that nothing is made up for in a burst.
            due = due.max(now.checked_sub(Duration::from_millis(100)).unwrap_or(now));
            continue;
        }
        let slot = turn % sequences.len();
        let partition = i32::try_from(slot).unwrap_or_default();
        let id = Id { producer: number, partition, sequence: sequences[slot] };
        let bytes = settings.bytes.start() + (id.sequence.wrapping_mul(2_654_435_761) >> 7) as usize % span;
        let value = encode(id, bytes);
        let key = format!("{number}");
        let record = BaseRecord::with_opaque_to(&settings.topic, Box::new((id, now)))
            .partition(partition)
            .key(&key)
            .payload(&value);
        state.unsettled.fetch_add(1, Ordering::AcqRel);
        match client.send(record) {
            Ok(()) => {
                sequences[slot] += 1;
                turn += 1;
                due += every;
            }
            Err((error, _)) => {
                state.unsettled.fetch_sub(1, Ordering::AcqRel);
                if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                    let mut fatal = state.fatal.lock().unwrap_or_else(PoisonError::into_inner);
                    fatal.get_or_insert_with(|| error.to_string());
                    drop(fatal);
                    drop(client.flush(Duration::from_secs(5)));
                    return;
                }
                client.poll(Duration::from_millis(5));
            }
        }
    }
    client.poll(Duration::ZERO);
}
