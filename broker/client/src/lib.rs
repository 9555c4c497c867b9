//! An async Kafka client for admin and internal calls.
