//! How replicas move between brokers: what the spec says of it, and what the operator says while it does it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How replicas move between brokers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AutoRebalance {
    /// Whether brokers that are new get their share of the replicas by themselves (`auto`) or once a person approves it
    /// (`manual`). Brokers that the spec takes away are emptied under either: nothing else lets them go.
    #[serde(default)]
    pub mode: RebalanceMode,
    /// The most that a broker sends, and the most that it receives, for replicas that move, in bytes a second: a
    /// quantity such as 50Mi, or `none`. It has to be larger than what is produced meanwhile to the partitions that
    /// move, or they never catch up.
    #[serde(default = "default_throttle")]
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^([1-9][0-9]*(k|M|G|T|Ki|Mi|Gi|Ti)?|none)$"))]
    pub throttle: String,
    /// How many replicas move at a time to a broker, and from it.
    #[serde(default = "default_moves")]
    #[schemars(range(min = 1, max = 1000))]
    pub concurrent_moves: i32,
    /// Under `manual`: the hash that status.rebalance shows, of the rebalance that may go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub approved: Option<String>,
}

/// Whether a person approves that replicas move to new brokers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RebalanceMode {
    /// New brokers get their share by themselves.
    #[default]
    Auto,
    /// Nothing moves to new brokers until `approved` holds the hash of the rebalance.
    Manual,
}

impl Default for AutoRebalance {
    fn default() -> Self {
        AutoRebalance {
            mode: RebalanceMode::default(),
            throttle: default_throttle(),
            concurrent_moves: default_moves(),
            approved: None,
        }
    }
}

fn default_throttle() -> String {
    "50Mi".to_owned()
}

fn default_moves() -> i32 {
    5
}

/// How the replicas lie on the brokers, and what moves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RebalanceStatus {
    /// What the operator does with replicas.
    pub state: RebalanceState,
    /// Hash of the brokers and of those that get their share: what spec.autoRebalance.approved has to hold under `manual`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// What is done, or what it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The brokers that get their share.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filling: Vec<i32>,
    /// The brokers that are to be emptied, or are gone with replicas on them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaving: Vec<i32>,
    /// Partitions that have been moved, of all that move, such as 12/60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// Partitions that move, from the first to the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions_total: Option<i64>,
    /// Partitions that have yet to arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions_left: Option<i64>,
    /// Bytes that are copied, from the first to the last, by what the partitions held when it was planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_total: Option<i64>,
    /// Bytes of the replicas that have yet to arrive, those on their way counted whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_left: Option<i64>,
    /// Reassignments under way in the cluster, whoever began them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<i32>,
    /// The next moves, with their reasons. At most 10 are listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<PlannedMove>,
    /// The reassignments that the operator began itself, until their leaders and throttles are as they should be:
    /// the partitions of each topic, as ranges. Others are left alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub own: BTreeMap<String, String>,
    /// The rate that the operator set for them, in bytes a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<i64>,
    /// How the leaders lie on the brokers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaders: Option<LeaderBalance>,
    /// The brokers that do not run in their rack, or did not until a while ago.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<BrokerZone>,
}

/// A broker that does not run in the zone that is its rack, as when its node got another label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BrokerZone {
    /// Its id.
    pub broker: i32,
    /// The zone in which its pod was last seen to run.
    pub runs_in: String,
    /// Since when.
    pub since: String,
    /// The zone that its replicas are placed by, where it is not its rack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts_as: Option<String>,
}

/// What the operator does with replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RebalanceState {
    /// Nothing has to move.
    #[default]
    None,
    /// It waits for a person's approval.
    WaitingForApproval,
    /// It waits for something else that goes first, such as a roll.
    Waiting,
    /// Replicas move.
    Moving,
    /// Something has to move and cannot.
    Blocked,
}

/// One partition that gets other replicas.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedMove {
    /// The topic.
    pub topic: String,
    /// Number of the partition.
    pub partition: i32,
    /// The brokers that hold it, the preferred leader first.
    pub from: Vec<i32>,
    /// The brokers that will hold it, the preferred leader first.
    pub to: Vec<i32>,
    /// Bytes that are copied.
    pub bytes: i64,
    /// Why.
    pub reason: String,
}

/// How the leaders lie on the brokers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaderBalance {
    /// Partitions that are not led by the first of their replicas.
    pub not_preferred: i32,
    /// Partitions that the broker leads that leads the fewest.
    pub fewest: i32,
    /// Partitions that the broker leads that leads the most.
    pub most: i32,
}
