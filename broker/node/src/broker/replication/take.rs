//! What a leader answered.

use odradek_core::fetch_session::Asked;
use odradek_core::replica::{Divergence, truncation_for};
use odradek_core::time::Now;
use odradek_probe::reached;
use odradek_wire::batch::RecordBatches;
use odradek_wire::messages::FetchResponse;
use odradek_wire::messages::fetch_response::PartitionData;

use super::super::BrokerNode;
use super::super::codes;
use super::super::partition::Role;
use super::fetcher::{FetchInFlight, FetcherId, Fetching};
use crate::event::{CallError, Command, LogKey};

/// What an answer for one partition came to.
struct Taken {
    /// The leader has more that is committed.
    behind: bool,
    /// Records came.
    got: bool,
}

impl BrokerNode {
    pub(in crate::broker) fn replica_fetch_answered(
        &mut self,
        now: Now,
        fetch: FetchInFlight,
        result: Result<FetchResponse, CallError>,
        out: &mut Vec<Command>,
    ) {
        let FetchInFlight { id, generation, kind } = fetch;
        let Some(fetcher) = self.fetchers.get_mut(&id).filter(|fetcher| fetcher.generation == generation) else {
            return;
        };
        self.fetchers_due.insert(id);
        let asked = match kind {
            Fetching::Session => {
                fetcher.session_ended();
                None
            }
            Fetching::Lane { throttled, asked } => {
                fetcher.lane_ended(throttled, asked.keys());
                Some(asked)
            }
        };
        let response = match (result, &asked) {
            (Err(error), lane) => {
                if lane.is_none() {
                    fetcher.session.failed();
                }
                return self.fetch_failed(now, id, &format!("{error:?}"));
            }
            (Ok(response), Some(_)) if response.error_code == codes::NONE => response,
            (Ok(response), None) => {
                let full = fetcher.session.is_full();
                if fetcher.session.answered(response.error_code, response.session_id) {
                    response
                } else if full {
                    return self.fetch_failed(now, id, &format!("error {}", response.error_code));
                } else {
                    // The leader does not know the session any more: a full fetch follows.
                    tracing::debug!(leader = id.leader, error = response.error_code, "the fetch session is over");
                    return;
                }
            }
            (Ok(response), _) => return self.fetch_failed(now, id, &format!("error {}", response.error_code)),
        };
        let backoff = self.config.replica_fetch_backoff_ms;
        if let Some(fetcher) = self.fetchers.get_mut(&id) {
            fetcher.succeeded();
        }
        for topic in response.responses {
            for data in topic.partitions {
                let key = LogKey { topic_id: topic.topic_id, partition: data.partition_index };
                let Some(fetcher) = self.fetchers.get_mut(&id) else { return };
                let state = match &asked {
                    Some(asked) => asked.get(&key).copied(),
                    None => fetcher.session.get(&key).copied(),
                };
                let Some(state) = state.filter(|_| fetcher.follows(key)) else { continue };
                let taken = self.take_fetched(now, key, state, data, out);
                let Some(fetcher) = self.fetchers.get_mut(&id) else { return };
                match taken {
                    Ok(Some(taken)) => fetcher.answered(key, taken.behind, taken.got),
                    Ok(None) => fetcher.changed(key),
                    Err(reason) => {
                        tracing::debug!(?key, leader = id.leader, reason, "replica fetch");
                        fetcher.delay(key, now.mono_ms, backoff);
                    }
                }
            }
        }
    }

    fn fetch_failed(&mut self, now: Now, id: FetcherId, reason: &str) {
        tracing::debug!(leader = id.leader, reason, "replica fetch");
        if let Some(fetcher) = self.fetchers.get_mut(&id) {
            fetcher.failed(now.mono_ms, self.config.replica_fetch_backoff_ms);
        }
    }

    /// `None`: the log has changed since it was asked for, so the answer says nothing.
    fn take_fetched(
        &mut self,
        now: Now,
        key: LogKey,
        asked: Asked,
        data: PartitionData,
        out: &mut Vec<Command>,
    ) -> Result<Option<Taken>, String> {
        let Some(partition) = self.partitions.get_mut(&key) else { return Ok(None) };
        let Role::Follower { epoch, .. } = &partition.role else { return Ok(None) };
        let log = &mut partition.log;
        if *epoch != asked.current_leader_epoch || log.log_end_offset() != asked.fetch_offset {
            reached("replica fetch answered too late");
            return Ok(None);
        }
        match data.error_code {
            codes::NONE => {}
            codes::FENCED_LEADER_EPOCH => {
                reached("replica fetch under a stale leader epoch");
                return Err(format!("error {}", data.error_code));
            }
            codes::UNKNOWN_LEADER_EPOCH => {
                reached("replica fetch under a leader epoch to come");
                return Err(format!("error {}", data.error_code));
            }
            codes::OFFSET_OUT_OF_RANGE if log.log_end_offset() < data.log_start_offset => {
                // The leader has dropped what comes next here: start over where it starts.
                log.truncate_fully(data.log_start_offset).map_err(|error| error.to_string())?;
                partition.known_high_watermark = data.log_start_offset;
                let start = data.log_start_offset;
                self.cut_copy(key, start);
                self.checkpoints_due = true;
                return Ok(Some(Taken { behind: true, got: false }));
            }
            error => return Err(format!("error {error}")),
        }
        let diverging = &data.diverging_epoch;
        if diverging.epoch >= 0 || diverging.end_offset >= 0 {
            let at = Divergence { epoch: diverging.epoch, end_offset: diverging.end_offset };
            self.cut(key, at)?;
            return Ok(Some(Taken { behind: true, got: false }));
        }
        let mut got = false;
        if let Some(bytes) = data.records.filter(|bytes| !bytes.is_empty()) {
            if partition.follower_throttled {
                self.follower_quota.record(now.mono_ms, bytes.len());
            }
            let batches = RecordBatches::parse_trailing(bytes).map_err(|error| error.to_string())?;
            if !batches.is_empty() {
                let appended = match log.append_follower(&batches, now.wall_ms) {
                    Ok(appended) => appended,
                    Err(error) => {
                        if error.code() == codes::KAFKA_STORAGE_ERROR {
                            self.write_refused(now, key, &error);
                        }
                        return Err(error.to_string());
                    }
                };
                partition.unflushed += appended.last_offset - appended.base_offset + 1;
                got = true;
            }
        }
        let log = &mut partition.log;
        if data.log_start_offset > log.log_start_offset() && data.log_start_offset <= log.log_end_offset() {
            log.advance_log_start(data.log_start_offset).map_err(|error| error.to_string())?;
        }
        let end = log.log_end_offset();
        let high_watermark = data.high_watermark.min(end);
        if high_watermark > partition.known_high_watermark {
            partition.known_high_watermark = high_watermark;
            self.high_watermarks_due = true;
            // Consumers may wait here, too.
            self.woken.insert(key);
        }
        self.flush_if_due(key, out);
        Ok(Some(Taken { behind: end < data.high_watermark, got }))
    }

    /// Cuts what the leader does not have.
    fn cut(&mut self, key: LogKey, at: Divergence) -> Result<(), String> {
        let Some(partition) = self.partitions.get_mut(&key) else { return Ok(()) };
        let log = &mut partition.log;
        let own = log.end_offset_for_epoch(at.epoch);
        let cut = truncation_for(at, own, log.log_start_offset(), log.log_end_offset());
        tracing::info!(
            topic = %partition.topic, partition = key.partition, cut, end = log.log_end_offset(),
            "cutting what the leader does not have"
        );
        self.rare.truncations += 1;
        reached("log cut by a follower");
        let recovery_point = log.recovery_point();
        log.truncate_to(cut).map_err(|error| error.to_string())?;
        partition.known_high_watermark = partition.known_high_watermark.min(cut);
        let shorter = partition.log.recovery_point() < recovery_point;
        let dir = partition.dir;
        self.cut_copy(key, cut);
        if shorter {
            self.write_recovery_points(dir);
        }
        Ok(())
    }
}
