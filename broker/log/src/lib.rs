//! The log on disk: segments, indexes, recovery, retention and producer state over one [`Disk`] trait.
//!
//! A partition is a folder in Apache Kafka's own format. Everything here is called by the one thread that owns the
//! [`Log`]; nothing reads a clock, draws a random number or starts a thread: time and seeds come in as arguments, and
//! what may block for long (fsync, the removal of files) leaves as a job ([`FlushJob`], [`DeleteJob`]).
//!
//! What is not here: decisions about replication (odradek-core), sockets, and compaction. A log with
//! `cleanup.policy=compact` keeps everything for now.

pub mod checkpoint;
pub mod config;
pub mod dirs;
pub mod disk;
pub mod epoch;
pub mod error;
mod index;
pub mod jobs;
pub mod log;
pub mod meta;
mod names;
pub mod producer;
mod scan;
mod segment;

pub use config::{LogConfig, TimestampType};
pub use disk::mem::MemDisk;
pub use disk::real::RealDisk;
pub use disk::{DirEntry, DirLock, Disk, DiskFile, FileRange, OpenMode};
pub use error::{AppendError, LogError, ReadError};
pub use jobs::{DeleteJob, FlushDone, FlushJob};
pub use log::{Appended, Log, OpenState, Origin, ReadResult, Recovered, TimestampOffset};
