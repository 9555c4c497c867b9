//! Following the image: which partitions this broker hosts, and as what.

use std::collections::BTreeSet;
use std::sync::Arc;

use odradek_core::metadata::image::{Image, Partition as Assignment, Resource};
use odradek_core::metadata::topic_config::EffectiveConfig;
use odradek_core::replica::{Leader, LeaderConfig};
use odradek_core::time::Now;
use odradek_log::{Log, LogConfig, OpenState};
use odradek_probe::reached;

use super::BrokerNode;
use super::partition::{Partition, Role};
use super::topic_settings::{flush_messages, log_config, throttled};
use crate::event::{BlockingJob, Command, LogKey};

/// The topic that keeps the groups' offsets.
pub(super) const OFFSETS_TOPIC: &str = "__consumer_offsets";

impl BrokerNode {
    /// Takes up what changed since `before`; costs in proportion to the differences.
    pub(super) fn image_changed(&mut self, now: Now, before: &Image, out: &mut Vec<Command>) {
        let changes = self.image.changes_since(before);
        for topic_id in &changes.removed_topics {
            let range = LogKey { topic_id: *topic_id, partition: i32::MIN }..=LogKey {
                topic_id: *topic_id,
                partition: i32::MAX,
            };
            let hosted: Vec<LogKey> = self.partitions.range(range).map(|(key, _)| *key).collect();
            for key in hosted {
                self.stop_hosting(now, key, out);
            }
        }
        if !changes.removed_topics.is_empty() {
            let names = changes
                .removed_topics
                .iter()
                .filter_map(|id| before.topic_by_id(*id).map(|topic| topic.name.to_string()))
                .collect();
            self.group_topics_deleted(now, &names, out);
        }
        for id in &changes.brokers {
            self.broker_changed(now, *id);
        }
        for at in &changes.partitions {
            let key = LogKey { topic_id: at.topic_id, partition: at.partition };
            self.assignment_changed(now, key, out);
            self.warn_of_loss(before, key);
        }
        // After the partitions: each takes its own new settings together with its new in-sync set.
        for resource in &changes.configs {
            match resource {
                Resource::Topic(name) => self.topic_config_changed(name),
                Resource::Broker(id) if *id != self.config.node_id => {}
                Resource::DefaultBroker | Resource::Broker(_) => {
                    self.settings_changed();
                    self.all_topic_configs_changed();
                }
            }
        }
        if self.image.min_insync_replicas() != before.min_insync_replicas() {
            self.all_topic_configs_changed();
        }
        self.forwards_seen(now, out);
    }

    /// This broker leads what it was neither in sync nor eligible for: says which offsets it goes on from.
    fn warn_of_loss(&self, before: &Image, key: LogKey) {
        let Some(partition) = self.partitions.get(&key).filter(|partition| partition.leader().is_some()) else {
            return;
        };
        let Some(old) = before.partition(key.topic_id, key.partition) else { return };
        let id = self.config.node_id;
        if old.leader == id || old.isr.contains(&id) || old.elr.contains(&id) {
            return;
        }
        // Several changes may have come at once: then it may have become in sync in between.
        let Some(new) = self.image.partition(key.topic_id, key.partition) else { return };
        if new.isr != [id] || new.leader_epoch != old.leader_epoch + 1 {
            return;
        }
        tracing::warn!(
            topic = %partition.topic,
            partition = key.partition,
            leader_epoch = new.leader_epoch,
            last_known_leader = old.last_known_leader.unwrap_or(-1),
            log_start_offset = partition.log.log_start_offset(),
            high_watermark = partition.high_watermark(),
            log_end_offset = partition.log.log_end_offset(),
            "leading after an unclean election: what the leaders before had from the log end offset on is lost"
        );
    }

    fn assignment_changed(&mut self, now: Now, key: LogKey, out: &mut Vec<Command>) {
        let Some(topic) = self.image.topic_by_id(key.topic_id) else { return };
        let Some(assignment) = topic.partitions.get(&key.partition).cloned() else { return };
        let name = topic.name.clone();
        if !assignment.replicas.contains(&self.config.node_id) {
            if self.partitions.contains_key(&key) {
                self.stop_hosting(now, key, out);
            }
            return;
        }
        if !self.partitions.contains_key(&key)
            && let Err(reason) = self.host(now, key, &name, out)
        {
            tracing::error!(topic = %name, partition = key.partition, reason, "cannot host the partition; trying again");
            self.unhosted.insert(key);
            self.timers.host_again(now);
            return;
        }
        if assignment.leader == self.config.node_id {
            self.lead(now, key, &assignment, out);
        } else {
            self.copy_from(now, key, &assignment, out);
        }
    }

    /// Tries the partitions that could not be hosted, as on a disk that was full.
    pub(super) fn host_again(&mut self, now: Now, out: &mut Vec<Command>) {
        for key in std::mem::take(&mut self.unhosted) {
            reached("hosted at another try");
            self.assignment_changed(now, key, out);
        }
    }

    pub(super) fn effective(&self, topic: &str) -> EffectiveConfig<'_> {
        EffectiveConfig::new(&self.image, topic, Some(self.config.node_id), &self.config.server_properties)
    }

    fn log_config(&self, topic: &str, partition: i32) -> LogConfig {
        let config = log_config(&self.effective(topic), u64::from(partition.unsigned_abs()));
        // A broker's key that no topic overrides.
        let expiration = self.setting("producer.id.expiration.ms");
        match expiration.and_then(|text| text.parse().ok()) {
            Some(ms) => LogConfig { producer_id_expiration_ms: ms, ..config },
            None => config,
        }
    }

    pub(super) fn leader_config(&self, topic: &str, assignment: &Assignment) -> LeaderConfig {
        LeaderConfig {
            lag_time_max_ms: self.config.replica_lag_time_max_ms,
            min_insync: assignment.floor(self.effective(topic).min_insync_replicas()),
        }
    }

    /// Takes over the log that was found at the start, or makes one in the directory with the fewest partitions.
    fn host(&mut self, now: Now, key: LogKey, topic: &Arc<str>, out: &mut Vec<Command>) -> Result<(), String> {
        let wanted = self.wanted_dir(topic, key.partition);
        let config = self.log_config(topic, key.partition);
        let effective = self.effective(topic);
        let flush_messages = flush_messages(&effective);
        let (leader_throttled, follower_throttled) = throttled(&effective, self.config.node_id);
        let (log, dir, known_high_watermark) = match self.found.remove(&key) {
            Some(mut found) => {
                found.log.set_config(config);
                let (start, end) = (found.log.log_start_offset(), found.log.log_end_offset());
                (found.log, found.dir, found.high_watermark.clamp(start, end))
            }
            None => {
                let dir = wanted.or_else(|| self.emptiest_dir()).ok_or("no log directory is usable")?;
                let path = self.config.log_dirs[dir].path.join(format!("{topic}-{}", key.partition));
                let state = OpenState { clean_shutdown: true, recovery_point: 0, log_start: 0 };
                let (mut log, _) = Log::open(self.disk.clone(), path, config, state, now.wall_ms)
                    .map_err(|error| error.to_string())?;
                log.set_topic_id(key.topic_id).map_err(|error| error.to_string())?;
                (log, dir, 0)
            }
        };
        self.partitions_in_dir[dir] += 1;
        self.partitions.insert(
            key,
            Partition {
                topic: topic.clone(),
                log,
                dir,
                role: Role::Follower { leader: None, epoch: -1 },
                known_high_watermark,
                flushing: false,
                unflushed: 0,
                flush_messages,
                leader_throttled: leader_throttled.has(key.partition),
                follower_throttled: follower_throttled.has(key.partition),
                lag_check_scheduled: false,
            },
        );
        // A move that a stop of this broker interrupted.
        if let Some(to) = wanted.filter(|to| *to != dir)
            && let Err(error) = self.start_move(now, key, to, out)
        {
            tracing::error!(%topic, partition = key.partition, %error, "the move is not taken up again");
        }
        Ok(())
    }

    fn emptiest_dir(&self) -> Option<usize> {
        (0..self.config.log_dirs.len()).min_by_key(|dir| (self.partitions_in_dir[*dir], *dir))
    }

    fn lead(&mut self, now: Now, key: LogKey, assignment: &Assignment, out: &mut Vec<Command>) {
        let Some(topic) = self.partitions.get(&key).map(|partition| partition.topic.clone()) else { return };
        let config = self.leader_config(&topic, assignment);
        let node_id = self.config.node_id;
        let Some(partition) = self.partitions.get_mut(&key) else { return };
        if let Role::Leader(leader) = &mut partition.role
            && leader.epoch() == assignment.leader_epoch
        {
            let epoch = assignment.partition_epoch;
            if leader.committed(config, epoch, &assignment.replicas, &assignment.isr, now.mono_ms) {
                self.woken.insert(key);
            }
            // A follower that is not in the set any more has to be heard again.
            self.fetch_later(key);
            return;
        }
        let high_watermark = partition.high_watermark();
        let end = partition.log.log_end_offset();
        if let Err(error) = partition.log.assign_epoch(assignment.leader_epoch, end) {
            tracing::error!(%topic, partition = key.partition, %error, "cannot lead");
            return;
        }
        let was_leader = partition.leader().is_some();
        partition.role = Role::Leader(Box::new(Leader::new(
            node_id,
            config,
            assignment.leader_epoch,
            assignment.partition_epoch,
            &assignment.replicas,
            &assignment.isr,
            end,
            high_watermark,
            now.mono_ms,
        )));
        tracing::debug!(%topic, partition = key.partition, epoch = assignment.leader_epoch, end, "leading");
        self.unfollow(key);
        if was_leader {
            self.end_waits(now, key, out);
        }
        self.woken.insert(key);
        self.schedule_lag_check(now, key, self.config.replica_lag_time_max_ms);
        if &*topic == OFFSETS_TOPIC {
            self.coordinate(now, key, assignment.leader_epoch, out);
        }
    }

    fn copy_from(&mut self, now: Now, key: LogKey, assignment: &Assignment, out: &mut Vec<Command>) {
        let Some(partition) = self.partitions.get_mut(&key) else { return };
        let leader = assignment.leader();
        if let Role::Follower { leader: current, epoch } = &partition.role
            && *current == leader
            && *epoch == assignment.leader_epoch
        {
            return;
        }
        let was_leader = partition.leader().is_some();
        partition.known_high_watermark = partition.high_watermark();
        partition.role = Role::Follower { leader, epoch: assignment.leader_epoch };
        let topic = partition.topic.clone();
        self.unfollow(key);
        if was_leader {
            tracing::debug!(%topic, partition = key.partition, ?leader, "leading no more");
            self.end_waits(now, key, out);
            if &*topic == OFFSETS_TOPIC {
                self.stop_coordinating(now, key.partition, out);
            }
        }
        if let Some(leader) = leader {
            self.follow_partition(key, leader);
        }
        // A consumer that reads here waits under the epoch before.
        self.woken.insert(key);
    }

    /// The partition is another broker's now, or its topic is gone: the folder goes too.
    fn stop_hosting(&mut self, now: Now, key: LogKey, out: &mut Vec<Command>) {
        self.unfollow(key);
        self.end_move(key, out);
        let Some(partition) = self.partitions.remove(&key) else { return };
        self.partitions_in_dir[partition.dir] -= 1;
        self.checkpoints_due = true;
        self.end_waits(now, key, out);
        if &*partition.topic == OFFSETS_TOPIC {
            self.stop_coordinating(now, key.partition, out);
        }
        let what = format!("{}-{}", partition.topic, key.partition);
        tracing::info!(partition = %what, "removing the replica");
        self.delete_log(partition.log, key, what, out);
    }

    pub(super) fn delete_log(&mut self, log: Log, key: LogKey, what: String, out: &mut Vec<Command>) {
        match log.delete(&key.topic_id.simple().to_string()) {
            Ok(job) => out.push(Command::Run(BlockingJob {
                what: format!("removal of {what}"),
                run: Box::new(move || job.run()),
            })),
            Err(error) => tracing::error!(partition = %what, %error, "cannot remove the replica"),
        }
    }

    fn all_topic_configs_changed(&mut self) {
        let names: BTreeSet<Arc<str>> = self.partitions.values().map(|partition| partition.topic.clone()).collect();
        for name in names {
            self.topic_config_changed(&name);
        }
    }

    fn topic_config_changed(&mut self, name: &str) {
        let Some(topic) = self.image.topic(name) else { return };
        let id = topic.id;
        let min = LogKey { topic_id: id, partition: i32::MIN };
        let max = LogKey { topic_id: id, partition: i32::MAX };
        let keys: Vec<LogKey> = self.partitions.range(min..=max).map(|(key, _)| *key).collect();
        let (leader_throttled, follower_throttled) = throttled(&self.effective(name), self.config.node_id);
        for key in keys {
            let Some(assignment) = self.image.partition(key.topic_id, key.partition) else { continue };
            let leader_config = self.leader_config(name, assignment);
            let config = self.log_config(name, key.partition);
            let flush_messages = flush_messages(&self.effective(name));
            let Some(partition) = self.partitions.get_mut(&key) else { continue };
            partition.log.set_config(config);
            partition.flush_messages = flush_messages;
            partition.leader_throttled = leader_throttled.has(key.partition);
            partition.follower_throttled = follower_throttled.has(key.partition);
            if partition.leader_mut().is_some_and(|leader| leader.set_config(leader_config)) {
                self.woken.insert(key);
            }
        }
    }
}
