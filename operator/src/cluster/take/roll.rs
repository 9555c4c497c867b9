//! A pod goes, so that its set makes it anew from the present template.

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Client,
    api::{ApiResource, PropagationPolicy},
};

use crate::{
    apply::{self, ApplyError},
    cluster::pods::PodView,
};

/// Deletes the pod that was judged, and no other of its name.
pub(super) async fn delete(client: &Client, namespace: &str, pod: &PodView) -> Result<(), ApplyError> {
    let api = ApiResource::erase::<Pod>(&());
    apply::delete(client, namespace, &api, &pod.name, &pod.uid, PropagationPolicy::Background).await
}
