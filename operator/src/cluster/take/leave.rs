//! A broker is stopped for good.

use kube::Client;

use super::lease;
use crate::{
    apply::{self, ApplyError},
    cluster::{leave::question, observe::Observed, plan::Leave, validate::Validated},
    failpoint,
};

/// Lowers the set of the broker by one, under the lease to stop it: Kubernetes deletes the pod with the highest id.
pub(super) async fn leave(
    client: &Client,
    valid: &Validated,
    observed: &Observed,
    leave: &Leave,
) -> Result<(), ApplyError> {
    lease::acquire(valid, observed, &question(leave.id), &leave.pod).await?;
    failpoint::part("leave/leased");
    apply::apply(client, &valid.namespace, &leave.set).await
}
