//! What applying documents would do: each is sent to the API server as a dry run, so that schema, rules and defaults are
//! its own, and what it would become is planned by the operator's code.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context as _, ensure};
use k8s_openapi::NamespaceResourceScope;
use kube::{
    Api, Resource,
    api::{Patch, PatchParams, ValidationDirective},
};
use odradek_crds::{KafkaCluster, KafkaTopic, PlannedStep};
use odradek_operator::{
    cluster::{
        self,
        ask::{ask_through, may_raise},
        observe, validate,
    },
    context::Context,
    kafka::pool::client_port,
    names::MANAGER,
    refusal::Refusal,
    topic::{self, index::Index, observe::ClusterRef},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::{FAILED, files::Document, reach::Reach, topics};

/// Whose dry runs these are.
const DRY_RUN: &str = "kubectl-odradek";

/// What applying a document would do.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// KafkaCluster or KafkaTopic.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Of a cluster that is there: hash of what its pods would be made from, which `spec.rollingUpdate.approved` takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// Pods that would be made anew.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<String>,
    /// The steps, in order.
    pub steps: Vec<PlannedStep>,
    /// Why the spec cannot be carried out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<Told>,
    /// What else there is to say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Why a spec cannot be carried out.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Told {
    /// The reason, as a condition would have it.
    pub reason: String,
    /// The field.
    pub field: String,
    /// The value, the bound, and what to do.
    pub message: String,
}

impl From<Refusal> for Told {
    fn from(refusal: Refusal) -> Self {
        Told { reason: refusal.reason.as_str().to_owned(), field: refusal.field, message: refusal.message }
    }
}

impl Outcome {
    /// The exit code: 0 nothing to do, 1 steps, 2 refused.
    pub fn code(&self) -> u8 {
        match (self.refusals.is_empty(), self.steps.is_empty()) {
            (false, _) => FAILED,
            (true, false) => 1,
            (true, true) => 0,
        }
    }
}

/// Plans documents, clusters before their topics.
pub async fn plan(reach: &Reach, documents: Vec<Document>, image: Option<String>) -> anyhow::Result<Vec<Outcome>> {
    let (mut clusters, mut topics) = (Vec::new(), Vec::new());
    for document in documents {
        match document {
            Document::Cluster(value) => clusters.push(value),
            Document::Topic(value) => topics.push(value),
        }
    }
    let says_image = |cluster: &Value| cluster.pointer("/spec/image").is_some_and(Value::is_string);
    let image = match image {
        Some(image) => image,
        // Nobody asks for it.
        None if clusters.iter().all(says_image) => String::new(),
        None => reach.broker_image().await?,
    };
    let ctx = reach.context(image);
    let mut seen = BTreeMap::new();
    let mut outcomes = Vec::new();
    for value in clusters {
        let (outcome, cluster) = plan_cluster(reach, &ctx, value).await?;
        seen.extend(cluster.map(|cluster| (ClusterRef::of(&cluster), Arc::new(cluster))));
        outcomes.push(outcome);
    }
    let index = if topics.is_empty() { Index::default() } else { topics::index(reach).await? };
    for value in topics {
        outcomes.push(plan_topic(reach, &ctx, &index, &mut seen, value).await?);
    }
    Ok(outcomes)
}

async fn plan_cluster(reach: &Reach, ctx: &Context, value: Value) -> anyhow::Result<(Outcome, Option<KafkaCluster>)> {
    let (mut outcome, applied) = dry_run::<KafkaCluster>(reach, value).await?;
    let Some((cluster, live)) = applied else { return Ok((outcome, None)) };
    let what = format!("KafkaCluster {}/{}", outcome.namespace, outcome.name);
    if let Some(live) = &live {
        reach.brokers(&cluster, client_port(live), ctx).await.with_context(|| what.clone())?;
    }
    let mut observed = observe::observe(&cluster, ctx).await.with_context(|| what.clone())?;
    let valid = match validate::validate(&cluster, &observed, &ctx.broker_image) {
        Ok(valid) => valid,
        Err(refusals) => {
            outcome.refusals = refusals.into_iter().map(Told::from).collect();
            return Ok((outcome, Some(cluster)));
        }
    };
    let namespace = outcome.namespace.clone();
    may_raise(&valid, &mut observed, &*ctx.kafka.of(&cluster)).await;
    ask_through(&valid, &mut observed, |pod| Some(reach.door(&namespace, pod))).await;
    let plan = cluster::plan::plan(&valid, &observed).context(what)?;
    outcome.steps = plan.steps.iter().map(cluster::plan::Step::shown).collect();
    // The hash of one that is not there yet is of an id that it will not have.
    outcome.hash = live.is_some().then(|| plan.target.hash.clone());
    outcome.pending = plan.pending;
    Ok((outcome, Some(cluster)))
}

async fn plan_topic(
    reach: &Reach,
    ctx: &Context,
    index: &Index,
    clusters: &mut BTreeMap<ClusterRef, Arc<KafkaCluster>>,
    value: Value,
) -> anyhow::Result<Outcome> {
    let (mut outcome, applied) = dry_run::<KafkaTopic>(reach, value).await?;
    let Some((resource, _)) = applied else { return Ok(outcome) };
    let of = topic::observe::cluster_ref(&resource);
    if let Some(of) = of.clone().filter(|of| !clusters.contains_key(of)) {
        let api = Api::<KafkaCluster>::namespaced(reach.client.clone(), &of.namespace);
        if let Some(cluster) = api.get_opt(&of.name).await.with_context(|| format!("cannot read KafkaCluster {of}"))? {
            reach.brokers(&cluster, client_port(&cluster), ctx).await.with_context(|| format!("KafkaCluster {of}"))?;
            clusters.insert(of, Arc::new(cluster));
        }
    }
    index.apply(&resource);
    let older = index.before(&resource).map(|(namespace, name)| format!("{namespace}/{name}"));
    let cluster = of.and_then(|of| clusters.get(&of).cloned());
    let observed = topic::observe::Observed { cluster, older, watched: None };
    let valid = match topic::validate::validate(&resource, &observed) {
        Ok(valid) => valid,
        Err(refusals) => {
            outcome.refusals = refusals.into_iter().map(Told::from).collect();
            return Ok(outcome);
        }
    };
    let view = if topic::reconcile::serves(&valid.cluster) {
        let what = format!("cannot describe the topic {}", valid.topic);
        ctx.kafka.of(&valid.cluster).topic(&valid.topic).await.context(what)?
    } else {
        outcome.notes.push("no broker of its cluster serves: the topic is taken for one that is not there".to_owned());
        None
    };
    if !valid.managed {
        outcome.notes.push("it is not managed: these are the steps that would be taken if it were".to_owned());
    }
    match topic::plan::plan(&valid, view.as_ref()) {
        Ok(steps) => outcome.steps = steps.iter().map(shown).collect(),
        Err(refusal) => outcome.refusals.push(refusal.into()),
    }
    Ok(outcome)
}

fn shown(step: &topic::plan::Step) -> PlannedStep {
    PlannedStep { step: step.verb().to_owned(), reason: step.describe(), ..PlannedStep::default() }
}

/// The resource as it would be, and as it is if it is there; `None` where the API server refuses it.
async fn dry_run<K>(reach: &Reach, mut value: Value) -> anyhow::Result<(Outcome, Option<(K, Option<K>)>)>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Serialize,
{
    let kind = match K::kind(&()).as_ref() {
        "KafkaTopic" => "KafkaTopic",
        _ => "KafkaCluster",
    };
    let name = value["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let namespace = value["metadata"]["namespace"].as_str().unwrap_or(&reach.namespace).to_owned();
    let mut outcome = Outcome { kind, namespace: namespace.clone(), name: name.clone(), ..Outcome::default() };
    let what = format!("{kind} {namespace}/{name}");
    let api = Api::<K>::namespaced(reach.client.clone(), &namespace);
    let live = api.get_opt(&name).await.with_context(|| format!("cannot read {what}"))?;
    let params = PatchParams {
        dry_run: true,
        field_manager: Some(DRY_RUN.to_owned()),
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::default()
    };
    value["metadata"]["namespace"] = namespace.into();
    let applied = match &live {
        None => api.patch(&name, &params, &Patch::Apply(&value)).await,
        Some(live) => {
            ensure!(live.meta().deletion_timestamp.is_none(), "{what} is being deleted");
            let spec = &serde_json::to_value(live)?["spec"];
            let metadata = &value["metadata"];
            // Labels and annotations of others stay; of the spec nothing does that the file does not say.
            let patch = json!({
                "metadata": { "labels": metadata["labels"], "annotations": metadata["annotations"] },
                "spec": difference(spec, &value["spec"]),
            });
            api.patch(&name, &params, &Patch::Merge(&without_nulls_of_metadata(patch))).await
        }
    };
    match applied {
        Ok(applied) => Ok((outcome, Some((applied, live)))),
        // Refused as what it is; anything else is no answer to the question.
        Err(kube::Error::Api(status)) if matches!(status.code, 400 | 409 | 422) => {
            outcome.refusals = told(&status);
            Ok((outcome, None))
        }
        Err(error) => {
            Err(error).with_context(|| format!("cannot dry-run {what} (field manager {DRY_RUN}, not {MANAGER})"))
        }
    }
}

/// The fields that the API server has something against.
fn told(status: &kube::core::Status) -> Vec<Told> {
    let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
    let told = |field: &str, message: &str| Told {
        reason: if status.reason.is_empty() { "Invalid".to_owned() } else { status.reason.clone() },
        field: field.to_owned(),
        message: message.to_owned(),
    };
    if causes.is_empty() {
        return vec![told("the resource", &status.message)];
    }
    causes.iter().map(|cause| told(&cause.field, &cause.message)).collect()
}

/// The merge patch (RFC 7396) that turns a value into another.
fn difference(from: &Value, to: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (from, to) else { return to.clone() };
    let mut patch = Map::new();
    for key in from.keys().filter(|key| !to.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, to) in to {
        let changed = from.get(key).map_or_else(|| to.clone(), |from| difference(from, to));
        patch.insert(key.clone(), changed);
    }
    Value::Object(patch)
}

/// What a file does not say of labels and annotations takes none away.
fn without_nulls_of_metadata(mut patch: Value) -> Value {
    if let Some(metadata) = patch["metadata"].as_object_mut() {
        metadata.retain(|_, value| !value.is_null());
    }
    patch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patch_leaves_nothing_that_the_file_does_not_say() {
        let live = json!({ "config": { "a": 1, "b": 2 }, "rack": { "topologyKey": "k" }, "pools": [{ "name": "x" }] });
        let file = json!({ "config": { "a": 3 }, "pools": [], "version": "1" });
        assert_eq!(
            difference(&live, &file),
            json!({ "config": { "a": 3, "b": null }, "rack": null, "pools": [], "version": "1" })
        );
        let quiet = without_nulls_of_metadata(json!({ "metadata": { "labels": null, "annotations": { "a": "b" } } }));
        assert_eq!(quiet, json!({ "metadata": { "annotations": { "a": "b" } } }));
    }
}
