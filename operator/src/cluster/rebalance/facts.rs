//! What moves of replicas take to be decided, and how it is read: nothing while nothing has to move.

use std::{collections::BTreeMap, sync::Arc};

use kube::{Api, ResourceExt};
use odradek_crds::{KafkaCluster, RebalanceStatus};

use super::{Planned, need::needed, own::Own, throttle};
use crate::{
    cluster::{error::Error, observe::Observed, safety::view, validate::Validated},
    context::Context,
    kafka::{KafkaFailure, ReplicaSizes, ThrottledReplicas},
};

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// What the status said last.
    pub remembered: RebalanceStatus,
    /// How large replicas and disks are.
    pub sizes: Sizes,
    /// The replicas that are throttled, of the topics of moves that are over.
    pub throttled: BTreeMap<String, ThrottledReplicas>,
    /// The plan of the last look.
    pub kept: Option<Arc<Planned>>,
    /// Why the throttles could not be read.
    pub failure: Option<KafkaFailure>,
}

/// How large replicas and disks are.
#[derive(Clone, Debug, Default)]
pub enum Sizes {
    /// There was no need to ask.
    #[default]
    NotAsked,
    /// No broker told.
    Failed(KafkaFailure),
    /// What they told.
    Known(Arc<ReplicaSizes>),
}

/// Reads what is needed.
pub async fn read(
    cluster: &KafkaCluster,
    valid: &Validated,
    observed: &mut Observed,
    ctx: &Context,
) -> Result<(), Error> {
    observed.moves.remembered = remembered(cluster);
    let Ok(view) = view(valid, observed) else { return Ok(()) };
    let left = throttle::RATES.iter().any(|key| view.config.contains_key(*key));
    let calm = view.moving.is_empty() && !left && is_calm(&observed.moves.remembered);
    if calm && needed(valid, observed).is_empty() {
        return Ok(());
    }
    // The watch may be behind, and what was begun a moment ago is to be known for the operator's own.
    let api = Api::<KafkaCluster>::namespaced(ctx.client.clone(), &valid.namespace);
    let fresh = api.get_opt(&cluster.name_any()).await;
    let fresh = fresh.map_err(|source| Error::Read { what: "kafkaclusters".to_owned(), source })?;
    if let Some(fresh) = fresh.filter(|fresh| fresh.uid() == cluster.uid()) {
        observed.moves.remembered = remembered(&fresh);
    }
    observed.moves.kept = ctx.plans.of(&cluster.uid().unwrap_or_default());
    let admin = ctx.kafka.of(cluster);
    let Ok(view) = self::view(valid, observed) else { return Ok(()) };
    let sizes = match needed(valid, observed).is_empty() {
        true => Sizes::NotAsked,
        false => {
            let alive: Vec<_> = view.registered.iter().filter(|broker| !broker.fenced).cloned().collect();
            admin.sizes(&alive).await.map_or_else(Sizes::Failed, Sizes::Known)
        }
    };
    let own = Own::read(&observed.moves.remembered.own);
    let over = own.iter().filter(|(topic, partition)| !view.moving.contains_key(&((*topic).clone(), *partition)));
    let over: Own = over.collect();
    let topics: Vec<String> = over.topics().map(|(topic, _)| topic.clone()).collect();
    observed.moves.sizes = sizes;
    if !topics.is_empty() {
        match admin.throttled(&topics).await {
            Ok(throttled) => observed.moves.throttled = throttled,
            Err(failure) => observed.moves.failure = Some(failure),
        }
    }
    Ok(())
}

fn remembered(cluster: &KafkaCluster) -> RebalanceStatus {
    cluster.status.as_ref().and_then(|status| status.rebalance.clone()).unwrap_or_default()
}

/// Whether the status speaks of nothing that is not over.
fn is_calm(status: &RebalanceStatus) -> bool {
    status.own.is_empty() && status.throttle.is_none() && status.filling.is_empty() && status.leaving.is_empty()
}
