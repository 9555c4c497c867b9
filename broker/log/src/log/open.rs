//! Opening: nothing but the ends of files after a clean stop, every batch behind the recovery point after a crash.

use std::path::PathBuf;
use std::sync::Arc;

use super::folder::{Folder, tidy};
use super::recovery::{EpochsSeen, Recovery, remove_segment};
use super::{Log, OpenState, Recovered};
use crate::config::LogConfig;
use crate::disk::Disk;
use crate::epoch::EpochCache;
use crate::error::LogError;
use crate::meta::PartitionMetadata;
use crate::names;
use crate::segment::{Place, Segment, Tally};

impl Log {
    /// Opens the log in `dir`, or starts an empty one there when the folder does not exist.
    ///
    /// # Errors
    /// Only errors of the disk: damage is repaired and told in [`Recovered`].
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        config: LogConfig,
        opened: OpenState,
        wall_ms: i64,
    ) -> Result<(Log, Recovered), LogError> {
        Log::open_reporting(disk, dir, config, opened, wall_ms, &mut |_| {})
    }

    /// As [`Log::open`], telling `progress` after each segment how many bytes it read of it.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn open_reporting(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        config: LogConfig,
        opened: OpenState,
        wall_ms: i64,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(Log, Recovered), LogError> {
        let is_new = !disk.exists(&dir);
        if is_new {
            disk.create_dir_all(&dir).map_err(LogError::io("create", &dir))?;
        }
        let mut recovered = Recovered::default();
        let folder = tidy(disk.as_ref(), &dir, &mut recovered.notes)?;
        let mut recovery = Recovery {
            at: Place { disk: &disk, dir: &dir, index_interval: config.index_interval_bytes },
            compact: config.compact,
            opened,
            wall_ms,
            tally: Tally::default(),
            segments: Vec::new(),
            log_end: 0,
            epochs: EpochsSeen::default(),
            out: &mut recovered,
        };
        recovery.segments(&folder.segments, progress)?;
        let (mut segments, mut log_end) = (recovery.segments, recovery.log_end);
        let (tally, seen) = (recovery.tally, recovery.epochs);
        recovered.bytes_read += tally.bytes_read;
        recovered.batches += tally.batches;

        let first = segments.first().map_or(0, |segment| segment.base);
        let log_start = opened.log_start.max(first).max(0);
        let mut names = u64::from(!opened.clean_shutdown || is_new);
        if segments.is_empty() || log_end < log_start {
            if log_end < log_start && !segments.is_empty() {
                recovered.notes.push(format!("the log ended at {log_end}, below its start {log_start}: emptied"));
            }
            for segment in segments.drain(..) {
                recovered.truncated_bytes += segment.len;
                remove_segment(disk.as_ref(), &dir, segment.base)?;
            }
            let mut segment = Segment::empty(log_start, wall_ms);
            if log_start > 0 {
                let at = Place { disk: &disk, dir: &dir, index_interval: config.index_interval_bytes };
                segment.open_file(at, true)?;
                segment.has_file = true;
                names += 1;
            }
            segments.push(segment);
            log_end = log_start;
        }

        if !opened.clean_shutdown && log_end < opened.recovery_point {
            recovered.notes.push(format!(
                "the log ends at {log_end}, below its recovery point {}: synced records are missing",
                opened.recovery_point
            ));
        }
        let mut log = Log::assemble(disk, dir, config, segments, log_start, log_end);
        log.recovery_point = if opened.clean_shutdown { log_end } else { opened.recovery_point.clamp(0, log_end) };
        log.maybe_synced = log_end;
        log.names = names;
        log.parent_unsynced = is_new || !opened.clean_shutdown;
        // After a crash whatever is in the files may be there for this process only.
        log.changed = !recovered.notes.is_empty() || (!opened.clean_shutdown && !folder.segments.is_empty());
        log.open_epochs(&folder, seen, opened.clean_shutdown, &mut recovered)?;
        log.open_topic_id(&folder, &mut recovered);
        log.topic_id_unsynced = !opened.clean_shutdown && log.topic_id.is_some();
        log.snapshots = folder.snapshots;
        if !opened.clean_shutdown {
            // Behind the recovery point a snapshot may be of what was cut off since.
            let beyond: Vec<i64> = log.snapshots.iter().copied().filter(|at| *at > log.recovery_point).collect();
            for at in beyond {
                log.remove_snapshot(at);
            }
        }
        log.load_producers(wall_ms, &mut recovered)?;
        for note in &recovered.notes {
            tracing::warn!(dir = %log.dir.display(), "{note}");
        }
        Ok((log, recovered))
    }

    fn open_epochs(
        &mut self,
        folder: &Folder,
        seen: EpochsSeen,
        clean: bool,
        recovered: &mut Recovered,
    ) -> Result<(), LogError> {
        let path = self.dir.join(names::EPOCHS);
        let loaded = if folder.has_epochs {
            match EpochCache::read(self.disk.as_ref(), &path) {
                Ok(epochs) => Some(epochs),
                Err(LogError::Damaged { reason, .. }) => {
                    recovered.notes.push(format!("{} is damaged ({reason}): made again", names::EPOCHS));
                    None
                }
                Err(e) => return Err(e),
            }
        } else if self.log_end > self.segments[0].base {
            None
        } else {
            Some(EpochCache::default())
        };
        let missing = loaded.is_none();
        let mut epochs = loaded.unwrap_or_default();
        let before = epochs.clone();
        let covered = seen.from.is_some_and(|from| from <= self.segments[0].base);
        if missing && !covered {
            self.walk_all(self.segments[0].base, &mut recovered.notes, |_, _, header| {
                if epochs.latest().is_none_or(|latest| header.partition_leader_epoch > latest) {
                    epochs.assign(header.partition_leader_epoch, header.base_offset);
                }
            })?;
        } else if let Some(from) = seen.from {
            // Behind the recovery point the file may be older than the batches.
            epochs.truncate_end(from);
            for &(epoch, start) in &seen.starts {
                if epochs.latest().is_none_or(|latest| epoch > latest) {
                    epochs.assign(epoch, start);
                }
            }
        }
        epochs.truncate_end(self.log_end);
        epochs.truncate_start(self.log_start);
        if epochs != before || missing && !epochs.entries().is_empty() || !clean {
            self.epochs_version += 1;
        }
        if epochs.entries().is_empty() && !folder.has_epochs {
            self.epochs_written = self.epochs_version;
        }
        self.epochs = epochs;
        Ok(())
    }

    fn open_topic_id(&mut self, folder: &Folder, recovered: &mut Recovered) {
        if !folder.has_metadata {
            return;
        }
        match PartitionMetadata::read(self.disk.as_ref(), &self.dir) {
            Ok(metadata) => self.topic_id = metadata.map(|m| m.topic_id),
            Err(e) => recovered.notes.push(format!("{e}: it will be written again")),
        }
    }
}
