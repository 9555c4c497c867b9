//! What can go wrong with a call.

use std::time::Duration;

use odradek_wire::codes;
use odradek_wire::response::{EncodeError, ResponseDecodeError};

/// Why a call as a whole has no result. Errors of single topics are [`KafkaError`]s in the result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// None of the bootstrap addresses answers.
    #[error("no bootstrap address answers: {}", tried.join("; "))]
    Unreachable {
        /// Each address with what happened there.
        tried: Vec<String>,
    },
    /// The connection broke: the request may or may not have been carried out.
    #[error("connection to {address} broke: {reason}")]
    Disconnected {
        /// Where to.
        address: String,
        /// Why.
        reason: String,
    },
    /// No answer in time: the request may or may not have been carried out.
    #[error("no answer from {address} within {after:?}")]
    TimedOut {
        /// Where to.
        address: String,
        /// The bound.
        after: Duration,
    },
    /// The broker does not have the request, or no version of it that is known here.
    #[error("broker {address} does not serve API key {api_key} in a version from {min} to {max}")]
    Unsupported {
        /// Where to.
        address: String,
        /// The API key.
        api_key: i16,
        /// Least version that would do.
        min: i16,
        /// Largest version that would do.
        max: i16,
    },
    /// The request cannot be put into bytes.
    #[error("request cannot be sent: {0}")]
    Encode(#[from] EncodeError),
    /// The answer cannot be read.
    #[error("answer cannot be read: {0}")]
    Decode(#[from] ResponseDecodeError),
    /// The broker refused the request as a whole.
    #[error("broker refused the request: {0}")]
    Kafka(#[from] KafkaError),
}

impl Error {
    /// Whether the same call may well succeed later: the connection or a time-out failed, or the
    /// broker said so.
    pub fn is_retriable(&self) -> bool {
        match self {
            Error::Unreachable { .. } | Error::Disconnected { .. } | Error::TimedOut { .. } => true,
            Error::Kafka(error) => error.is_retriable(),
            Error::Unsupported { .. } | Error::Encode(_) | Error::Decode(_) => false,
        }
    }
}

/// An error code of Kafka's, with the broker's words when it had some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaError {
    /// The number.
    pub code: i16,
    /// Its name in Kafka.
    pub name: &'static str,
    /// What the broker says about it.
    pub message: Option<String>,
}

impl KafkaError {
    /// No such topic or partition.
    pub const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
    /// An election is under way.
    pub const LEADER_NOT_AVAILABLE: i16 = 5;
    /// Another broker leads.
    pub const NOT_LEADER_OR_FOLLOWER: i16 = 6;
    /// The broker gave up waiting.
    pub const REQUEST_TIMED_OUT: i16 = 7;
    /// The topic's name is not allowed.
    pub const INVALID_TOPIC_EXCEPTION: i16 = 17;
    /// The topic exists.
    pub const TOPIC_ALREADY_EXISTS: i16 = 36;
    /// A number of partitions that cannot be.
    pub const INVALID_PARTITIONS: i16 = 37;
    /// More replicas than brokers, or none.
    pub const INVALID_REPLICATION_FACTOR: i16 = 38;
    /// An assignment that cannot be.
    pub const INVALID_REPLICA_ASSIGNMENT: i16 = 39;
    /// A key or value of a configuration that cannot be.
    pub const INVALID_CONFIG: i16 = 40;
    /// No active controller at the moment.
    pub const NOT_CONTROLLER: i16 = 41;
    /// The request contradicts itself.
    pub const INVALID_REQUEST: i16 = 42;
    /// A policy forbids it.
    pub const POLICY_VIOLATION: i16 = 44;
    /// The partition is being reassigned.
    pub const REASSIGNMENT_IN_PROGRESS: i16 = 60;
    /// `delete.topic.enable` is false.
    pub const TOPIC_DELETION_DISABLED: i16 = 73;
    /// There is no reassignment to cancel.
    pub const NO_REASSIGNMENT_IN_PROGRESS: i16 = 85;
    /// Too many changes at once; later.
    pub const THROTTLING_QUOTA_EXCEEDED: i16 = 89;
    /// No topic has this id.
    pub const UNKNOWN_TOPIC_ID: i16 = 100;
    /// No broker is registered under this id.
    pub const BROKER_ID_NOT_REGISTERED: i16 = 102;

    /// Of a code and what came with it.
    pub fn new(code: i16, message: Option<String>) -> KafkaError {
        KafkaError { code, name: codes::name(code), message }
    }

    /// `Ok` for code 0.
    pub(crate) fn check(code: i16, message: Option<&str>) -> Result<(), KafkaError> {
        if code == 0 {
            return Ok(());
        }
        Err(KafkaError::new(code, message.map(str::to_owned)))
    }

    /// Whether Kafka counts it as passing.
    pub fn is_retriable(&self) -> bool {
        odradek_wire::ResponseError::try_from_code(self.code).is_some_and(|error| error.is_retriable())
    }
}

impl std::fmt::Display for KafkaError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.message {
            Some(message) => write!(f, "{} ({}): {message}", self.name, self.code),
            None => write!(f, "{} ({})", self.name, self.code),
        }
    }
}

impl std::error::Error for KafkaError {}
