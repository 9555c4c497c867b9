//! Keys of transactions and of idempotent producers.

use super::key::{Check, Class, Key, Kind, cluster_wide, fixed};

const TRANSACTIONS: &str = "transactions are not served yet";

/// All of them.
#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    fixed("add.partitions.to.txn.retry.backoff.max.ms", Kind::Int, Some("100"), Check::AtLeast(0), Class::NoEffect { why: TRANSACTIONS }),
    fixed("add.partitions.to.txn.retry.backoff.ms", Kind::Int, Some("20"), Check::AtLeast(1), Class::NoEffect { why: TRANSACTIONS }),
    fixed("producer.id.expiration.check.interval.ms", Kind::Int, Some("600000"), Check::AtLeast(1), Class::NoEffect { why: "producers are looked at when a log is written to or read" }),
    // Read by the node from what was set.
    cluster_wide("producer.id.expiration.ms", Kind::Int, Some("86400000"), Check::AtLeast(1), Class::Honoured),
    fixed("transaction.abort.timed.out.transaction.cleanup.interval.ms", Kind::Int, Some("10000"), Check::AtLeast(1), Class::NoEffect { why: TRANSACTIONS }),
    fixed("transaction.max.timeout.ms", Kind::Int, Some("900000"), Check::AtLeast(1), Class::NoEffect { why: TRANSACTIONS }),
    cluster_wide("transaction.partition.verification.enable", Kind::Boolean, Some("true"), Check::Any, Class::NoEffect { why: TRANSACTIONS }),
    fixed("transaction.remove.expired.transaction.cleanup.interval.ms", Kind::Int, Some("3600000"), Check::AtLeast(1), Class::NoEffect { why: TRANSACTIONS }),
    fixed("transaction.state.log.load.buffer.size", Kind::Int, Some("5242880"), Check::AtLeast(1), Class::NoEffect { why: TRANSACTIONS }),
    fixed("transaction.state.log.min.isr", Kind::Int, Some("2"), Check::AtLeast(1), Class::NoEffect { why: TRANSACTIONS }),
    fixed("transaction.state.log.num.partitions", Kind::Int, Some("50"), Check::AtLeast(1), Class::NoEffect { why: TRANSACTIONS }),
    fixed("transaction.state.log.replication.factor", Kind::Short, Some("3"), Check::AtLeast(1), Class::NoEffect { why: TRANSACTIONS }),
    fixed("transaction.state.log.segment.bytes", Kind::Int, Some("104857600"), Check::AtLeast(1), Class::NoEffect { why: TRANSACTIONS }),
    fixed("transaction.two.phase.commit.enable", Kind::Boolean, Some("false"), Check::Any, Class::NotYet { what: "two-phase commit (KIP-939) is" }),
    fixed("transactional.id.expiration.ms", Kind::Int, Some("604800000"), Check::AtLeast(1), Class::NoEffect { why: TRANSACTIONS }),
];
