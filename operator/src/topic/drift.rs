//! Looks for topics that were changed in Kafka itself: one read for many topics of a cluster, and a reconcile only for
//! those that are no longer as their last reconcile left them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use kube_runtime::reflector::ObjectRef;
use odradek_crds::KafkaCluster;
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{controller::Triggers, observe::ClusterRef, observe::TopicContext, reconcile::serves};
use crate::{
    backoff::jitter,
    kafka::{TopicView, batch},
};

/// How often it is considered which cluster is due.
const TICK: Duration = Duration::from_secs(2);
/// The shortest and the longest time between two looks at a cluster.
const LEAST: Duration = Duration::from_secs(10);
const MOST: Duration = Duration::from_secs(60);
/// Topics for each second of that time, so that a look costs the same share of a core for every cluster.
const TOPICS_A_SECOND: u32 = 100;
/// Bound on a look at a cluster. One that is slow holds nobody else up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time between two looks at a cluster with so many topics.
fn pause(topics: usize) -> Duration {
    let seconds = u32::try_from(topics).unwrap_or(u32::MAX) / TOPICS_A_SECOND;
    Duration::from_secs(seconds.into()).clamp(LEAST, MOST)
}

/// Looks until it is dropped.
pub async fn watch(ctx: Arc<TopicContext>, triggers: Triggers) {
    let mut due: BTreeMap<ClusterRef, Instant> = BTreeMap::new();
    let mut looks: JoinSet<(ClusterRef, usize)> = JoinSet::new();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            Some(done) = looks.join_next() => {
                // A look that panicked is over too: its cluster is due again after a while.
                if let Ok((cluster, topics)) = done {
                    due.insert(cluster, Instant::now() + jitter(pause(topics)));
                }
                continue;
            }
        }
        let now = Instant::now();
        let clusters: BTreeMap<ClusterRef, usize> = ctx.index.clusters().into_iter().collect();
        due.retain(|cluster, _| clusters.contains_key(cluster));
        for (cluster, topics) in clusters {
            // What a cluster's topics are is known from their reconciles at first.
            let at = *due.entry(cluster.clone()).or_insert_with(|| now + jitter(pause(topics)));
            let live = ctx.clusters.get(&ObjectRef::new(&cluster.name).within(&cluster.namespace));
            let Some(live) = live.filter(|live| at <= now && serves(live)) else { continue };
            due.insert(cluster.clone(), now + 2 * PATIENCE);
            let (ctx, triggers) = (ctx.clone(), triggers.clone());
            looks.spawn(async move {
                if tokio::time::timeout(PATIENCE, look(&cluster, &live, &ctx, &triggers)).await.is_err() {
                    tracing::warn!(%cluster, "looking for topics that changed in Kafka took more than {PATIENCE:?}");
                }
                (cluster, topics)
            });
        }
    }
}

async fn look(cluster: &ClusterRef, live: &KafkaCluster, ctx: &TopicContext, triggers: &Triggers) {
    let admin = ctx.base.kafka.of(live);
    let names = ctx.index.topic_names(cluster);
    for names in names.chunks(batch::LIMIT) {
        let views = match admin.topics(names).await {
            Ok(views) => views,
            Err(failure) => {
                tracing::warn!(%cluster, %failure, "cannot look for topics that changed in Kafka");
                return;
            }
        };
        for (name, view) in views {
            let Ok(view) = view else { continue };
            for topic in ctx.index.drifted(cluster, &name, view.as_ref().map(TopicView::digest)) {
                triggers.send(topic);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_topics_the_longer_the_pause() {
        assert_eq!(pause(3), LEAST);
        assert_eq!(pause(3000), Duration::from_secs(30));
        assert_eq!(pause(1_000_000), MOST);
    }
}
