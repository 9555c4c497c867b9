//! Keys of log directories and of work on all logs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::key::{Check, Class, Key, Kind, cluster_wide, fixed, per_broker};
use super::problems::Problems;
use super::values::Values;

const COMPACTION: &str = "logs are not compacted yet";

/// All of them.
#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    fixed("log.dir", Kind::List, Some("/tmp/kafka-logs"), Check::Any, Class::Honoured),
    fixed("log.dirs", Kind::List, None, Check::Any, Class::Honoured),
    cluster_wide("num.recovery.threads.per.data.dir", Kind::Int, Some("2"), Check::AtLeast(1), Class::Honoured),
    fixed("log.retention.check.interval.ms", Kind::Long, Some("300000"), Check::AtLeast(1), Class::Honoured),
    fixed("log.flush.offset.checkpoint.interval.ms", Kind::Int, Some("60000"), Check::AtLeast(0), Class::Honoured),
    fixed("log.flush.start.offset.checkpoint.interval.ms", Kind::Int, Some("60000"), Check::AtLeast(0), Class::NoEffect { why: "log start offsets are written together with the recovery points (log.flush.offset.checkpoint.interval.ms)" }),
    fixed("log.dir.failure.timeout.ms", Kind::Long, Some("30000"), Check::AtLeast(1), Class::NoEffect { why: "a broker whose log directory fails does not wait" }),
    fixed("log.initial.task.delay.ms", Kind::Long, Some("30000"), Check::AtLeast(0), Class::NoEffect { why: "the first check of retention comes after log.retention.check.interval.ms" }),
    cluster_wide("log.cleaner.backoff.ms", Kind::Long, Some("15000"), Check::AtLeast(0), Class::NoEffect { why: COMPACTION }),
    cluster_wide("log.cleaner.dedupe.buffer.size", Kind::Long, Some("134217728"), Check::Any, Class::NoEffect { why: COMPACTION }),
    fixed("log.cleaner.enable", Kind::Boolean, Some("true"), Check::Any, Class::NoEffect { why: COMPACTION }),
    cluster_wide("log.cleaner.io.buffer.load.factor", Kind::Double, Some("0.9"), Check::Any, Class::NoEffect { why: COMPACTION }),
    cluster_wide("log.cleaner.io.buffer.size", Kind::Int, Some("524288"), Check::AtLeast(0), Class::NoEffect { why: COMPACTION }),
    cluster_wide("log.cleaner.io.max.bytes.per.second", Kind::Double, Some("1.7976931348623157E308"), Check::Any, Class::NoEffect { why: COMPACTION }),
    cluster_wide("log.cleaner.threads", Kind::Int, Some("1"), Check::AtLeast(0), Class::NoEffect { why: COMPACTION }),
    per_broker("cordoned.log.dirs", Kind::List, Some(""), Check::Any, Class::NotYet { what: "cordoning a log directory is" }),
    fixed("num.replica.alter.log.dirs.threads", Kind::Int, None, Check::Any, Class::NoEffect { why: "replicas move between log directories four at a time, read and synced by the threads of the disks" }),
];

/// Log directories and work on all logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// `log.dirs`, else `log.dir`.
    pub dirs: Vec<PathBuf>,
    /// `metadata.log.dir`, else the first of `dirs`.
    pub metadata_dir: PathBuf,
    /// `num.recovery.threads.per.data.dir`.
    pub recovery_threads_per_dir: usize,
    /// `log.retention.check.interval.ms`.
    pub retention_check_interval: Duration,
    /// `log.flush.offset.checkpoint.interval.ms`.
    pub recovery_checkpoint_interval: Duration,
}

impl LogSettings {
    pub(super) fn read(values: &Values, problems: &mut Problems) -> Self {
        let key = if values.text("log.dirs").is_some() { "log.dirs" } else { "log.dir" };
        let dirs: Vec<PathBuf> = values.list(key).into_iter().map(PathBuf::from).collect();
        if dirs.is_empty() {
            problems.errors.push(values.problem(key, "must name at least one folder"));
        }
        let same: Vec<PathBuf> = dirs.iter().map(|dir| canonical(dir)).collect();
        for (at, dir) in same.iter().enumerate() {
            for (earlier, other) in same[..at].iter().enumerate() {
                let (dir_as_written, other_as_written) = (dirs[at].display(), dirs[earlier].display());
                if dir == other {
                    let what = format!("{dir_as_written} and {other_as_written} are the same folder: name it once");
                    problems.errors.push(values.problem(key, what));
                } else if dir.starts_with(other) || other.starts_with(dir) {
                    let what =
                        format!("{dir_as_written} and {other_as_written} are one inside the other: separate them");
                    problems.errors.push(values.problem(key, what));
                }
            }
        }
        let dirs: Vec<PathBuf> = dirs.iter().map(|dir| absolute(dir)).collect();
        let first = dirs.first().cloned().unwrap_or_default();
        Self {
            metadata_dir: values.text("metadata.log.dir").map_or(first, |dir| absolute(Path::new(dir))),
            dirs,
            recovery_threads_per_dir: values.size("num.recovery.threads.per.data.dir"),
            retention_check_interval: Duration::from_millis(values.unsigned("log.retention.check.interval.ms")),
            recovery_checkpoint_interval: Duration::from_millis(
                values.unsigned("log.flush.offset.checkpoint.interval.ms"),
            ),
        }
    }
}

/// One name for each folder: links followed where it exists, else the path without `.` and trailing slashes.
fn canonical(dir: &Path) -> PathBuf {
    std::fs::canonicalize(dir).unwrap_or_else(|_| absolute(dir)).components().collect()
}

/// From the root, as Kafka shows them; links are not followed.
fn absolute(dir: &Path) -> PathBuf {
    std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned())
}
