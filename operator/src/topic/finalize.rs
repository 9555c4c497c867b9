//! Deleting a topic's resource. The topic goes with it, unless the spec says otherwise or it was
//! never this resource's.

use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use odradek_crds::{DeletionPolicy, KafkaTopic};

use super::{
    error::Error,
    observe::{Observed, TopicContext, topic_name},
    validate::validate,
};

/// Holds a topic's resource until the topic is deleted.
pub const FINALIZER: &str = "odradek.dev/topic";

/// What deleting the resource does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The topic is deleted.
    Delete,
    /// The topic stays, or is gone already.
    Release,
}

/// Decides what deleting the resource does. Pure.
pub fn fate(topic: &KafkaTopic, observed: &Observed) -> Fate {
    let managed = topic.status.as_ref().is_some_and(|status| status.topic_id.is_some());
    if topic.spec.deletion_policy == DeletionPolicy::Retain
        || observed.cluster.is_none()
        || observed.older.is_some()
        // A spec that was refused from the start never became a topic. One that was taken may
        // have become one just before its status was lost.
        || !managed && validate(topic, observed).is_err()
    {
        return Fate::Release;
    }
    Fate::Delete
}

/// Whether the resource holds on to its topic.
pub fn is_guarded(topic: &KafkaTopic) -> bool {
    topic.finalizers().iter().any(|finalizer| finalizer == FINALIZER)
}

/// Deletes the topic if that is its fate, and lets the resource go. It stays while Kafka refuses.
pub async fn finalize(topic: &KafkaTopic, observed: &Observed, ctx: &TopicContext) -> Result<(), Error> {
    if !is_guarded(topic) {
        return Ok(());
    }
    if let (Fate::Delete, Some(cluster)) = (fate(topic, observed), &observed.cluster) {
        let name = topic_name(topic);
        let deleted = ctx.base.kafka.of(cluster).delete(&name).await;
        deleted.map_err(|failure| Error::Kafka { verb: "delete", topic: name.clone(), failure })?;
        tracing::info!(namespace = topic.namespace(), topic = name, "deleted");
    }
    write(topic, false, ctx).await
}

/// Puts the finalizer on or takes it off.
pub async fn write(topic: &KafkaTopic, on: bool, ctx: &TopicContext) -> Result<(), Error> {
    let mut finalizers: Vec<String> = topic.finalizers().iter().filter(|f| *f != FINALIZER).cloned().collect();
    if on {
        finalizers.push(FINALIZER.to_owned());
    }
    let namespace = topic.namespace().unwrap_or_default();
    let api: Api<KafkaTopic> = Api::namespaced(ctx.base.client.clone(), &namespace);
    // The UID keeps a namesake from being changed; the version makes a change by somebody else a
    // conflict, and not a loss.
    let patch = serde_json::json!({ "metadata": {
        "finalizers": finalizers, "uid": topic.uid(), "resourceVersion": topic.resource_version(),
    }});
    match api.patch_metadata(&topic.name_any(), &PatchParams::default(), &Patch::Merge(&patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(Error::Finalizer(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use odradek_crds::{CLUSTER_LABEL, KafkaCluster, KafkaTopicStatus, NodePool};

    use super::*;

    fn topic() -> KafkaTopic {
        let mut topic = KafkaTopic::default();
        topic.metadata.name = Some("orders".to_owned());
        topic.metadata.labels = Some([(CLUSTER_LABEL.to_owned(), "demo".to_owned())].into());
        topic
    }

    fn observed() -> Observed {
        let mut cluster = KafkaCluster::default();
        cluster.spec.node_pools = vec![NodePool::brokers("broker", 3)];
        Observed { cluster: Some(Arc::new(cluster)), older: None }
    }

    #[test]
    fn a_topic_goes_with_its_resource() {
        assert_eq!(fate(&topic(), &observed()), Fate::Delete);
    }

    #[test]
    fn a_topic_stays_that_is_not_this_resources_to_delete() {
        let mut retained = topic();
        retained.spec.deletion_policy = DeletionPolicy::Retain;
        assert_eq!(fate(&retained, &observed()), Fate::Release);
        let conflict = Observed { older: Some("first".to_owned()), ..observed() };
        assert_eq!(fate(&topic(), &conflict), Fate::Release);
        let gone = Observed { cluster: None, ..observed() };
        assert_eq!(fate(&topic(), &gone), Fate::Release);
    }

    #[test]
    fn a_spec_that_was_refused_from_the_start_deletes_nothing() {
        let mut refused = topic();
        refused.spec.replicas = Some(9);
        assert_eq!(fate(&refused, &observed()), Fate::Release);
        refused.status = Some(KafkaTopicStatus { topic_id: Some("id".to_owned()), ..Default::default() });
        assert_eq!(fate(&refused, &observed()), Fate::Delete);
    }
}
