//! After pods were stopped under a lease: when they are back, their leaders are brought back, and the lease is given back.
//! Until then nothing else goes, and the lease is renewed.

use std::time::Duration;

use k8s_openapi::jiff::SignedDuration;

use super::{Action, Step};
use crate::{
    cluster::{
        observe::Observed,
        pods::PodView,
        safety::{holder, view},
        validate::Validated,
    },
    kafka::restart::{Lease, NodeSet},
};

/// How long a lease lasts that nobody renews or gives back: whoever died with it holds the others up for no longer.
pub const LEASE: Duration = Duration::from_secs(300);

/// Leaders that are elected at once: few enough that clients do not feel it.
const BATCH: usize = 500;

/// How long a pod has to serve before leaders go back to it: clients that met a closed port while it was away wait up to
/// this long before they try it again (librdkafka's `reconnect.backoff.max.ms`), and would stall on what it leads.
const FOUND_AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// The lease, if it is the operator's own.
pub(super) fn own_lease<'a>(cluster: &Validated, observed: &'a Observed) -> Option<&'a Lease> {
    observed.restart.lease().filter(|lease| lease.holder == holder(cluster))
}

/// The steps, and what the next pods have to wait for.
pub(super) fn back(cluster: &Validated, observed: &Observed) -> (Vec<Step>, Option<String>) {
    let Some(lease) = own_lease(cluster, observed) else { return (Vec::new(), None) };
    let (mut steps, waits) = returned(cluster, observed, lease);
    if waits.is_some() && lease.expires_in_seconds < LEASE.as_secs_f64() / 2.0 {
        let (brokers, controllers) = (lease.brokers.clone(), lease.controllers.clone());
        let set = NodeSet { brokers, controllers, strict: false };
        steps.push(Step::now(Action::RenewLease(set), "what was stopped is not back yet"));
    }
    (steps, waits)
}

fn returned(cluster: &Validated, observed: &Observed, lease: &Lease) -> (Vec<Step>, Option<String>) {
    let ids = || lease.brokers.iter().chain(&lease.controllers);
    let wanted = cluster.all_pools().flat_map(|pool| &pool.sets).flat_map(|set| set.pods());
    let serves = |name: &str| observed.pods.iter().any(|pod| pod.name == name && pod.ready());
    for (id, name) in wanted {
        if ids().any(|of| *of == id) && !serves(&name) {
            return (Vec::new(), Some(format!("{name} has yet to serve")));
        }
    }
    // One that was stopped for good is not waited for, but it has to be gone.
    let leaves = |id: &i32| !cluster.pools.iter().flat_map(|pool| &pool.sets).any(|set| set.ids().any(|of| of == *id));
    if let Some(pod) = observed.pods.iter().find(|pod| lease.brokers.contains(&pod.id) && pod.broker && leaves(&pod.id))
    {
        return (Vec::new(), Some(format!("{} has yet to be gone", pod.name)));
    }
    let view = match view(cluster, observed) {
        Ok(view) => view,
        Err(why) => return (Vec::new(), Some(why)),
    };
    if let Some(id) = lease.brokers.iter().find(|id| !view.brokers.contains(id) && !leaves(id)) {
        return (Vec::new(), Some(format!("broker {id} is not registered with the controllers")));
    }
    let back = |id: &i32| lease.brokers.contains(id);
    let lagging = |p: &&crate::kafka::PartitionView| p.replicas.iter().any(|id| back(id) && !p.in_sync.contains(id));
    let mut behind = view.partitions.iter().filter(lagging);
    if let Some(one) = behind.next() {
        let why = format!(
            "{} partitions are not back in sync, {}-{} among them",
            behind.count() + 1,
            one.topic,
            one.partition
        );
        return (Vec::new(), Some(why));
    }
    let preferred = view.partitions.iter().filter(|p| {
        let preferred = p.replicas.first().filter(|id| back(id));
        preferred.is_some_and(|id| p.in_sync.contains(id) && p.leader.is_some_and(|leader| leader != *id))
    });
    let mut away: Vec<(String, i32)> = preferred.map(|p| (p.topic.clone(), p.partition)).collect();
    if away.is_empty() {
        let reason = "what was stopped is back, in sync and leads again";
        return (vec![Step::now(Action::ReleaseLease, reason)], None);
    }
    let why = format!("{} partitions have yet to be led by their preferred replicas again", away.len());
    let young = |pod: &&PodView| {
        let since = pod.ready_since.filter(|since| observed.now.duration_since(*since) < FOUND_AGAIN);
        lease.brokers.contains(&pod.id) && since.is_some()
    };
    if let Some(pod) = observed.pods.iter().find(young) {
        return (Vec::new(), Some(format!("{why}, once clients had the time to find {} again", pod.name)));
    }
    away.truncate(BATCH);
    (vec![Step::now(Action::ElectLeaders(away), "their preferred replicas are back in sync")], Some(why))
}
