//! Two releases: an upgrade rolls and raises nothing by itself, the way back is open until `spec.metadataVersion` has
//! raised the level, and closed after it.

use std::time::Duration;

use anyhow::{Result, ensure};
use odradek_client::features::{MetadataVersion, PREVIOUS_RELEASE};
use odradek_e2e::kubernetes::{Clients, Namespace, compare, condition, in_namespace_alone};

const LONG: Duration = Duration::from_secs(300);
const SOON: Duration = Duration::from_secs(30);
const MANY: usize = 2_000;
const A_SECOND: usize = 500;
const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// The two images; their tags are no versions, so the spec says those.
const OLD_IMAGE: &str = "odradek/broker:previous-release";
const NEW_IMAGE: &str = "odradek/broker:dev";

fn cluster(version: &str, image: &str) -> String {
    format!(
        "apiVersion: odradek.dev/v1alpha1\nkind: KafkaCluster\nmetadata: {{ name: demo }}\nspec:\n  version: {version}\n  \
         image: {image}\n  \
         config: {{ default.replication.factor: 3, min.insync.replicas: 2 }}\n  nodePools:\n    - name: node\n      \
         replicas: 3\n      roles: [controller, broker]\n      storage: {{ size: 1Gi }}\n"
    )
}

/// The release becomes another one, pod by pod.
fn roll_to(namespace: &Namespace, spec: &str) -> Result<()> {
    let pods = namespace.pod_uids()?;
    namespace.patch("kafkacluster/demo", spec)?;
    namespace.wait_replaced(&pods, LONG)
}

fn wait_level(namespace: &Namespace, level: MetadataVersion) -> Result<()> {
    namespace.wait_object("kafkacluster/demo", SOON, |found| {
        let status = &found["status"];
        let has = status["metadataVersion"] == level.name();
        has.then_some(()).ok_or_else(|| format!("{} {}", status["metadataVersion"], status["plan"]))
    })
}

/// Ready=False with a message that says what is wrong with which field, and no pod is touched.
fn refused(namespace: &Namespace, spec: &str, says: &[&str]) -> Result<()> {
    let pods = namespace.pod_uids()?;
    namespace.patch("kafkacluster/demo", spec)?;
    namespace.wait_object("kafkacluster/demo", SOON, |found| {
        let ready = condition(found, "Ready").ok_or("no condition Ready")?;
        let current = ready["observedGeneration"] == found["metadata"]["generation"];
        let message = ready["message"].as_str().unwrap_or_default();
        let told = ready["status"] == "False" && says.iter().all(|says| message.contains(says));
        if told && current { Ok(()) } else { Err(ready.to_string()) }
    })?;
    ensure!(namespace.pod_uids()? == pods, "pods were touched");
    Ok(())
}

#[test]
#[ignore = "takes the images of two releases and three rolls: e2e/kubernetes --ignored"]
fn an_upgrade_has_a_way_back_until_metadata_version_is_raised() -> Result<()> {
    in_namespace_alone("versions", |namespace| {
        let (old, new) = (MetadataVersion::MINIMUM, MetadataVersion::LATEST);
        namespace.apply(&cluster(PREVIOUS_RELEASE, OLD_IMAGE))?;
        let back = format!(r#"{{"version":"{PREVIOUS_RELEASE}","image":"{OLD_IMAGE}"}}"#);
        let forth = format!(r#"{{"version":"{RELEASE}","image":"{NEW_IMAGE}"}}"#);
        namespace.wait_condition("kafkacluster/demo", "Ready", "True", LONG)?;
        wait_level(namespace, old)?;
        namespace.orders_topic()?;
        let clients = Clients::start(namespace)?;
        let mut acknowledged = clients.produce("orders", 0, MANY, A_SECOND)?.finish(LONG)?.acknowledged;

        // Forth, back, and forth again with the level.
        roll_to(namespace, &forth)?;
        wait_level(namespace, old)?;
        acknowledged.extend(clients.produce("orders", MANY, MANY, A_SECOND)?.finish(LONG)?.acknowledged);
        roll_to(namespace, &back)?;
        wait_level(namespace, old)?;
        let too_high = format!("release {PREVIOUS_RELEASE} reads metadata.version up to {old}, not {new}");
        refused(namespace, &format!(r#"{{"metadataVersion":"{new}"}}"#), &["spec.metadataVersion", &too_high])?;
        roll_to(namespace, &forth)?;
        wait_level(namespace, new)?;

        // No way back any more, and it is said before anything moves.
        let why = format!("the cluster has {new}, which is never lowered");
        refused(namespace, &back, &["spec.version", &why])?;
        refused(
            namespace,
            &format!(r#"{{"version":"{RELEASE}","metadataVersion":"{old}"}}"#),
            &["spec.metadataVersion"],
        )?;
        namespace.patch("kafkacluster/demo", r#"{"metadataVersion":null}"#)?;
        namespace.wait_condition("kafkacluster/demo", "Ready", "True", SOON)?;
        wait_level(namespace, new)?;
        compare(2 * MANY, &acknowledged, &clients.read_all("orders")?)
    })
}
