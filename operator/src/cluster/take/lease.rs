//! The lease of the active controller to stop pods: it judges once more, and lets nobody else stop anything meanwhile.

use std::time::Duration;

use crate::{
    apply::ApplyError,
    cluster::{ask, observe::Observed, plan::LEASE, safety::holder, validate::Validated},
    kafka::restart::{Ask, NodeSet},
};

/// Takes the lease to stop these nodes, whose pods have these names.
pub(super) async fn acquire(
    valid: &Validated,
    observed: &Observed,
    nodes: &NodeSet,
    pods: &str,
) -> Result<(), ApplyError> {
    let refused = |why| ApplyError::NotGranted { pods: pods.to_owned(), why };
    let verdict = ask::any(&ask::addresses(observed), Ask::Acquire, nodes, &holder(valid), LEASE).await;
    let verdict = verdict.map_err(refused)?;
    // A lease that is ours already is prolonged whatever became of the cluster since.
    if verdict.granted && verdict.safe {
        return Ok(());
    }
    let held = verdict.lease.as_ref().map(|lease| format!("{} holds it", lease.holder));
    let why = verdict.against().or(held).unwrap_or_else(|| "the active controller says no".to_owned());
    Err(refused(why))
}

/// Keeps the lease while what was stopped is not back. The active controller prolongs it for its holder whatever became of
/// the cluster; one that is over by now is not needed to wait.
pub(super) async fn renew(valid: &Validated, observed: &Observed, set: &NodeSet) -> Result<(), ApplyError> {
    if let Err(why) = ask::any(&ask::addresses(observed), Ask::Acquire, set, &holder(valid), LEASE).await {
        tracing::warn!(cluster = valid.name, why, "the lease to stop pods is not renewed");
    }
    Ok(())
}

/// Gives the lease back. If that fails it ends by itself.
pub(super) async fn release(valid: &Validated, observed: &Observed) -> Result<(), ApplyError> {
    let nothing = NodeSet::default();
    let released = ask::any(&ask::addresses(observed), Ask::Release, &nothing, &holder(valid), Duration::ZERO).await;
    if let Err(why) = released {
        tracing::warn!(cluster = valid.name, why, "the lease to stop pods is not given back, and ends by itself");
    }
    Ok(())
}
