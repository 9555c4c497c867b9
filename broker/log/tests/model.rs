//! Random histories of one log against a simple model, a list of batches.
//!
//! After each step the log reads as the model; after a power loss it is a prefix of it that has at least what was
//! flushed, and the model is cut to it.

mod common;

use std::path::Path;

use common::*;
use odradek_log::{Disk, Log, LogConfig, MemDisk, OpenState};
use odradek_wire::batch::{BatchBuilder, RecordBatches};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    /// Batches of so many records with values of so many bytes, in one append.
    Append(Vec<(u8, u16)>),
    /// The same, by an idempotent producer.
    Produce(u8),
    /// As a follower: batches with offsets of their own.
    Replicate(Vec<(u8, u16)>),
    Flush,
    /// A flush that is asked for now, and answered after the next step.
    FlushLater,
    /// To this part (of 256) of the log.
    Truncate(u8),
    AdvanceStart(u8),
    Retain(u8),
    NewEpoch,
    /// With the log's own syncs, or one of the whole disk.
    CloseAndOpen(bool),
    Kill,
    PowerLoss(Option<u64>),
    DiskFullAppend(u16),
    TruncateFully(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let batches = || prop::collection::vec((1..4_u8, 0..600_u16), 1..4);
    prop_oneof![
        10 => batches().prop_map(Step::Append),
        4 => (0..3_u8).prop_map(Step::Produce),
        3 => batches().prop_map(Step::Replicate),
        3 => Just(Step::Flush),
        2 => Just(Step::FlushLater),
        2 => any::<u8>().prop_map(Step::Truncate),
        1 => any::<u8>().prop_map(Step::AdvanceStart),
        1 => any::<u8>().prop_map(Step::Retain),
        2 => Just(Step::NewEpoch),
        1 => any::<bool>().prop_map(Step::CloseAndOpen),
        1 => Just(Step::Kill),
        2 => any::<Option<u64>>().prop_map(Step::PowerLoss),
        1 => (0..1500_u16).prop_map(Step::DiskFullAppend),
        1 => any::<u8>().prop_map(Step::TruncateFully),
    ]
}

/// One batch: base offset, epoch, and its records.
#[derive(Debug, Clone, PartialEq)]
struct Batch {
    epoch: i32,
    records: Vec<Seen>,
}

struct World {
    disk: MemDisk,
    log: Log,
    config: LogConfig,
    batches: Vec<Batch>,
    start: i64,
    end: i64,
    /// As in the checkpoint files.
    recovery_point: i64,
    start_checkpoint: i64,
    epoch: i32,
    counter: u64,
    sequences: [i32; 3],
    pending: Option<odradek_log::FlushJob>,
}

impl World {
    fn new(config: LogConfig) -> World {
        let disk = MemDisk::new();
        let log = fresh(&disk, config.clone());
        World {
            disk,
            log,
            config,
            batches: Vec::new(),
            start: 0,
            end: 0,
            recovery_point: 0,
            start_checkpoint: 0,
            epoch: 1,
            counter: 0,
            sequences: [0; 3],
            pending: None,
        }
    }

    /// Batches of fresh content from `base` on; their records for the model.
    fn make(&mut self, sizes: &[(u8, u16)], base: i64, epoch: i32) -> (RecordBatches, Vec<Batch>) {
        let mut bytes = Vec::new();
        let mut model = Vec::new();
        let mut offset = base;
        for &(count, size) in sizes {
            let mut builder = BatchBuilder::new(offset).leader_epoch(epoch);
            let mut records = Vec::new();
            for _ in 0..count {
                self.counter += 1;
                let mut value = self.counter.to_be_bytes().to_vec();
                value.resize(8 + usize::from(size), self.counter as u8);
                let timestamp = 1000 + (self.counter * 7919 % 500) as i64;
                builder.append(timestamp, None, Some(&value), &[]);
                records.push((offset, timestamp, value));
                offset += 1;
            }
            bytes.extend_from_slice(&builder.build().unwrap());
            model.push(Batch { epoch, records });
        }
        (set(bytes.into()), model)
    }

    fn took(&mut self, batches: Vec<Batch>) {
        for batch in batches {
            self.end = batch.records.last().unwrap().0 + 1;
            self.batches.push(batch);
        }
    }

    fn at(&self, part: u8) -> i64 {
        self.start + (self.end - self.start) * i64::from(part) / 256
    }

    fn cut_model(&mut self, to: i64) {
        while let Some(batch) = self.batches.last() {
            if batch.records.last().unwrap().0 < to {
                break;
            }
            self.end = batch.records[0].0;
            self.batches.pop();
        }
        self.end = self.end.min(to.max(self.batches.last().map_or(0, |b| b.records.last().unwrap().0 + 1)));
        self.start = self.start.min(self.end);
        self.save();
    }

    /// What the broker does now and then, and after each truncation: the checkpoint files.
    fn save(&mut self) {
        self.recovery_point = self.log.recovery_point();
        self.start_checkpoint = self.start;
    }

    fn reopen(&mut self, clean: bool) {
        let opened =
            OpenState { clean_shutdown: clean, recovery_point: self.recovery_point, log_start: self.start_checkpoint };
        let (log, recovered) = open(&self.disk, self.config.clone(), opened);
        if clean {
            assert_eq!((recovered.batches, recovered.truncated_bytes), (0, 0), "{:?}", recovered.notes);
        }
        self.log = log;
        self.pending = None;
    }

    fn run(&mut self, step: &Step) {
        let pending = self.pending.take();
        match step {
            Step::Append(sizes) => {
                let (set, model) = self.make(sizes, self.end, self.epoch);
                let appended = self.log.append_leader(&set, self.epoch, 0);
                if set.bytes.len() as u64 > self.config.segment_bytes {
                    assert_eq!(appended.unwrap_err().code(), 18);
                } else {
                    appended.unwrap();
                    self.took(model);
                }
            }
            Step::Produce(id) => {
                let at = usize::from(*id);
                let sequence = self.sequences[at];
                let set = from_producer(i64::from(*id), 0, sequence, 1000);
                // After a loss the producer has to find out where the log is.
                let known = self.log.producers().get(i64::from(*id)).map(|p| p.last_sequence());
                let appended = self.log.append_leader(&set, self.epoch, 0);
                if known.is_none_or(|last| last + 1 == sequence) {
                    let appended = appended.unwrap();
                    assert!(!appended.duplicate);
                    let records = vec![(appended.base_offset, 1000, b"v".to_vec())];
                    self.took(vec![Batch { epoch: self.epoch, records }]);
                    self.sequences[at] += 1;
                    let again = self.log.append_leader(&set, self.epoch, 0).unwrap();
                    assert!(again.duplicate && again.base_offset == appended.base_offset);
                } else {
                    match appended {
                        Ok(appended) => assert!(appended.duplicate),
                        Err(e) => assert_eq!(e.code(), 45, "{e}"),
                    }
                    self.sequences[at] = known.unwrap() + 1;
                }
            }
            Step::Replicate(sizes) => {
                let (set, model) = self.make(sizes, self.end, self.epoch);
                self.log.append_follower(&set, 0).unwrap();
                self.took(model);
            }
            Step::Flush => {
                flush(&mut self.log);
                assert_eq!(self.log.recovery_point(), self.end);
                self.save();
            }
            Step::FlushLater => self.pending = self.log.flush_job(),
            Step::Truncate(part) => {
                let to = self.at(*part);
                self.log.truncate_to(to).unwrap();
                self.cut_model(to);
                // What is appended now is of a later leader.
                self.epoch += 1;
            }
            Step::AdvanceStart(part) => {
                self.start = self.at(*part);
                self.log.advance_log_start(self.start).unwrap();
                self.save();
            }
            Step::Retain(part) => {
                let keep = self.log.size_bytes() * u64::from(*part) / 256;
                self.log.set_config(LogConfig { retention_bytes: keep as i64, ..self.config.clone() });
                if let Some(job) = self.log.apply_retention(0, self.end).unwrap() {
                    job.run().unwrap();
                }
                self.log.set_config(self.config.clone());
                assert!(self.log.log_start_offset() >= self.start);
                self.start = self.log.log_start_offset();
                self.save();
            }
            Step::NewEpoch => {
                self.epoch += 1;
                self.log.assign_epoch(self.epoch, self.end).unwrap();
            }
            Step::CloseAndOpen(alone) => {
                if *alone {
                    self.log.close().unwrap();
                } else if let Some(job) = self.log.close_job().unwrap() {
                    let done = job.run_unsynced().unwrap();
                    self.disk.sync_all(Path::new("/logs")).unwrap();
                    self.log.closed(done);
                }
                self.save();
                // Power is lost after the clean stop: everything must be there all the same.
                self.disk.power_loss(Some(self.counter));
                self.reopen(true);
            }
            Step::Kill => {
                self.reopen(false);
                assert_eq!(self.log.log_end_offset(), self.end, "a kill loses nothing");
                self.epoch += 1;
            }
            Step::PowerLoss(tear) => {
                self.disk.power_loss(*tear);
                self.reopen(false);
                let end = self.log.log_end_offset();
                assert!(
                    end >= self.recovery_point && end <= self.end,
                    "{} <= {end} <= {}",
                    self.recovery_point,
                    self.end
                );
                let start = self.start_checkpoint;
                self.cut_model(end);
                if self.end < end {
                    assert_eq!(end, start, "whole batches, unless all that is left lies below the log start");
                    self.batches.clear();
                    self.end = end;
                }
                self.start = self.log.log_start_offset();
                self.epoch += 1;
            }
            Step::DiskFullAppend(room) => {
                let (set, model) = self.make(&[(3, 300)], self.end, self.epoch);
                self.disk.set_capacity(Some(self.disk.used_bytes() + u64::from(*room)));
                let appended = self.log.append_leader(&set, self.epoch, 0);
                self.disk.set_capacity(None);
                match appended {
                    Ok(_) => self.took(model),
                    Err(e) => assert_eq!(e.code(), 56),
                }
            }
            Step::TruncateFully(ahead) => {
                let to = self.end + i64::from(*ahead % 4) * 10;
                self.log.truncate_fully(to).unwrap();
                self.batches.clear();
                (self.start, self.end) = (to, to);
                self.save();
                self.epoch += 1;
            }
        }
        if let Some(job) = pending
            && !matches!(step, Step::PowerLoss(_) | Step::Kill | Step::CloseAndOpen(_))
        {
            let done = job.run().unwrap();
            self.log.flushed(done);
            self.save();
        }
        self.check();
    }

    fn check(&self) {
        assert_eq!(self.log.log_end_offset(), self.end);
        assert_eq!(self.log.log_start_offset(), self.start);
        assert!(self.log.failure().is_none());
        let expected: Vec<Seen> =
            self.batches.iter().flat_map(|b| &b.records).filter(|r| r.0 >= self.start).cloned().collect();
        assert_eq!(read_all(&self.log), expected);
        let middle = self.at(100);
        let below = self.batches.iter().filter(|b| b.records.last().unwrap().0 < middle);
        let below: Vec<Seen> = below.flat_map(|b| &b.records).filter(|r| r.0 >= self.start).cloned().collect();
        assert_eq!(read_to(&self.log, middle, 5000), below);
        for probe in [1000, 1200, 1499, 1500] {
            let found = self.log.offset_for_timestamp(probe, self.end).unwrap();
            let first = expected.iter().find(|r| r.1 >= probe).map(|r| (r.0, r.1));
            assert_eq!(found.map(|f| (f.offset, f.timestamp)), first, "time {probe}");
        }
        let most = expected.iter().map(|r| r.1).max();
        let found = self.log.max_timestamp(self.end).unwrap();
        assert_eq!(found.map(|f| f.timestamp), most);
        // The epoch of every batch, and nothing of what was cut off.
        for batch in self.batches.iter().filter(|b| b.records[0].0 >= self.start) {
            assert_eq!(self.log.epochs().epoch_at(batch.records[0].0), Some(batch.epoch));
        }
        let files = self.disk.list(&dir()).unwrap_or_default();
        assert!(files.iter().all(|f| !f.name.ends_with(".tmp")), "no leftovers: {files:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn histories(steps in prop::collection::vec(step(), 1..60), dense in any::<bool>(), size in 1500..6000_u64) {
        let config = LogConfig {
            segment_bytes: size,
            index_interval_bytes: if dense { 50 } else { 600 },
            retention_ms: -1,
            ..small()
        };
        let mut world = World::new(config);
        for step in &steps {
            world.run(step);
        }
        prop_assert!(world.disk.exists(Path::new("/logs")));
    }
}
