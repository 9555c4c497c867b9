//! What clients sent, were told and saw.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::network::Place;

/// A partition of the topics under load: the topic's place in the plan, and the partition.
pub type Tp = (usize, i32);

/// What is in a record: who sent it, and which of its records it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Value {
    /// The producer.
    pub producer: Place,
    /// Counted from 1 on.
    pub number: u32,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.producer, self.number)
    }
}

impl Value {
    /// The record's bytes: its name, and something to make it long.
    #[must_use]
    pub fn bytes(self, padding: usize) -> Vec<u8> {
        let mut bytes = format!("{self}:").into_bytes();
        bytes.resize(bytes.len() + padding, b'.');
        bytes
    }

    /// Reads what [`Value::bytes`] made.
    ///
    /// # Errors
    /// When the bytes are of nobody's record.
    pub fn parse(bytes: &[u8]) -> Result<Value, String> {
        let parsed = std::str::from_utf8(bytes).ok().and_then(|text| {
            let (name, padding) = text.split_once(':')?;
            let (producer, number) = name.split_once('-')?;
            let whole = padding.bytes().all(|byte| byte == b'.');
            whole.then_some(Value { producer: producer.parse().ok()?, number: number.parse().ok()? })
        });
        parsed.ok_or_else(|| format!("a record that nobody sent: {:?}", String::from_utf8_lossy(bytes)))
    }
}

/// Whether something is known to be so: what was asked and not answered may be either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected<T> {
    /// It was acknowledged, and nothing else was asked since.
    Known(T),
    /// Something was asked, and the answer is not known.
    Either,
}

/// What clients sent, were told and saw.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Every value that left a producer, with its partition.
    pub sent: BTreeMap<Value, Tp>,
    /// What was acknowledged with acks=all: where, and the value.
    pub acknowledged: BTreeMap<(Tp, i64), Value>,
    /// What consumers saw: where, and the value.
    pub consumed: BTreeMap<(Tp, i64), Value>,
    /// Producers whose records may be there only once.
    pub idempotent: BTreeSet<Place>,
    /// Whether topics that admin clients made are there.
    pub topics: BTreeMap<String, Expected<bool>>,
    /// What admin clients set: by topic, the value of one key.
    pub configs: BTreeMap<String, Expected<String>>,
    /// Whether controllers vote, as an administrator was told: by place, with the metadata volume that it named.
    pub voters: BTreeMap<Place, (Vec<u8>, Expected<bool>)>,
    /// Operations that ended well.
    pub operations: u64,
    /// Broken promises that a client saw by itself.
    pub findings: Vec<String>,
}
