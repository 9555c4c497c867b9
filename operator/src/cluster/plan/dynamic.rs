//! Configuration that the brokers take while they run: what is set in the cluster follows the spec, and restarts nothing.

use super::{Action, Step};
use crate::{
    cluster::{config, observe::Observed, safety::view, validate::Validated},
    kafka::ConfigChange,
};

/// Keys of this kind come and go with the moves of replicas.
const OF_MOVES: &str = "throttled";

/// The step that brings what is set into shape.
pub(super) fn dynamic(cluster: &Validated, observed: &Observed) -> Option<Step> {
    let set = &view(cluster, observed).ok()?.config;
    let wanted = config::running(&cluster.config);
    let is_set = |key: &str, value: &str| set.get(key).is_some_and(|is| is.as_deref() == Some(value));
    let changed = wanted.iter().filter(|(key, value)| !is_set(key, value));
    let mut changes: Vec<ConfigChange> =
        changed.map(|(key, value)| ConfigChange::Set(key.clone(), value.clone())).collect();
    let extra = set.keys().filter(|key| !wanted.contains_key(*key) && !key.contains(OF_MOVES));
    changes.extend(extra.map(|key| ConfigChange::Delete(key.clone())));
    (!changes.is_empty()).then(|| {
        Step::now(Action::ConfigureBrokers(changes), "what is set for all brokers differs from spec.config; no restart")
    })
}
