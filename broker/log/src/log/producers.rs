//! The producers' snapshots: written when a segment or the log is closed, read when it is opened or cut.

use bytes::Bytes;

use super::{Log, Recovered};
use crate::disk::{OpenMode, read_exact_at, read_file};
use crate::error::LogError;
use crate::names::{self, Kind};
use crate::producer::{Producers, marker_epoch};

impl Log {
    /// Writes a snapshot of the producers at the log end. A failure only makes the next open read more.
    pub(super) fn write_snapshot(&mut self) {
        let offset = self.log_end;
        let path = names::file(&self.dir, offset, Kind::Snapshot);
        let tmp = names::with_suffix(&path, ".tmp");
        // A new file each time: after a power loss the name leads to this content or to a torn one, which shows by its
        // checksum, never to one of an earlier history.
        let written = self.disk.open(&tmp, OpenMode::Create).and_then(|file| {
            file.truncate(0)?;
            file.write_at(&self.producers.to_snapshot(), 0)?;
            self.disk.rename(&tmp, &path)
        });
        match written {
            Ok(()) => {
                self.snapshots.insert(offset);
                self.names += 1;
                self.prune_snapshots();
            }
            Err(e) => {
                tracing::warn!(path = %path.display(), error = %e, "snapshot of producers could not be written");
                // A full disk: leave no half of it; what cannot be removed goes at the next open.
                let _ = self.disk.remove_file(&tmp);
            }
        }
    }

    /// Keeps the latest snapshot and those where a segment begins.
    pub(super) fn prune_snapshots(&mut self) {
        let Some(&latest) = self.snapshots.last() else { return };
        let bases: Vec<i64> = self.segments.iter().map(|segment| segment.base).collect();
        let old: Vec<i64> =
            self.snapshots.iter().copied().filter(|at| *at != latest && bases.binary_search(at).is_err()).collect();
        for at in old {
            self.remove_snapshot(at);
        }
    }

    pub(super) fn remove_snapshot(&mut self, at: i64) {
        let path = names::file(&self.dir, at, Kind::Snapshot);
        self.snapshots.remove(&at);
        self.names += 1;
        if let Err(e) = self.disk.remove_file(&path)
            && e.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), error = %e, "snapshot of producers could not be removed");
        }
    }

    /// Builds the producers from the latest good snapshot at or below the log end, and the batches behind it.
    pub(super) fn load_producers(&mut self, wall_ms: i64, recovered: &mut Recovered) -> Result<(), LogError> {
        self.producers.clear();
        while let Some(&beyond) = self.snapshots.last()
            && beyond > self.log_end
        {
            self.remove_snapshot(beyond);
        }
        let mut from = self.segments[0].base;
        while let Some(&at) = self.snapshots.last() {
            let path = names::file(&self.dir, at, Kind::Snapshot);
            let bytes = read_file(self.disk.as_ref(), &path).map_err(LogError::io("read", &path))?;
            recovered.bytes_read += bytes.len() as u64;
            match Producers::from_snapshot(&bytes) {
                Ok(producers) => {
                    self.producers = producers;
                    self.producers.expire(wall_ms, self.config.producer_id_expiration_ms);
                    from = at.max(from);
                    break;
                }
                Err(reason) => {
                    recovered.notes.push(format!("{} is damaged ({reason}): removed", path.display()));
                    self.remove_snapshot(at);
                }
            }
        }
        self.replay_producers(from, &mut recovered.notes)
    }

    fn replay_producers(&mut self, from: i64, notes: &mut Vec<String>) -> Result<(), LogError> {
        let mut producers = std::mem::take(&mut self.producers);
        let replayed = self.walk_all(from, notes, |file, position, header| {
            let mut epoch = None;
            if header.is_control() && header.has_producer_id() {
                let mut batch = vec![0; header.size()];
                if read_exact_at(file, &mut batch, position).is_ok() {
                    epoch = marker_epoch(&Bytes::from(batch));
                }
            }
            producers.replay(header, epoch);
        });
        self.producers = producers;
        // Opening does not keep files open: a broker has many logs and few that are busy.
        self.forget_files();
        replayed
    }
}
