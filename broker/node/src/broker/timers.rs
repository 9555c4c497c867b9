//! What is due at some time, and when to look again.

use odradek_core::time::Now;

use super::BrokerNode;
use super::config::BrokerConfig;
use crate::event::Command;

/// What comes back again and again.
#[derive(Debug)]
pub(super) struct Timers {
    retention_ms: u64,
    recovery_ms: u64,
    high_watermark_ms: u64,
    /// When partitions that could not be hosted are tried again; never while there are none.
    host_again_ms: u64,
}

/// A disk that is full or failing is not asked more often.
const HOST_AGAIN_MS: u64 = 1_000;

impl Timers {
    pub fn new(config: &BrokerConfig, now: Now) -> Timers {
        Timers {
            retention_ms: now.mono_ms + config.retention_check_ms,
            recovery_ms: now.mono_ms + config.recovery_checkpoint_ms,
            high_watermark_ms: now.mono_ms + config.high_watermark_checkpoint_ms,
            host_again_ms: u64::MAX,
        }
    }

    pub fn host_again(&mut self, now: Now) {
        self.host_again_ms = now.mono_ms + HOST_AGAIN_MS;
    }
}

impl BrokerNode {
    pub(super) fn run_timers(&mut self, now: Now, out: &mut Vec<Command>) {
        self.live(now, out);
        self.follow_metadata(now, out);
        self.retry_forwards(now, out);
        if self.unseen.iter().any(|unseen| unseen.until_ms <= now.mono_ms) {
            self.forwards_seen(now, out);
        }
        self.hand_out_producer_ids(now, out);
        self.check_lagging(now);
        self.look_at_rooms(now, out);
        self.fetchers_expired(now);
        self.acks_expired(now, out);
        self.fetches_expired(now, out);
        self.group_tick(now, out);
        self.load_groups(now, out);
        if now.mono_ms >= self.timers.retention_ms {
            self.timers.retention_ms = now.mono_ms + self.config.retention_check_ms;
            self.apply_retention(now, out);
        }
        if now.mono_ms >= self.timers.recovery_ms {
            self.timers.recovery_ms = now.mono_ms + self.config.recovery_checkpoint_ms;
            if self.checkpoints_due {
                self.write_all_checkpoints();
            }
        }
        if now.mono_ms >= self.timers.host_again_ms {
            self.timers.host_again_ms = u64::MAX;
            self.host_again(now, out);
        }
        if now.mono_ms >= self.timers.high_watermark_ms {
            self.timers.high_watermark_ms = now.mono_ms + self.config.high_watermark_checkpoint_ms;
            if self.high_watermarks_due {
                self.write_high_watermarks();
            }
        }
    }

    /// When [`BrokerNode::turn`] has something to do without any event, in monotonic milliseconds; at once when that
    /// has passed.
    #[must_use]
    pub fn next_deadline(&self) -> u64 {
        let periodic = [
            self.timers.retention_ms,
            self.timers.recovery_ms,
            self.timers.high_watermark_ms,
            self.timers.host_again_ms,
            self.rooms.next_deadline(),
        ];
        let others = [
            self.lifecycle.next_deadline(),
            self.shutdown_deadline(),
            self.follow.next_deadline(),
            self.forwards_deadline(),
            self.producer_ids.next_deadline(),
            self.isr.next_deadline(),
            self.lag_checks.first().map(|(due, _)| *due),
            self.fetchers.values().filter_map(|fetcher| fetcher.next_deadline()).min(),
            self.acks.next_deadline(),
            self.fetches.next_deadline(),
            self.groups.next_deadline(),
            self.moves.next_deadline(),
            (!self.loading.is_empty()).then_some(0),
        ];
        periodic.into_iter().chain(others.into_iter().flatten()).min().unwrap_or(0)
    }
}
