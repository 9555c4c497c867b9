//! The pods of a set.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource,
        HTTPGetAction, ObjectFieldSelector, PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ResourceRequirements,
        SeccompProfile, SecurityContext, Volume, VolumeMount,
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};
use odradek_crds::{Role, StorageType};

use super::{
    affinity,
    properties::{self, CONTROLLER_PORT, HTTP_PORT, MOUNT, REPLICATION_PORT},
    stateful_set,
};
use crate::{
    cluster::{
        layout::SetLayout,
        validate::{Pool, Validated},
    },
    names::{self, CONFIG_HASH_ANNOTATION},
};

/// The volume that holds the data, which is also the first part of the names of its claims.
pub(super) const DATA_VOLUME: &str = "data";
const CONFIG_VOLUME: &str = "config";
const CONFIG_MOUNT: &str = "/etc/odradek";
/// The user of the broker's image.
const USER: i64 = 10001;
/// Longer than the broker's own bound of a controlled shutdown.
const GRACE_SECONDS: i64 = 60;

/// The template of the pods of a set.
pub(super) fn template(cluster: &Validated, pool: &Pool, set: &SetLayout) -> PodTemplateSpec {
    PodTemplateSpec { metadata: Some(metadata(cluster, pool, set)), spec: Some(spec(cluster, pool, set)) }
}

fn metadata(cluster: &Validated, pool: &Pool, set: &SetLayout) -> ObjectMeta {
    let mut labels = pool.template.metadata.labels.clone();
    labels.extend(names::common_labels(&cluster.name));
    labels.extend(stateful_set::set_labels(cluster, pool, set));
    for (role, label) in [(Role::Broker, names::BROKER_LABEL), (Role::Controller, names::CONTROLLER_LABEL)] {
        if pool.has(role) {
            labels.insert(label.to_owned(), "true".to_owned());
        }
    }
    let mut annotations = pool.template.metadata.annotations.clone();
    annotations.insert(CONFIG_HASH_ANNOTATION.to_owned(), properties::hash(cluster, pool));
    ObjectMeta { labels: Some(labels), annotations: Some(annotations), ..ObjectMeta::default() }
}

fn spec(cluster: &Validated, pool: &Pool, set: &SetLayout) -> PodSpec {
    let said = &pool.template;
    let zone = set.zone.as_deref();
    PodSpec {
        affinity: affinity::affinity(cluster, pool, zone),
        automount_service_account_token: Some(false),
        containers: vec![container(cluster, pool, zone)],
        enable_service_links: Some(false),
        image_pull_secrets: some_unless_empty(&said.image_pull_secrets),
        node_selector: (!said.node_selector.is_empty()).then(|| said.node_selector.clone()),
        priority_class_name: said.priority_class_name.clone(),
        scheduler_name: said.scheduler_name.clone(),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            fs_group: Some(USER),
            // Without it, every start would walk over all segments.
            fs_group_change_policy: Some("OnRootMismatch".to_owned()),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
            ..PodSecurityContext::default()
        }),
        termination_grace_period_seconds: Some(said.termination_grace_period_seconds.unwrap_or(GRACE_SECONDS)),
        tolerations: some_unless_empty(&said.tolerations),
        topology_spread_constraints: Some(affinity::spread(cluster, pool, zone)),
        volumes: Some(volumes(cluster, pool)),
        ..PodSpec::default()
    }
}

fn container(cluster: &Validated, pool: &Pool, zone: Option<&str>) -> Container {
    let mut args = vec!["--config".to_owned(), format!("{CONFIG_MOUNT}/server.properties")];
    for pair in properties::overrides(cluster, pool, zone) {
        args.extend(["--override".to_owned(), pair]);
    }
    Container {
        name: if pool.has(Role::Broker) { "broker" } else { "controller" }.to_owned(),
        image: Some(cluster.image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        args: Some(args),
        env: Some(vec![
            env("POD_NAME", "metadata.name"),
            env("POD_NAMESPACE", "metadata.namespace"),
            env("POD_INDEX", "metadata.labels['apps.kubernetes.io/pod-index']"),
        ]),
        ports: Some(ports(cluster, pool)),
        // A broker is alive while it recovers, so that the bounds can be wide for all else.
        startup_probe: Some(probe("/livez", 1, 300)),
        liveness_probe: Some(probe("/livez", 10, 6)),
        readiness_probe: Some(probe("/readyz", 1, 3)),
        resources: pool.resources.as_ref().map(|resources| ResourceRequirements {
            requests: quantities(&resources.requests),
            limits: quantities(&resources.limits),
            ..ResourceRequirements::default()
        }),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
            ..SecurityContext::default()
        }),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(vec![mount(CONFIG_VOLUME, CONFIG_MOUNT, true), mount(DATA_VOLUME, MOUNT, false)]),
        ..Container::default()
    }
}

fn ports(cluster: &Validated, pool: &Pool) -> Vec<ContainerPort> {
    let mut ports = Vec::new();
    if pool.has(Role::Broker) {
        ports.extend(cluster.listeners.iter().map(|l| (l.name.clone(), l.port)));
        ports.push(("replication".to_owned(), REPLICATION_PORT));
    }
    if pool.has(Role::Controller) {
        ports.push(("controller".to_owned(), CONTROLLER_PORT));
    }
    ports.push(("http".to_owned(), HTTP_PORT));
    ports
        .into_iter()
        .map(|(name, port)| ContainerPort {
            name: Some(name),
            container_port: i32::from(port),
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        })
        .collect()
}

fn volumes(cluster: &Validated, pool: &Pool) -> Vec<Volume> {
    let mut volumes = vec![Volume {
        name: CONFIG_VOLUME.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: names::config_map(&cluster.name, &pool.name),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }];
    if pool.storage.type_ == StorageType::Ephemeral {
        volumes.push(Volume {
            name: DATA_VOLUME.to_owned(),
            empty_dir: Some(EmptyDirVolumeSource {
                size_limit: Some(Quantity(pool.storage.size.clone())),
                medium: None,
            }),
            ..Volume::default()
        });
    }
    volumes
}

fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

fn env(name: &str, field: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector { api_version: None, field_path: field.to_owned() }),
            ..EnvVarSource::default()
        }),
        value: None,
    }
}

fn probe(path: &str, period_seconds: i32, failure_threshold: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::Int(i32::from(HTTP_PORT)),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        failure_threshold: Some(failure_threshold),
        timeout_seconds: Some(if period_seconds > 1 { 5 } else { 1 }),
        ..Probe::default()
    }
}

fn quantities(map: &BTreeMap<String, Quantity>) -> Option<BTreeMap<String, Quantity>> {
    (!map.is_empty()).then(|| map.clone())
}

fn some_unless_empty<T: Clone>(items: &[T]) -> Option<Vec<T>> {
    (!items.is_empty()).then(|| items.to_vec())
}
