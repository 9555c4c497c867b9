//! Why a call to the brokers failed.

use odradek_client::{Error, KafkaError};

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KafkaFailure {
    /// No broker answered.
    #[error("{0}")]
    Unreachable(String),
    /// Kafka said no.
    #[error("{name} ({code}){}", message.as_deref().map(|m| format!(": {m}")).unwrap_or_default())]
    Refused {
        /// Kafka's error code.
        code: i16,
        /// Kafka's name of it.
        name: String,
        /// What the broker said besides.
        message: Option<String>,
    },
}

/// Kafka's code of an impossible replication factor.
pub const INVALID_REPLICATION_FACTOR: i16 = KafkaError::INVALID_REPLICATION_FACTOR;
/// Kafka's code of a topic that is there already.
pub const TOPIC_ALREADY_EXISTS: i16 = KafkaError::TOPIC_ALREADY_EXISTS;
/// Kafka's code of a broker that is not registered.
pub(super) const BROKER_ID_NOT_REGISTERED: i16 = KafkaError::BROKER_ID_NOT_REGISTERED;
/// Kafka's code of a topic that is not there.
pub(super) const UNKNOWN_TOPIC: i16 = KafkaError::UNKNOWN_TOPIC_OR_PARTITION;

impl From<Error> for KafkaFailure {
    fn from(error: Error) -> Self {
        match error {
            Error::Kafka(error) => error.into(),
            other => KafkaFailure::Unreachable(other.to_string()),
        }
    }
}

impl From<KafkaError> for KafkaFailure {
    fn from(error: KafkaError) -> Self {
        KafkaFailure::Refused { code: error.code, name: error.name.to_owned(), message: error.message }
    }
}

impl KafkaFailure {
    /// Whether Kafka said no with this code.
    pub fn is(&self, wanted: i16) -> bool {
        matches!(self, KafkaFailure::Refused { code, .. } if *code == wanted)
    }
}
