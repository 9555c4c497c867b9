//! Segments at opening: trusted, or read batch by batch.

use std::collections::BTreeMap;
use std::path::Path;

use odradek_probe::{Mutation, mutated, reached};
use odradek_wire::batch::BatchHeader;

use super::{OpenState, Recovered};
use crate::disk::{Disk, DiskFile};
use crate::error::LogError;
use crate::names::{self, Kind};
use crate::segment::{Checked, Files, Place, Segment, Tally, Visitor};

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
pub(super) struct EpochsSeen {
    /// Offset of the first batch that was verified; none when none was.
    pub(super) from: Option<i64>,
    pub(super) starts: Vec<(i32, i64)>,
    latest: i32,
}

impl Visitor for EpochsSeen {
    fn wants_checksums(&self) -> bool {
        !mutated(Mutation::TornLogWithoutCrc)
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

/// Brings the segments up, one after the other.
pub(super) struct Recovery<'a> {
    pub(super) at: Place<'a>,
    pub(super) compact: bool,
    pub(super) opened: OpenState,
    pub(super) wall_ms: i64,
    pub(super) tally: Tally,
    pub(super) segments: Vec<Segment>,
    pub(super) log_end: i64,
    pub(super) epochs: EpochsSeen,
    pub(super) out: &'a mut Recovered,
}

impl Recovery<'_> {
    pub(super) fn segments(
        &mut self,
        files: &BTreeMap<i64, Files>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), LogError> {
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
            let (mut segment, sane) = Segment::load(self.at, base, lengths, next, self.wall_ms, &mut self.tally)?;
            if !self.opened.clean_shutdown {
                segment.offsets.touch();
                segment.times.touch();
            }
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
    fn cut(&mut self, segment: &mut Segment, file: &dyn DiskFile, checked: Checked) -> Result<i64, LogError> {
        let Some((position, reason)) = checked.broken else { return Ok(checked.end) };
        reached("torn log cut at its recovery");
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
