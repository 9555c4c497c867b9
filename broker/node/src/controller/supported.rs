//! What the other controllers of the quorum support, as each of their messages says (KIP-584).

use std::collections::BTreeMap;

use odradek_core::metadata::controller::ControllerSupport;
use odradek_core::metadata::record::SupportedFeature;
use odradek_quorum::Quorum;

/// Kafka's key of UpdateFeatures.
pub(super) const UPDATE_FEATURES: i32 = 57;

/// What was heard since the start of this process.
#[derive(Debug, Default)]
pub(super) struct Supported(BTreeMap<u64, Vec<SupportedFeature>>);

impl Supported {
    /// A controller told; nobody counts who is no member.
    pub(super) fn heard(&mut self, from: u64, features: Vec<SupportedFeature>, quorum: &Quorum) {
        let known = self.0.get(&from) == Some(&features);
        if !known && quorum.members().iter().any(|member| member.id == from) {
            self.0.insert(from, features);
        }
    }

    /// The other voters, and the observers that were heard of.
    pub(super) fn controllers(&self, quorum: &Quorum) -> Vec<ControllerSupport> {
        let own = quorum.status().node_id;
        let others = quorum.members().iter().filter(|member| member.id != own);
        let support = others.filter_map(|member| {
            let features = self.0.get(&member.id).cloned();
            let counts = features.is_some() || !member.observer;
            counts.then(|| ControllerSupport { node_id: i32::try_from(member.id).unwrap_or(i32::MAX), features })
        });
        support.collect()
    }
}
