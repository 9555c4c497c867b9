//! `topics export`.

use std::collections::BTreeSet;

use anyhow::Context as _;
use kube::{Api, ResourceExt, api::ListParams};
use odradek_crds::{DeletionPolicy, KafkaCluster, KafkaTopic};
use odradek_operator::{
    kafka::{batch::LIMIT, pool::client_port},
    topic::{
        export::{Export, export as describe},
        index::Index,
        observe::{ClusterRef, cluster_ref, topic_name},
    },
};

use crate::reach::Reach;

/// The KafkaTopics that are known: of all namespaces, or of this one where no more may be seen.
async fn resources(reach: &Reach) -> anyhow::Result<Vec<KafkaTopic>> {
    let all = Api::<KafkaTopic>::all(reach.client.clone()).list(&ListParams::default()).await;
    let list = match all {
        Err(kube::Error::Api(status)) if status.code == 403 => {
            let here = Api::<KafkaTopic>::namespaced(reach.client.clone(), &reach.namespace);
            here.list(&ListParams::default()).await
        }
        other => other,
    };
    Ok(list.context("cannot list KafkaTopics")?.items)
}

/// The KafkaTopics that are known, as the operator keeps them.
pub async fn index(reach: &Reach) -> anyhow::Result<Index> {
    let index = Index::default();
    for resource in resources(reach).await? {
        index.apply(&resource);
    }
    Ok(index)
}

/// Prints the topics of a cluster as KafkaTopics.
pub async fn export(reach: &Reach, name: &str, all: bool, deletion_policy: DeletionPolicy) -> anyhow::Result<()> {
    let namespace = &reach.namespace;
    let api = Api::<KafkaCluster>::namespaced(reach.client.clone(), namespace);
    let cluster = api.get_opt(name).await.context("cannot read the KafkaCluster")?;
    let cluster = cluster.with_context(|| format!("there is no KafkaCluster {name} in the namespace {namespace}"))?;
    let ctx = reach.context(String::new());
    let admin = reach.brokers(&cluster, client_port(&cluster), &ctx).await?;
    let admin = admin.with_context(|| format!("no broker of the KafkaCluster {namespace}/{name} serves"))?;
    let topics = admin.list_topics().await.context("cannot list the topics")?;
    let resources = resources(reach).await?;
    let of = ClusterRef::of(&cluster);
    let managed: Vec<&KafkaTopic> = resources.iter().filter(|topic| cluster_ref(topic).as_ref() == Some(&of)).collect();
    let has_resource = |topic: &str| managed.iter().find(|resource| topic_name(resource) == topic);
    let here = resources.iter().filter(|topic| topic.namespace().as_ref() == Some(namespace));
    let mut taken: BTreeSet<String> = here.map(ResourceExt::name_any).collect();
    let wanted: Vec<String> = topics
        .into_iter()
        // The cluster's own.
        .filter(|topic| !topic.internal && !topic.name.starts_with("__"))
        .map(|topic| topic.name)
        .filter(|topic| all || has_resource(topic).is_none())
        .collect();
    let brokers = ctx.kafka.of(&cluster);
    let mut exported = 0;
    for names in wanted.chunks(LIMIT) {
        for (topic, view) in brokers.topics(names).await.context("cannot describe the topics")? {
            // It may have gone meanwhile.
            let Some(view) = view.with_context(|| format!("cannot describe the topic {topic}"))? else { continue };
            match describe(&cluster, &topic, &view, deletion_policy, &taken) {
                Ok(Export { mut resource, notes }) => {
                    if let Some(known) = has_resource(&topic) {
                        resource.metadata.name = known.metadata.name.clone();
                        resource.metadata.namespace = known.metadata.namespace.clone();
                        resource.metadata.labels = known.metadata.labels.clone();
                        resource.spec.topic_name = known.spec.topic_name.clone();
                    }
                    taken.insert(resource.name_any());
                    notes.iter().for_each(|note| eprintln!("{topic}: {note}"));
                    print!("---\n{}", serde_yaml::to_string(&resource).context("cannot write YAML")?);
                    exported += 1;
                }
                Err(why) => eprintln!("{topic}: left out, for no KafkaTopic could describe it: {why}"),
            }
        }
    }
    let managed = managed.len();
    eprintln!("{exported} topics of {of}; {managed} have a KafkaTopic{}", if all { "" } else { " and are left out" });
    Ok(())
}
