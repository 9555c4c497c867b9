//! Log directories that take no records, and logs that failed: what is in them is given up for others to write.

use std::collections::BTreeSet;

use odradek_core::log_dir::{LogDirRoom, RoomChange};
use odradek_core::metadata::rpc::{OfflineReplicasRequest, PartitionOf};
use odradek_core::time::Now;

use super::BrokerNode;
use super::calls::Pending;
use super::partition::{Partition, Role};
use crate::event::{Command, LogKey};

/// Between two looks at the free bytes, in milliseconds.
const LOOK_MS: u64 = 1_000;
/// Partitions that are given up in one request.
const MOST: usize = 2_000;
/// Between two such requests, in milliseconds.
const NEXT_MS: u64 = 100;
/// For how long the controller's answer is waited for, in milliseconds.
const TIMEOUT_MS: u64 = 2_000;

/// What is known of the room in the log directories.
#[derive(Debug)]
pub(super) struct Rooms {
    dirs: Vec<LogDirRoom>,
    /// Partitions whose log takes no more writes in this life of the process.
    failed: BTreeSet<LogKey>,
    in_flight: bool,
    look_ms: u64,
    give_up_ms: u64,
}

impl Rooms {
    pub fn new(dirs: usize, reserve_bytes: u64, now: Now) -> Rooms {
        Rooms {
            dirs: vec![LogDirRoom::new(reserve_bytes); dirs],
            failed: BTreeSet::new(),
            in_flight: false,
            look_ms: now.mono_ms,
            give_up_ms: 0,
        }
    }

    /// Whether records may be written to a directory.
    pub fn is_open(&self, dir: usize) -> bool {
        self.dirs.get(dir).is_some_and(LogDirRoom::is_open)
    }

    /// Directories that take no records.
    pub fn closed(&self) -> usize {
        self.dirs.iter().filter(|dir| !dir.is_open()).count()
    }

    /// Whether some hosted partition may be one that cannot be written.
    fn is_all_well(&self) -> bool {
        self.failed.is_empty() && self.dirs.iter().all(LogDirRoom::is_open)
    }

    pub fn next_deadline(&self) -> u64 {
        if self.in_flight || self.is_all_well() { self.look_ms } else { self.look_ms.min(self.give_up_ms) }
    }
}

impl BrokerNode {
    /// Whether records can be written to a hosted partition.
    pub(super) fn takes_records(&self, partition: &Partition) -> bool {
        self.rooms.is_open(partition.dir) && partition.log.failure().is_none()
    }

    /// Measures the directories when it is time, and gives up what cannot be written.
    pub(super) fn look_at_rooms(&mut self, now: Now, out: &mut Vec<Command>) {
        if now.mono_ms >= self.rooms.look_ms {
            self.rooms.look_ms = now.mono_ms + LOOK_MS;
            for dir in 0..self.config.log_dirs.len() {
                let change = match self.disk.free_bytes(&self.config.log_dirs[dir].path) {
                    Ok(free) => self.rooms.dirs[dir].measured(now.mono_ms, free),
                    Err(error) => {
                        tracing::debug!(dir = %self.config.log_dirs[dir].path.display(), %error, "free bytes");
                        self.rooms.dirs[dir].refused(now.mono_ms)
                    }
                };
                self.room_changed(now, dir, change);
            }
        }
        self.give_up(now, out);
    }

    /// A write to a partition was refused by the disk. Told once, and not for each batch that is refused meanwhile.
    pub(super) fn write_refused(&mut self, now: Now, key: LogKey, error: &dyn std::fmt::Display) {
        let Some(partition) = self.partitions.get(&key) else { return };
        let (dir, topic) = (partition.dir, partition.topic.clone());
        let failed = partition.log.failure().is_some() && self.log_failed(now, key);
        let change = self.rooms.dirs[dir].refused(now.mono_ms);
        if failed || change.is_some() {
            tracing::error!(%topic, partition = key.partition, %error, "append");
        }
        self.room_changed(now, dir, change);
    }

    /// A log takes no more writes. Whether that is news.
    pub(super) fn log_failed(&mut self, now: Now, key: LogKey) -> bool {
        let news = self.rooms.failed.insert(key);
        if news {
            self.rooms.give_up_ms = now.mono_ms;
        }
        news
    }

    fn room_changed(&mut self, now: Now, dir: usize, change: Option<RoomChange>) {
        let Some(change) = change else { return };
        let path = self.config.log_dirs[dir].path.display().to_string();
        let free = self.disk.free_bytes(&self.config.log_dirs[dir].path).unwrap_or(0);
        let reserve = self.config.log_dir_reserve_bytes;
        match change {
            RoomChange::Closed => {
                tracing::error!(
                    dir = path,
                    free,
                    reserve,
                    "the log directory takes no records until there is room: free some space or lower retention; its \
                     partitions are given up to other brokers"
                );
                self.rooms.give_up_ms = now.mono_ms;
            }
            RoomChange::Opened => tracing::info!(dir = path, free, "the log directory takes records again"),
        }
        let followed: Vec<(LogKey, i32)> = self
            .partitions
            .iter()
            .filter(|(_, partition)| partition.dir == dir)
            .filter_map(|(key, partition)| match &partition.role {
                Role::Follower { leader: Some(leader), .. } => Some((*key, *leader)),
                _ => None,
            })
            .collect();
        for (key, leader) in followed {
            match change {
                // Asked for no more with the next fetch, so that it does not count as caught up.
                RoomChange::Closed => self.refetch(key),
                RoomChange::Opened => {
                    self.unfollow(key);
                    self.follow_partition(key, leader);
                }
            }
        }
    }

    /// Tells the controller of partitions that cannot be written and that somebody waits for.
    fn give_up(&mut self, now: Now, out: &mut Vec<Command>) {
        if self.rooms.in_flight || self.rooms.is_all_well() || now.mono_ms < self.rooms.give_up_ms {
            return;
        }
        self.rooms.give_up_ms = now.mono_ms + LOOK_MS;
        let Some(broker_epoch) = self.lifecycle.broker_epoch() else { return };
        let me = self.config.node_id;
        let waited_for = |key: &LogKey| {
            let state = self.image.partition(key.topic_id, key.partition);
            state.is_some_and(|state| state.isr.len() > 1 && state.isr.contains(&me))
        };
        let partitions: Vec<PartitionOf> = self
            .partitions
            .iter()
            .filter(|(key, partition)| !self.takes_records(partition) && waited_for(key))
            .take(MOST)
            .map(|(key, _)| PartitionOf { topic_id: key.topic_id.as_bytes().to_vec(), partition: key.partition })
            .collect();
        if partitions.is_empty() {
            return;
        }
        self.rooms.in_flight = true;
        let request = OfflineReplicasRequest { broker_id: me, broker_epoch, partitions };
        self.call_controller(now, request.into(), TIMEOUT_MS, Pending::OfflineReplicas, out);
    }

    /// The controller answered, or did not: what is left is in the metadata.
    pub(super) fn given_up(&mut self, now: Now) {
        self.rooms.in_flight = false;
        self.rooms.give_up_ms = now.mono_ms + NEXT_MS;
    }
}
