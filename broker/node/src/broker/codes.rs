//! Kafka's error codes that the broker's loop answers with.

pub(super) const NONE: i16 = 0;
pub(super) const UNKNOWN_SERVER_ERROR: i16 = -1;
pub(super) const OFFSET_OUT_OF_RANGE: i16 = 1;
pub(super) const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
pub(super) const LEADER_NOT_AVAILABLE: i16 = 5;
pub(super) const NOT_LEADER_OR_FOLLOWER: i16 = 6;
pub(super) const REQUEST_TIMED_OUT: i16 = 7;
pub(super) const COORDINATOR_NOT_AVAILABLE: i16 = 15;
pub(super) const NOT_COORDINATOR: i16 = 16;
pub(super) const INVALID_TOPIC_EXCEPTION: i16 = 17;
pub(super) const NOT_ENOUGH_REPLICAS: i16 = 19;
pub(super) const NOT_ENOUGH_REPLICAS_AFTER_APPEND: i16 = 20;
pub(super) const INVALID_REQUIRED_ACKS: i16 = 21;
pub(super) const UNSUPPORTED_VERSION: i16 = 35;
pub(super) const INVALID_REQUEST: i16 = 42;
pub(super) const KAFKA_STORAGE_ERROR: i16 = 56;
pub(super) const FENCED_LEADER_EPOCH: i16 = 74;
pub(super) const UNKNOWN_LEADER_EPOCH: i16 = 75;
pub(super) const STALE_BROKER_EPOCH: i16 = 77;
pub(super) const LOG_DIR_NOT_FOUND: i16 = 57;
pub(super) const REPLICA_NOT_AVAILABLE: i16 = 9;
pub(super) const INVALID_UPDATE_VERSION: i16 = 95;
pub(super) const UNKNOWN_TOPIC_ID: i16 = 100;
pub(super) const BROKER_ID_NOT_REGISTERED: i16 = 102;
pub(super) const INCONSISTENT_CLUSTER_ID: i16 = 104;
pub(super) const NEW_LEADER_ELECTED: i16 = 108;
