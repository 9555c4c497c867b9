//! Deleting a topic's resource. The topic goes with it, unless the spec says otherwise or it was
//! never this resource's. Where the cluster goes as well, nothing waits for it.

use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use odradek_crds::{DeletionPolicy, KafkaTopic};

use super::{
    error::Error,
    observe::{Observed, TopicContext, is_managed, topic_name},
    validate::{Own, own, takes, validate},
};
use crate::{
    failpoint,
    kafka::{KafkaAdmin, KafkaFailure},
};

/// Holds a topic's resource until the topic is deleted.
pub const FINALIZER: &str = "odradek.dev/topic";

/// What deleting the resource does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The topic is deleted.
    Delete {
        /// Only if it has this id.
        only: Option<String>,
        /// The cluster is being deleted too: brokers that do not answer have nothing left to delete.
        with_cluster: bool,
    },
    /// The topic stays, or is gone already.
    Release,
}

/// Decides what deleting the resource does. Pure.
pub fn fate(topic: &KafkaTopic, observed: &Observed) -> Fate {
    let Some(cluster) = &observed.cluster else { return Fate::Release };
    let known = topic.status.as_ref().is_some_and(|status| status.topic_id.is_some());
    if topic.spec.deletion_policy == DeletionPolicy::Retain
        || !is_managed(topic)
        || observed.older.is_some()
        // A namespace that may not make topics may not delete any.
        || !takes(cluster, &topic.namespace().unwrap_or_default())
        // A spec that was refused from the start never became a topic. One that was taken may
        // have become one just before its status was lost.
        || !known && validate(topic, observed).is_err()
    {
        return Fate::Release;
    }
    let only = match own(topic) {
        Own::Any => None,
        Own::Id(id) => Some(id),
        // It may be the one that was begun, or another one's.
        Own::Begun | Own::None => return Fate::Release,
    };
    Fate::Delete { only, with_cluster: cluster.metadata.deletion_timestamp.is_some() }
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
    if let (Fate::Delete { only, with_cluster }, Some(cluster)) = (fate(topic, observed), &observed.cluster) {
        let name = topic_name(topic);
        failpoint::part("topic/finalize/begun");
        let deleted = delete(&*ctx.base.kafka.of(cluster), &name, only).await;
        failpoint::part("topic/finalize/deleted");
        match may_go(deleted, with_cluster) {
            Ok(true) => tracing::info!(namespace = topic.namespace(), topic = name, "deleted"),
            Ok(false) => tracing::info!(namespace = topic.namespace(), topic = name, "let go with its cluster"),
            Err(failure) => return Err(Error::Kafka { verb: "delete", topic: name, failure }),
        }
    }
    write(topic, false, ctx).await
}

/// Whether the resource may go, given what Kafka said; true when the topic is known to be gone. Pure.
fn may_go(deleted: Result<(), KafkaFailure>, with_cluster: bool) -> Result<bool, KafkaFailure> {
    match deleted {
        Ok(()) => Ok(true),
        Err(KafkaFailure::Unreachable(_)) if with_cluster => Ok(false),
        Err(failure) => Err(failure),
    }
}

async fn delete(admin: &dyn KafkaAdmin, name: &str, only: Option<String>) -> Result<(), KafkaFailure> {
    if let Some(id) = only
        && admin.topic(name).await?.is_none_or(|view| view.id != id)
    {
        return Ok(());
    }
    admin.delete(name).await
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

/// Takes the finalizer off the resource as it is now.
pub async fn release(topic: &KafkaTopic, ctx: &TopicContext) -> Result<(), Error> {
    let namespace = topic.namespace().unwrap_or_default();
    let api: Api<KafkaTopic> = Api::namespaced(ctx.base.client.clone(), &namespace);
    match api.get_opt(&topic.name_any()).await.map_err(Error::Finalizer)? {
        Some(now) if now.uid() == topic.uid() && is_guarded(&now) => write(&now, false, ctx).await,
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
    use odradek_crds::{AdoptionPolicy, CLUSTER_NAMESPACE_LABEL, KafkaTopicStatus, MANAGED_ANNOTATION};

    use super::*;
    use crate::topic::fixtures::{observed, topic};

    const DELETE: Fate = Fate::Delete { only: None, with_cluster: false };

    fn known(mut topic: KafkaTopic) -> KafkaTopic {
        topic.status = Some(KafkaTopicStatus { topic_id: Some("id".to_owned()), ..Default::default() });
        topic
    }

    #[test]
    fn a_topic_goes_with_its_resource() {
        assert_eq!(fate(&topic(), &observed()), DELETE);
        assert_eq!(fate(&known(topic()), &observed()), DELETE);
    }

    #[test]
    fn a_topic_stays_that_is_not_this_resources_to_delete() {
        type Change = fn(&mut KafkaTopic, &mut Observed);
        let table: [(&str, Change); 6] = [
            ("retained", |t, _| t.spec.deletion_policy = DeletionPolicy::Retain),
            ("not managed", |t, _| {
                t.annotations_mut().insert(MANAGED_ANNOTATION.to_owned(), "false".to_owned());
            }),
            ("conflict", |_, o| o.older = Some("first".to_owned())),
            ("cluster gone", |_, o| o.cluster = None),
            ("not allowed", |t, _| {
                t.metadata.namespace = Some("team".to_owned());
                t.labels_mut().insert(CLUSTER_NAMESPACE_LABEL.to_owned(), "n".to_owned());
            }),
            ("maybe another one's", |t, _| {
                t.spec.adoption_policy = AdoptionPolicy::Refuse;
                t.status = None;
            }),
        ];
        for (name, change) in table {
            let (mut topic, mut observed) = (known(topic()), observed());
            change(&mut topic, &mut observed);
            assert_eq!(fate(&topic, &observed), Fate::Release, "{name}");
        }
    }

    #[test]
    fn one_that_adopts_nothing_deletes_its_own_only() {
        let mut topic = known(topic());
        topic.spec.adoption_policy = AdoptionPolicy::Refuse;
        let only = Some("id".to_owned());
        assert_eq!(fate(&topic, &observed()), Fate::Delete { only, with_cluster: false });
    }

    #[test]
    fn a_spec_that_was_refused_from_the_start_deletes_nothing() {
        let mut refused = topic();
        refused.spec.replicas = Some(9);
        assert_eq!(fate(&refused, &observed()), Fate::Release);
        assert_eq!(fate(&known(refused), &observed()), DELETE);
    }

    #[test]
    fn it_lets_go_with_its_cluster_but_never_when_kafka_said_no() {
        let mut leaving = observed();
        let cluster = leaving.cluster.as_mut().map(Arc::make_mut).expect("a cluster");
        cluster.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        assert_eq!(fate(&topic(), &leaving), Fate::Delete { only: None, with_cluster: true });

        let unreachable = || Err(KafkaFailure::Unreachable("no address answers".to_owned()));
        let refused = || Err(KafkaFailure::Refused { code: 73, name: "TOPIC_DELETION_DISABLED".into(), message: None });
        assert_eq!(may_go(Ok(()), false), Ok(true));
        assert_eq!(may_go(Ok(()), true), Ok(true));
        assert_eq!(may_go(unreachable(), true), Ok(false));
        assert!(may_go(unreachable(), false).is_err());
        assert!(may_go(refused(), true).is_err());
        assert!(may_go(refused(), false).is_err());
    }
}
