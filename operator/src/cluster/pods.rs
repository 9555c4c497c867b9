//! A pod as the plan sees it. Pure.

use k8s_openapi::{
    api::core::v1::{ContainerStatus, Pod},
    jiff::Timestamp,
};
use kube::ResourceExt;
use odradek_crds::BrokerPhase;

use crate::names;

/// What matters of a broker's or controller's pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodView {
    /// Name of the pod.
    pub name: String,
    /// UID, so that only the pod that was judged is deleted.
    pub uid: String,
    /// Its StatefulSet.
    pub set: String,
    /// Its node id.
    pub id: i32,
    /// Whether it is a broker.
    pub broker: bool,
    /// Whether it is a controller.
    pub controller: bool,
    /// Hash of the template that it was made from.
    pub revision: String,
    /// Node of Kubernetes that it runs on.
    pub node: Option<String>,
    /// The zone of that node when the pod was put there, which Kubernetes copies to pods from 1.35 on.
    pub zone: Option<String>,
    /// What it is doing.
    pub phase: BrokerPhase,
    /// Why it cannot run at all, so that replacing it can only help.
    pub stuck: Option<String>,
    /// Its address.
    pub ip: Option<String>,
    /// Since when it serves.
    pub ready_since: Option<Timestamp>,
    /// What it says of the logs that it recovers: it does not serve yet, and would begin anew if it were stopped.
    pub recovering: Option<String>,
}

/// Reasons of a waiting container that no time heals.
const STUCK: [&str; 7] = [
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImagePull",
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
];

impl PodView {
    /// The view of a pod, or nothing if it is none of a set's pods. The key is that of the label with a node's zone.
    pub fn of(pod: &Pod, topology_key: &str) -> Option<PodView> {
        let name = pod.name_any();
        let id = name.rsplit('-').next()?.parse().ok()?;
        let labels = pod.labels();
        let status = pod.status.as_ref();
        let conditions = status.and_then(|s| s.conditions.as_deref()).unwrap_or_default();
        let serves = conditions.iter().find(|condition| condition.type_ == "Ready" && condition.status == "True");
        let ready = serves.is_some();
        let ready_since = serves.and_then(|condition| condition.last_transition_time.as_ref()).map(|time| time.0);
        let stuck = stuck(pod);
        let running = status.and_then(|s| s.phase.as_deref()) == Some("Running");
        let phase = if pod.metadata.deletion_timestamp.is_some() {
            BrokerPhase::Stopping
        } else if ready {
            BrokerPhase::Ready
        } else if stuck.is_some() {
            BrokerPhase::Failing
        } else if running {
            BrokerPhase::Starting
        } else {
            BrokerPhase::Pending
        };
        Some(PodView {
            uid: pod.uid().unwrap_or_default(),
            set: labels.get(names::SET_LABEL)?.clone(),
            id,
            broker: labels.contains_key(names::BROKER_LABEL),
            controller: labels.contains_key(names::CONTROLLER_LABEL),
            revision: labels.get("controller-revision-hash").cloned().unwrap_or_default(),
            node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
            zone: labels.get(topology_key).cloned(),
            ip: status.and_then(|status| status.pod_ip.clone()),
            ready_since,
            recovering: None,
            phase,
            stuck,
            name,
        })
    }

    /// Whether it serves.
    pub fn ready(&self) -> bool {
        self.phase == BrokerPhase::Ready
    }
}

fn stuck(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let containers: &[ContainerStatus] = status.container_statuses.as_deref().unwrap_or_default();
    let waiting = containers.iter().find_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref().filter(|reason| STUCK.contains(reason))?;
        // What the container said last is worth more than how Kubernetes waits.
        let last = container
            .last_state
            .as_ref()
            .and_then(|state| state.terminated.as_ref())
            .map(|ended| format!(", last exit code {}", ended.exit_code))
            .unwrap_or_default();
        Some(format!("{reason}{last}"))
    });
    let unschedulable = || {
        status.conditions.as_deref().unwrap_or_default().iter().find_map(|condition| {
            let stuck = condition.type_ == "PodScheduled"
                && condition.status == "False"
                && condition.reason.as_deref() == Some("Unschedulable");
            stuck.then(|| format!("Unschedulable: {}", condition.message.as_deref().unwrap_or("no node fits")))
        })
    };
    waiting.or_else(unschedulable)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ZONE: &str = "topology.kubernetes.io/zone";

    fn view(status: serde_json::Value) -> PodView {
        let pod = json!({
            "metadata": {
                "name": "demo-broker-a-1000",
                "uid": "u",
                "labels": { "odradek.dev/set": "demo-broker-a", "odradek.dev/broker": "true", ZONE: "zone-a" },
            },
            "status": status,
        });
        PodView::of(&serde_json::from_value(pod).expect("a pod"), ZONE).expect("a broker's pod")
    }

    #[test]
    fn phases_follow_the_pod() {
        let ready = view(json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] }));
        assert_eq!((ready.id, ready.phase, ready.zone.as_deref()), (1000, BrokerPhase::Ready, Some("zone-a")));
        assert_eq!(view(json!({ "phase": "Running" })).phase, BrokerPhase::Starting);
        assert_eq!(view(json!({ "phase": "Pending" })).phase, BrokerPhase::Pending);
    }

    #[test]
    fn a_pod_that_cannot_run_says_why() {
        let crash = view(json!({ "phase": "Running", "containerStatuses": [{
            "name": "broker", "image": "i", "imageID": "", "ready": false, "restartCount": 3,
            "state": { "waiting": { "reason": "CrashLoopBackOff" } },
            "lastState": { "terminated": { "exitCode": 2 } },
        }] }));
        assert_eq!(crash.phase, BrokerPhase::Failing);
        assert_eq!(crash.stuck.as_deref(), Some("CrashLoopBackOff, last exit code 2"));
        let pending = view(json!({ "phase": "Pending", "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes",
        }] }));
        assert_eq!(pending.stuck.as_deref(), Some("Unschedulable: 0/3 nodes"));
    }
}
