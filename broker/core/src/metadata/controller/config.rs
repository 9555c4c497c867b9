//! What the controller's decisions depend on, from its server.properties.

use std::collections::BTreeMap;

use odradek_wire::features::MetadataVersion;

/// The settings of a [`super::Controller`].
#[derive(Clone, Debug)]
pub struct ControllerConfig {
    /// Which cluster this is. Written to the log by the first controller ever active.
    pub cluster_id: String,
    /// The level of `metadata.version` that the first controller ever active writes to the log. It says nothing about
    /// a cluster that is there.
    pub metadata_version: MetadataVersion,
    /// A random number drawn anew for each [`super::Controller`]: topic ids and the place where
    /// a new topic's replicas begin come from it.
    pub seed: u64,
    /// `broker.session.timeout.ms`: a broker that says nothing for so long is fenced.
    pub session_timeout_ms: u64,
    /// `odradek.broker.silence.timeout.ms`: a broker that says nothing for so long, while at least half of all brokers
    /// were heard, is fenced before its session ends. 0: never.
    pub silence_timeout_ms: u64,
    /// `odradek.broker.disconnect.grace.ms`: a broker whose connection broke, and that says nothing for so long, is
    /// fenced.
    pub disconnect_grace_ms: u64,
    /// `default.replication.factor`.
    pub default_replication_factor: i16,
    /// `num.partitions`.
    pub num_partitions: i32,
    /// `delete.topic.enable`.
    pub delete_topic_enable: bool,
    /// `auto.leader.rebalance.enable`.
    pub auto_leader_rebalance: bool,
    /// `leader.imbalance.check.interval.seconds`, in milliseconds.
    pub leader_imbalance_check_ms: u64,
    /// `leader.imbalance.per.broker.percentage`: a broker's share of partitions that it should
    /// lead and does not, above which leadership goes back to it.
    pub leader_imbalance_percentage: u32,
    /// `odradek.leader.return.delay.ms`: a broker that is in sync again gets the partitions back that it should lead,
    /// whatever the percentage, once no more such came for so long. 0: only the check at its interval does it.
    pub leader_return_ms: u64,
    /// At most so many preferred leaders are elected in one step by itself.
    pub rebalance_step: usize,
    /// The pause between two such steps, in milliseconds.
    pub rebalance_step_ms: u64,
    /// At most so many partitions are moved off a broker that stops in one step; the next step comes with its next
    /// heartbeat.
    pub shutdown_step: usize,
    /// At most so many records come of one request: a larger one is refused.
    pub max_records_per_request: usize,
    /// The static server properties, by their broker keys (such as `min.insync.replicas` or
    /// `log.retention.hours`): they are the defaults of the topics' configuration.
    pub server_properties: BTreeMap<String, String>,
    /// What a broker's key may be set to while brokers run.
    pub check_broker_setting: CheckBrokerSetting,
}

/// Checks a broker's key and its new value; the third is true for one broker, false for the default of all of them.
/// The error says what is wrong, with the key, the value and what it should be.
pub type CheckBrokerSetting = fn(&str, &str, bool) -> Result<(), String>;

fn take_any(_key: &str, _value: &str, _one_broker: bool) -> Result<(), String> {
    Ok(())
}

impl Default for ControllerConfig {
    /// Kafka 4.4's defaults, and our own.
    fn default() -> ControllerConfig {
        ControllerConfig {
            cluster_id: String::new(),
            metadata_version: MetadataVersion::LATEST,
            seed: 0,
            session_timeout_ms: 9_000,
            silence_timeout_ms: 2_000,
            disconnect_grace_ms: 300,
            default_replication_factor: 1,
            num_partitions: 1,
            delete_topic_enable: true,
            auto_leader_rebalance: true,
            leader_imbalance_check_ms: 300_000,
            leader_imbalance_percentage: 10,
            leader_return_ms: 5_000,
            rebalance_step: 500,
            rebalance_step_ms: 250,
            shutdown_step: 5_000,
            max_records_per_request: 10_000,
            server_properties: BTreeMap::new(),
            check_broker_setting: take_any,
        }
    }
}
