//! Why a record could not be applied.

use uuid::Uuid;

/// A record that contradicts the image, or that this release does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The record is of a kind that this release does not know.
    #[error(
        "the metadata entry at offset {offset} holds a record of a kind that this release does \
         not know: run the release that wrote it, or a newer one"
    )]
    UnknownKind {
        /// The entry.
        offset: u64,
    },
    /// The level of `metadata.version` is above what this release knows.
    #[error(
        "metadata.version {level} is above {latest}, the highest that this release knows: run a \
         newer release"
    )]
    NewerMetadataVersion {
        /// The level in the log.
        level: i32,
        /// The highest known.
        latest: i32,
    },
    /// The level of `metadata.version` is below what this release knows.
    #[error(
        "metadata.version {level} is none that this release reads: run the release that wrote it, and \
         raise it there"
    )]
    OlderMetadataVersion {
        /// The level in the log.
        level: i32,
    },
    /// An id that is not 16 bytes long.
    #[error("an id of {len} bytes, where 16 are needed")]
    BadId {
        /// Its length.
        len: usize,
    },
    /// A resource type that this release does not know.
    #[error("resource type {kind} is not known")]
    UnknownResourceType {
        /// Kafka's number.
        kind: i32,
    },
    /// A broker's config with a name that is no number.
    #[error("the config of broker {name:?}, which is no broker id")]
    BadBrokerName {
        /// The name.
        name: String,
    },
    /// There is no such broker, or not under that epoch.
    #[error("broker {id} with epoch {epoch} is not registered")]
    UnknownBroker {
        /// The broker.
        id: i32,
        /// Its epoch.
        epoch: i64,
    },
    /// A registration with an epoch that is not above the one before.
    #[error("broker {id} registers with epoch {epoch}, which is not above {had}")]
    BrokerEpochBack {
        /// The broker.
        id: i32,
        /// The new epoch.
        epoch: i64,
        /// The epoch before.
        had: i64,
    },
    /// There is no such topic.
    #[error("topic {id} is not known")]
    UnknownTopic {
        /// The topic.
        id: Uuid,
    },
    /// There is no topic of that name.
    #[error("topic {name:?} is not known")]
    UnknownTopicName {
        /// The name.
        name: String,
    },
    /// The topic is there already.
    #[error("topic {name:?} ({id}) is there already")]
    DuplicateTopic {
        /// The id.
        id: Uuid,
        /// The name.
        name: String,
    },
    /// There is no such partition.
    #[error("partition {partition} of topic {topic_id} is not known")]
    UnknownPartition {
        /// The topic.
        topic_id: Uuid,
        /// The partition.
        partition: i32,
    },
    /// The partition is there already.
    #[error("partition {partition} of topic {topic_id} is there already")]
    DuplicatePartition {
        /// The topic.
        topic_id: Uuid,
        /// The partition.
        partition: i32,
    },
    /// Producer ids would be handed out twice.
    #[error("the next producer id {next} is below {had}")]
    ProducerIdsBack {
        /// The id in the record.
        next: i64,
        /// The next id before.
        had: i64,
    },
    /// A second, different cluster id.
    #[error("the cluster id changes to {to:?}")]
    ClusterIdChanged {
        /// The id in the record.
        to: String,
    },
}

/// The id in `bytes`.
pub(super) fn uuid(bytes: &[u8]) -> Result<Uuid, ApplyError> {
    Uuid::from_slice(bytes).map_err(|_| ApplyError::BadId { len: bytes.len() })
}
