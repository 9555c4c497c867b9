//! Opening: nothing but the ends of files after a clean stop, every batch behind the recovery point after a crash.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use odradek_wire::batch::BatchHeader;

use super::folder::{Folder, tidy};
use super::{Log, OpenState, Recovered};
use crate::config::LogConfig;
use crate::disk::Disk;
use crate::epoch::EpochCache;
use crate::error::LogError;
use crate::meta::PartitionMetadata;
use crate::names::{self, Kind};
use crate::segment::{Checked, Files, Place, Segment, Tally, Visitor};

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

/// Removes the files of a segment. The batches go last, so that a crash in between leaves no orphan that matters.
pub(super) fn remove_segment(disk: &dyn Disk, dir: &Path, base: i64) -> Result<(), LogError> {
    for kind in [Kind::Index, Kind::TimeIndex, Kind::TxnIndex, Kind::Log] {
        let path = names::file(dir, base, kind);
        match disk.remove_file(&path) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(LogError::io("remove", path)(e)),
        }
    }
    Ok(())
}

/// Leader epochs of the batches that were verified.
#[derive(Debug, Default)]
struct EpochsSeen {
    /// Offset of the first batch that was verified; none when none was.
    from: Option<i64>,
    starts: Vec<(i32, i64)>,
    latest: i32,
}

impl Visitor for EpochsSeen {
    fn wants_checksums(&self) -> bool {
        true
    }

    fn visit(&mut self, header: &BatchHeader) -> Result<(), String> {
        let epoch = header.partition_leader_epoch;
        let first = self.from.is_none();
        self.from.get_or_insert(header.base_offset);
        if epoch < 0 {
            return Ok(());
        }
        // Of two writes to the same place, before and after a truncation, a power loss may leave the front of the newer
        // and the rest of the older one, whole batches with good checksums.
        if !first && epoch < self.latest {
            return Err(format!("leader epoch {epoch} follows {}: left over from before a truncation", self.latest));
        }
        if first || epoch > self.latest {
            self.starts.push((epoch, header.base_offset));
            self.latest = epoch;
        }
        Ok(())
    }
}

struct Recovery<'a> {
    at: Place<'a>,
    compact: bool,
    opened: OpenState,
    wall_ms: i64,
    tally: Tally,
    segments: Vec<Segment>,
    log_end: i64,
    epochs: EpochsSeen,
    out: &'a mut Recovered,
}

impl Recovery<'_> {
    fn segments(&mut self, files: &BTreeMap<i64, Files>, progress: &mut dyn FnMut(u64)) -> Result<(), LogError> {
        let bases: Vec<i64> = files.keys().copied().collect();
        let recovery_point = self.opened.recovery_point;
        let first_unsafe = bases.partition_point(|&base| base <= recovery_point).saturating_sub(1);
        let mut verified_end = None;
        for (i, (&base, &lengths)) in files.iter().enumerate() {
            let next = bases.get(i + 1).copied();
            let trusted = self.opened.clean_shutdown || i < first_unsafe;
            if let Some(end) = verified_end
                && (base < end || (base > end && !self.compact))
            {
                self.drop_from(files, base, &format!("segment {base} does not continue the log, which ends at {end}"))?;
                break;
            }
            let before = self.tally.bytes_read;
            let (segment, sane) = Segment::load(self.at, base, lengths, next, self.wall_ms, &mut self.tally)?;
            // Flushing never goes on beyond a segment whose indexes are not safe.
            let doubt = !self.opened.clean_shutdown && i + 1 == first_unsafe && next == Some(recovery_point);
            let whole = if trusted {
                self.trust(segment, sane, doubt, next)?
            } else {
                self.verify(segment, next, &mut verified_end)?
            };
            progress(self.tally.bytes_read - before);
            if !whole
                && let Some(next) = next
                && !trusted
            {
                self.drop_from(files, next, "what follows the damage goes too")?;
                break;
            }
        }
        Ok(())
    }

    /// A segment that was synced or closed: nothing is read of it but, in the last one, what is behind the last index
    /// entry. False when it turned out to be damaged.
    /// In `doubt` the indexes are made again: those of a segment that was closed just before a crash may not have been
    /// synced with it.
    fn trust(
        &mut self,
        mut segment: Segment,
        mut sane: bool,
        doubt: bool,
        next: Option<i64>,
    ) -> Result<bool, LogError> {
        if doubt {
            segment.reset_indexes(self.at)?;
            sane = false;
        } else if !sane && (next.is_some() || segment.len > self.at.index_interval) {
            self.out.notes.push(format!("the indexes of segment {} were missing or damaged: made again", segment.base));
        }
        let mut end = next.unwrap_or(segment.base);
        let mut whole = true;
        if (next.is_none() || !sane) && segment.len > 0 {
            let file = segment.open_file(self.at, true)?;
            let checked = segment.rescan_tail(self.at, file.as_ref(), &mut self.tally)?;
            end = checked.end;
            match checked.broken {
                None => {}
                // Not as it was closed. Records behind the damage may still be whole, and nothing is appended here.
                Some((position, reason)) if next.is_some() => {
                    self.out.notes.push(format!("segment {} is damaged at byte {position}: {reason}", segment.base));
                    segment.damaged = true;
                    end = next.unwrap_or(end);
                }
                Some(_) => {
                    let base = segment.base;
                    let mut seen = EpochsSeen::default();
                    let checked = segment.verify(self.at, file.as_ref(), base, &mut self.tally, &mut seen)?;
                    whole = checked.broken.is_none();
                    end = self.cut(&mut segment, file.as_ref(), checked)?;
                }
            }
            if next.is_some() {
                self.finish_indexes(&mut segment)?;
            }
        }
        self.log_end = end;
        self.segments.push(segment);
        Ok(whole)
    }

    /// A segment that a crash may have torn: every batch behind the recovery point is read.
    fn verify(
        &mut self,
        mut segment: Segment,
        next: Option<i64>,
        verified_end: &mut Option<i64>,
    ) -> Result<bool, LogError> {
        let file = segment.open_file(self.at, true)?;
        let from = self.opened.recovery_point.max(segment.base);
        let checked = segment.verify(self.at, file.as_ref(), from, &mut self.tally, &mut self.epochs)?;
        let whole = checked.broken.is_none();
        let end = self.cut(&mut segment, file.as_ref(), checked)?;
        if whole && next.is_some() {
            self.finish_indexes(&mut segment)?;
        }
        *verified_end = Some(end);
        self.log_end = end;
        self.segments.push(segment);
        Ok(whole)
    }

    /// The indexes of a segment that is not the active one are whole on disk, and take no memory.
    fn finish_indexes(&mut self, segment: &mut Segment) -> Result<(), LogError> {
        segment.note_time();
        segment.write_indexes(self.at)?;
        segment.offsets.release();
        segment.times.release();
        Ok(())
    }

    /// Cuts a segment at the damage, if there is any, so that it cannot come back.
    fn cut(
        &mut self,
        segment: &mut Segment,
        file: &dyn crate::disk::DiskFile,
        checked: Checked,
    ) -> Result<i64, LogError> {
        let Some((position, reason)) = checked.broken else { return Ok(checked.end) };
        let lost = segment.len - position;
        self.out.truncated_bytes += lost;
        self.out.notes.push(format!(
            "segment {} is cut at byte {position} ({lost} bytes, from offset {} on): {reason}",
            segment.base, checked.end
        ));
        let end = segment.cut(self.at, file, position, checked.end)?;
        file.sync().map_err(LogError::io("sync", segment.path(self.at.dir, Kind::Log)))?;
        Ok(end)
    }

    fn drop_from(&mut self, files: &BTreeMap<i64, Files>, from: i64, why: &str) -> Result<(), LogError> {
        for (&base, lengths) in files.range(from..).rev() {
            self.out.truncated_bytes += lengths.log;
            self.out.notes.push(format!("segment {base} ({} bytes) is removed: {why}", lengths.log));
            remove_segment(self.at.disk.as_ref(), self.at.dir, base)?;
        }
        self.at.disk.sync_dir(self.at.dir).map_err(LogError::io("sync", self.at.dir))
    }
}
