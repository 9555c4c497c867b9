//! Brokers: what they registered with, and how they stand.

use prost::Message;

/// The levels of a feature that a process supports.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SupportedFeature {
    /// The feature's name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The least level.
    #[prost(int32, tag = "2")]
    pub min: i32,
    /// The largest level.
    #[prost(int32, tag = "3")]
    pub max: i32,
}

/// One address at which a broker listens.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Message)]
pub struct Listener {
    /// The listener's name, as in `listeners`, such as `PLAINTEXT`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The advertised host.
    #[prost(string, tag = "2")]
    pub host: String,
    /// The advertised port, 1 to 65535.
    #[prost(uint32, tag = "3")]
    pub port: u32,
    /// `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
    #[prost(string, tag = "4")]
    pub security_protocol: String,
}

/// A broker process took an id. Replaces what the id held before.
#[derive(Clone, PartialEq, Message)]
pub struct RegisterBroker {
    /// The id, 0 or more.
    #[prost(int32, tag = "1")]
    pub broker_id: i32,
    /// The offset of this record: larger with each registration.
    #[prost(int64, tag = "2")]
    pub broker_epoch: i64,
    /// 16 bytes drawn by the process when it started.
    #[prost(bytes = "vec", tag = "3")]
    pub incarnation: Vec<u8>,
    /// Where it listens.
    #[prost(message, repeated, tag = "4")]
    pub listeners: Vec<Listener>,
    /// Its rack, when it has one.
    #[prost(string, optional, tag = "5")]
    pub rack: Option<String>,
    /// The ids (16 bytes each) of its log directories.
    #[prost(bytes = "vec", repeated, tag = "6")]
    pub log_dirs: Vec<Vec<u8>>,
    /// Whether it is fenced. A new process always starts fenced.
    #[prost(bool, tag = "7")]
    pub fenced: bool,
    /// Whether it is in its controlled shutdown.
    #[prost(bool, tag = "8")]
    pub in_controlled_shutdown: bool,
    /// What it supports.
    #[prost(message, repeated, tag = "9")]
    pub features: Vec<SupportedFeature>,
}

/// A registered broker's standing moved. Fields that are `None` stay as they are.
#[derive(Clone, PartialEq, Message)]
pub struct BrokerChange {
    /// Which broker.
    #[prost(int32, tag = "1")]
    pub broker_id: i32,
    /// The registration that this is about.
    #[prost(int64, tag = "2")]
    pub broker_epoch: i64,
    /// Fenced (true) or unfenced (false).
    #[prost(bool, optional, tag = "3")]
    pub fenced: Option<bool>,
    /// In controlled shutdown.
    #[prost(bool, optional, tag = "4")]
    pub in_controlled_shutdown: Option<bool>,
}

/// A broker was taken out for good.
#[derive(Clone, PartialEq, Message)]
pub struct UnregisterBroker {
    /// Which broker.
    #[prost(int32, tag = "1")]
    pub broker_id: i32,
    /// Its last registration.
    #[prost(int64, tag = "2")]
    pub broker_epoch: i64,
}
