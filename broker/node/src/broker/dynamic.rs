//! The broker's own settings that change while it runs: set on it, or on all brokers, over what server.properties say.

use odradek_core::metadata::image::Resource;

use super::BrokerNode;

impl BrokerNode {
    /// The value of a broker's key in force here; `None` when nobody set it.
    pub(super) fn setting(&self, key: &str) -> Option<&str> {
        let set = |resource: &Resource| self.image.config(resource).and_then(|keys| keys.get(key)).map(String::as_str);
        set(&Resource::Broker(self.config.node_id))
            .or_else(|| set(&Resource::DefaultBroker))
            .or_else(|| self.config.server_properties.get(key).map(String::as_str))
            .map(str::trim)
    }

    /// Settings of this broker, or of all brokers, changed.
    pub(super) fn settings_changed(&mut self) {
        let fetchers = self.setting("num.replica.fetchers").and_then(|text| text.parse().ok());
        self.set_replica_fetchers(fetchers.unwrap_or(self.config.replica_fetchers));
        let rate = |key: &str| self.setting(key).and_then(|text| text.parse().ok()).unwrap_or(i64::MAX);
        let (leader, follower) =
            (rate("leader.replication.throttled.rate"), rate("follower.replication.throttled.rate"));
        let moves = rate("replica.alter.log.dirs.io.max.bytes.per.second");
        self.leader_quota.set_bound(leader);
        self.follower_quota.set_bound(follower);
        self.move_quota.set_bound(moves);
        self.moves.wake();
        // Who waited for the old rate looks again.
        self.fetchers_due.extend(self.fetchers.keys().copied());
    }
}
