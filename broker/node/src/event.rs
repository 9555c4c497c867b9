//! What enters the broker's loop, and what leaves it.

use std::collections::BTreeMap;
use std::sync::Arc;

use odradek_core::metadata::rpc::{ControllerRequest, ControllerResponse};
use odradek_log::{FileRange, FlushDone, FlushJob};
use odradek_wire::batch::{BatchError, RecordBatches};
use odradek_wire::fetch::{FetchResponse, RecordsPayload};
use odradek_wire::messages::{self, RequestKind, ResponseKind};
use uuid::Uuid;

/// The shell's name for a request that waits for its answer; never used twice by one process.
pub type RequestId = u64;

/// The loop's name for a call to a peer; never used twice by one loop.
pub type CallId = u64;

/// Who may connect to a listener, which decides what is served there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerRole {
    /// Clients and tools.
    Client,
    /// Other brokers: followers fetch here. The same listener as the clients' when only one is configured.
    InterBroker,
}

/// Where a request came from.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// The answer names it.
    pub request: RequestId,
    /// The connection: gone with [`Event::ConnectionClosed`].
    pub connection: u64,
    /// The listener's name, which decides the addresses that Metadata answers give.
    pub listener: Arc<str>,
    /// What is served on that listener.
    pub role: ListenerRole,
    /// Kafka's key of the API.
    pub api_key: i16,
    /// The version that the answer must have.
    pub api_version: i16,
    /// As the client calls itself; empty when it does not.
    pub client_id: Arc<str>,
    /// The client's address, `/10.0.0.7` as Kafka prints it.
    pub client_host: Arc<str>,
}

/// A request's body, decoded and (for records) checked before it reaches the loop.
#[derive(Debug)]
pub enum Request {
    /// Produce, with every batch's length, magic and CRC checked by the connection's task.
    Produce(ProduceRequest),
    /// Everything else.
    Kafka(Box<RequestKind>),
}

/// A Produce request whose batches were checked.
#[derive(Debug)]
pub struct ProduceRequest {
    /// 0, 1 or -1 (all). Anything else is answered with INVALID_REQUIRED_ACKS.
    pub acks: i16,
    /// How long acks=all may wait, in milliseconds.
    pub timeout_ms: i32,
    /// Set by a transactional producer.
    pub transactional_id: Option<String>,
    /// One for each partition, in the order of the request.
    pub partitions: Vec<ProducePartition>,
}

/// What is to be appended to one partition.
#[derive(Debug)]
pub struct ProducePartition {
    /// The topic's name; empty in versions that name topics by id (13 and up).
    pub topic: String,
    /// The topic's id; nil in versions that name topics by name.
    pub topic_id: Uuid,
    /// The partition.
    pub index: i32,
    /// The producer's own bytes, or what was wrong with them.
    pub records: Result<RecordBatches, BatchError>,
}

/// Records of a fetch answer, not yet read from disk.
#[derive(Debug, Default)]
pub struct FetchPayload {
    /// Parts of segments, in order.
    pub ranges: Vec<FileRange>,
}

impl RecordsPayload for FetchPayload {
    fn len(&self) -> usize {
        self.ranges.iter().map(|range| range.len).sum()
    }
}

/// An answer to a client or to a follower.
#[derive(Debug)]
pub enum Response {
    /// Encode it in the version of the request.
    Kafka(Box<ResponseKind>),
    /// Encode it, with the ranges sent from their files.
    Fetch(Box<FetchResponse<FetchPayload>>),
    /// acks=0: nothing is sent, and the next request of the connection may be answered.
    Nothing,
    /// Close the connection, as Kafka does when acks=0 failed or a request made no sense.
    Close,
}

/// A process that this broker talks to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// Another broker, at the address of its inter-broker listener.
    Broker {
        /// Its `node.id`.
        id: i32,
        /// A name or an address; resolved again at each connect.
        host: String,
        /// The port.
        port: u16,
    },
    /// A controller; the shell knows its address from `controller.quorum.voters` or from [`Command::Controllers`].
    Controller {
        /// Its `node.id`.
        id: i32,
    },
}

/// What is asked of a peer.
#[derive(Debug, Clone)]
pub enum PeerRequest {
    /// A follower's fetch, encoded as Fetch in the newest version that names topics by id.
    Fetch(Box<messages::FetchRequest>),
    /// Broker to controller.
    Controller(Box<ControllerRequest>),
}

/// What the peer answered.
#[derive(Debug)]
pub enum PeerResponse {
    /// The records are slices of the received frame.
    Fetch(Box<messages::FetchResponse>),
    /// From a controller.
    Controller(Box<ControllerResponse>),
}

/// Why a call got no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// No connection, or it broke: the request may or may not have been carried out.
    Disconnected(String),
    /// No answer within the shell's time-out for calls.
    TimedOut,
    /// The peer's answer could not be read.
    Malformed(String),
}

/// What happens to a broker.
#[derive(Debug)]
pub enum Event {
    /// A client's or follower's request.
    Request {
        /// Where it came from.
        context: RequestContext,
        /// What it asks.
        body: Request,
    },
    /// Requests of that connection need no answer any more.
    ConnectionClosed {
        /// As in [`RequestContext::connection`].
        connection: u64,
    },
    /// The end of a call.
    Answer {
        /// As in [`Command::Call`].
        call: CallId,
        /// The answer, or why there is none.
        result: Result<PeerResponse, CallError>,
    },
    /// The end of a [`Command::Flush`].
    Flushed {
        /// Which log it was.
        log: LogKey,
        /// What is on the device now, or the error that makes the log directory unusable.
        result: std::io::Result<FlushDone>,
    },
    /// The end of a [`Command::Load`].
    Loaded {
        /// Which log it was.
        log: LogKey,
        /// As in [`Command::Load`].
        step: u64,
        /// What was read, or done.
        result: std::io::Result<Loaded>,
    },
    /// SIGTERM: hand the leaders over, then [`Command::Stopped`].
    Shutdown,
    /// `next_deadline` was reached.
    Timer,
}

/// A partition of a topic in one incarnation of that topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogKey {
    /// The topic's id.
    pub topic_id: Uuid,
    /// The partition.
    pub partition: i32,
}

/// What the broker wants done.
#[derive(Debug)]
pub enum Command {
    /// Answer a request.
    Reply {
        /// Which one.
        request: RequestId,
        /// With what.
        response: Response,
    },
    /// Ask a peer; exactly one [`Event::Answer`] follows.
    Call {
        /// The answer names it.
        call: CallId,
        /// Whom.
        to: Peer,
        /// What.
        body: PeerRequest,
        /// Give up after this many milliseconds.
        timeout_ms: u64,
    },
    /// Sync a log on a thread that may block; exactly one [`Event::Flushed`] follows.
    Flush {
        /// Which log.
        log: LogKey,
        /// The work.
        job: FlushJob,
    },
    /// Read or sync for the copy of a log in another directory, on a thread that may block; exactly one
    /// [`Event::Loaded`] follows.
    Load {
        /// Which log.
        log: LogKey,
        /// The answer has the same.
        step: u64,
        /// The work.
        job: LoadJob,
    },
    /// Run on a thread that may block; nothing follows. (Removal of folders and segments.)
    Run(BlockingJob),
    /// Where the controllers listen, by node id, when that is not what the shell was told before.
    Controllers(BTreeMap<i32, (String, u16)>),
    /// The broker's state changed: what `/readyz` says.
    State(BrokerState),
    /// The controlled shutdown is over: close the logs and leave.
    Stopped,
    /// The broker cannot go on, and why.
    Fatal {
        /// For the log and standard error.
        reason: String,
        /// 2 for identity and configuration, 1 for the rest.
        exit_code: i32,
    },
}

/// A step of the copy of a log in another directory.
#[derive(Debug)]
pub enum LoadJob {
    /// Read what is to be copied.
    Read(FileRange),
    /// Sync the copy.
    Sync(FlushJob),
}

impl LoadJob {
    /// Does it.
    ///
    /// # Errors
    /// The disk's.
    pub fn run(self) -> std::io::Result<Loaded> {
        match self {
            LoadJob::Read(range) => range.read().map(Loaded::Bytes),
            LoadJob::Sync(job) => job.run().map(Loaded::Synced),
        }
    }
}

/// What a [`LoadJob`] came to.
#[derive(Debug)]
pub enum Loaded {
    /// What was read.
    Bytes(bytes::Bytes),
    /// What of the copy is on the device.
    Synced(FlushDone),
}

/// Work without a result.
pub struct BlockingJob {
    /// For the log when it fails.
    pub what: String,
    /// The work.
    pub run: Box<dyn FnOnce() -> std::io::Result<()> + Send>,
}

impl std::fmt::Debug for BlockingJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockingJob").field("what", &self.what).finish_non_exhaustive()
    }
}

/// Where a broker is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerState {
    /// Looking for the active controller, or registering.
    Starting(String),
    /// Registered; catching up with the metadata before it may serve.
    Fenced,
    /// Registered, unfenced, serving.
    Running,
    /// Handing leaders over.
    ShuttingDown,
}
