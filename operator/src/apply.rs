//! Server-side apply with one field manager, and removal of what is no longer wanted.

use k8s_openapi::NamespaceResourceScope;
use kube::{
    Api, Client, Resource,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions, PropagationPolicy},
};
use serde::Serialize;
use serde_json::Value;

use crate::{
    names::{self, APPLIED_ANNOTATION, MANAGER},
    quantity::milli_bytes,
};

/// An object that should be there.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its kind in the API.
    pub api: ApiResource,
    /// Its name.
    pub name: String,
    /// All that is applied, with the hash of it as an annotation.
    pub value: Value,
}

/// A change that Kubernetes did not take.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A request was refused.
    #[error("cannot {verb} {kind} {name}: {source}")]
    Refused {
        /// What was tried.
        verb: &'static str,
        /// Kind of the object.
        kind: String,
        /// Name of the object.
        name: String,
        /// Why it failed.
        source: Box<kube::Error>,
    },
    /// The active controller did not let pods stop after all.
    #[error("the lease to stop {pods} is not given: {why}")]
    NotGranted {
        /// The pods.
        pods: String,
        /// Why not.
        why: String,
    },
    /// The brokers did not take it.
    #[error("cannot {verb}: {source}")]
    Kafka {
        /// What was tried.
        verb: &'static str,
        /// Why it failed.
        source: crate::kafka::KafkaFailure,
    },
    /// An object could not be turned into JSON.
    #[error("cannot serialise {kind}: {source}")]
    Serialise {
        /// Kind of the object.
        kind: String,
        /// Why it failed.
        source: serde_json::Error,
    },
}

impl Object {
    /// The object as it is applied.
    pub fn of<K>(object: &K) -> Result<Object, ApplyError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Serialize,
    {
        let value = serde_json::to_value(object)
            .map_err(|source| ApplyError::Serialise { kind: K::kind(&()).into_owned(), source })?;
        let name = object.meta().name.clone().unwrap_or_default();
        let mut object = Object { api: ApiResource::erase::<K>(&()), name, value };
        object.seal();
        Ok(object)
    }

    /// Writes the hash of all the rest into the object, after its value was changed.
    pub fn seal(&mut self) {
        if let Some(Value::Object(annotations)) = self.value.pointer_mut("/metadata/annotations") {
            annotations.remove(APPLIED_ANNOTATION);
        }
        let hash = format!("{:016x}", names::fnv1a(self.value.to_string().as_bytes()));
        self.value["metadata"]["annotations"][APPLIED_ANNOTATION] = Value::String(hash);
    }

    /// Whether the live object has to be changed. It has not when it carries the hash of what is
    /// wanted (so nothing of ours was taken back) and every wanted field (so nobody changed one).
    pub fn differs_from(&self, live: &Value) -> bool {
        let hash = |value: &Value| value["metadata"]["annotations"][APPLIED_ANNOTATION].clone();
        hash(&self.value) != hash(live) || !contains(live, &self.value)
    }
}

/// Whether the live value has every wanted field with its value.
pub fn contains(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => wanted.iter().all(|(key, wanted)| {
            match (live.get(key), wanted) {
                // Others may own the object too, and hold it with finalizers.
                (Some(Value::Array(live)), Value::Array(wanted)) if key == "ownerReferences" => {
                    wanted.iter().all(|wanted| live.iter().any(|live| contains(live, wanted)))
                }
                (Some(live), wanted) => contains(live, wanted),
                // The API drops what is empty.
                (None, wanted) => is_empty(wanted),
            }
        }),
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len() && live.iter().zip(wanted).all(|(live, wanted)| contains(live, wanted))
        }
        (live, wanted) if live == wanted => true,
        // The API writes quantities in its own way: 1024Mi as 1Gi.
        (Value::String(live), Value::String(wanted)) => {
            milli_bytes(live).is_some_and(|live| milli_bytes(wanted) == Some(live))
        }
        (Value::String(live), Value::Number(wanted)) => {
            milli_bytes(live).is_some_and(|live| milli_bytes(&wanted.to_string()) == Some(live))
        }
        _ => false,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn api(client: &Client, namespace: &str, resource: &ApiResource) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, resource)
}

fn refused<'a>(verb: &'static str, kind: &'a str, name: &'a str) -> impl Fn(kube::Error) -> ApplyError + 'a {
    move |source| ApplyError::Refused { verb, kind: kind.to_owned(), name: name.to_owned(), source: Box::new(source) }
}

/// Makes the object, or brings it into shape.
///
/// Server-side apply leaves the items that somebody else put into a list, and they may even make the object invalid (two
/// ports of one name). The lists are then replaced as a whole first.
pub async fn apply(client: &Client, namespace: &str, object: &Object) -> Result<(), ApplyError> {
    let api = api(client, namespace, &object.api);
    let params = PatchParams::apply(MANAGER).force();
    let applied = api.patch(&object.name, &params, &Patch::Apply(&object.value)).await;
    let foreign_items = match &applied {
        Ok(live) => !contains(&serde_json::to_value(live).unwrap_or_default(), &object.value),
        Err(kube::Error::Api(status)) => status.code == 422,
        Err(_) => false,
    };
    let done = if foreign_items {
        let whole = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        match api.patch(&object.name, &whole, &Patch::Merge(&object.value)).await {
            Ok(_) => api.patch(&object.name, &params, &Patch::Apply(&object.value)).await,
            // It cannot be had that way either, and the first answer says more.
            Err(_) => applied,
        }
    } else {
        applied
    };
    done.map(drop).map_err(refused("apply", &object.api.kind, &object.name))
}

/// Deletes an object, if it is still the one that was judged. One that is gone is deleted.
pub async fn delete(
    client: &Client,
    namespace: &str,
    resource: &ApiResource,
    name: &str,
    uid: &str,
    propagation: PropagationPolicy,
) -> Result<(), ApplyError> {
    let params = DeleteParams {
        preconditions: Some(Preconditions { uid: Some(uid.to_owned()), resource_version: None }),
        propagation_policy: Some(propagation),
        ..DeleteParams::default()
    };
    match api(client, namespace, resource).delete(name, &params).await {
        Ok(_) => Ok(()),
        // Gone, or another one by now: what was judged is no longer there.
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
        Err(error) => Err(refused("delete", &resource.kind, name)(error)),
    }
}

/// Grows a claim.
pub async fn expand_claim(client: &Client, namespace: &str, name: &str, size: &str) -> Result<(), ApplyError> {
    let resource = ApiResource::erase::<k8s_openapi::api::core::v1::PersistentVolumeClaim>(&());
    let patch = serde_json::json!({ "spec": { "resources": { "requests": { "storage": size } } } });
    api(client, namespace, &resource)
        .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .map(drop)
        .map_err(refused("expand", &resource.kind, name))
}

/// Writes an annotation on a claim, or takes it off.
pub async fn annotate_claim(
    client: &Client,
    namespace: &str,
    name: &str,
    annotation: &str,
    value: Option<&str>,
) -> Result<(), ApplyError> {
    let resource = ApiResource::erase::<k8s_openapi::api::core::v1::PersistentVolumeClaim>(&());
    let patch = serde_json::json!({ "metadata": { "annotations": { annotation: value } } });
    api(client, namespace, &resource)
        .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .map(drop)
        .map_err(refused("annotate", &resource.kind, name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_of_the_api_are_no_difference() {
        let live = json!({
            "a": { "b": 1, "more": true }, "list": [{ "x": "1Gi", "y": 2 }],
            "metadata": { "ownerReferences": [{ "uid": "other" }, { "uid": "ours", "k": 1 }] },
        });
        assert!(contains(&live, &json!({ "a": { "b": 1 }, "none": {} })));
        assert!(contains(&live, &json!({ "list": [{ "x": "1024Mi" }] })));
        assert!(contains(&live, &json!({ "metadata": { "ownerReferences": [{ "uid": "ours" }] } })));
    }

    #[test]
    fn drift_is_a_difference() {
        let live = json!({ "a": { "b": 1 }, "list": [1, 2] });
        assert!(!contains(&live, &json!({ "a": { "b": 2 } })));
        assert!(!contains(&live, &json!({ "list": [1] })));
        assert!(!contains(&live, &json!({ "a": { "c": 1 } })));
    }

    #[test]
    fn a_field_that_is_no_longer_wanted_is_a_difference() {
        let map = |data: serde_json::Value| {
            let value = json!({ "metadata": { "name": "m" }, "data": data });
            serde_json::from_value::<k8s_openapi::api::core::v1::ConfigMap>(value).expect("a map")
        };
        let before = Object::of(&map(json!({ "a": "1", "b": "2" }))).expect("serialises");
        let after = Object::of(&map(json!({ "a": "1" }))).expect("serialises");
        assert!(!before.differs_from(&before.value));
        assert!(after.differs_from(&before.value));
    }
}
