//! The second read of a reconcile: what the plan needs to know of the pods that it may have to stop. Which questions those
//! are is told by pure functions; only here are they asked.

use std::time::Duration;

use odradek_crds::BrokerPhase;

use super::{
    desired::properties::HTTP_PORT,
    observe::Observed,
    plan,
    pods::PodView,
    safety::{holder, standing_questions},
    validate::Validated,
    version::to_raise,
};
use crate::kafka::{
    KafkaAdmin,
    restart::{self, Ask, Door, NodeSet, RestartVerdict},
};

/// Pods that are tried before it is said that none answers.
const TRIES: usize = 3;
/// Bound on what a pod says of itself.
const READINESS_TIMEOUT: Duration = Duration::from_secs(1);
/// Bound on what the active controller says of a level.
const FEATURES_TIMEOUT: Duration = Duration::from_secs(3);

/// Asks all that the plan has to know, from inside of the Kubernetes cluster.
pub async fn ask(valid: &Validated, observed: &mut Observed) {
    ask_through(valid, observed, door).await;
}

/// Asks all that the plan has to know, each pod through its door.
pub async fn ask_through(valid: &Validated, observed: &mut Observed, door: impl Fn(&PodView) -> Option<Door>) {
    recovering(observed, &door).await;
    let doors: Vec<Door> = observed.pods.iter().filter(|pod| pod.ready()).filter_map(&door).collect();
    while let Some(set) = next_question(valid, observed) {
        match any(&doors, Ask::Check, &set, &holder(valid), Duration::ZERO).await {
            Ok(verdict) => {
                observed.restart.verdicts.insert(set, verdict);
            }
            Err(failure) => {
                observed.restart.failure = Some(failure);
                return;
            }
        }
    }
}

/// Asks the active controller whether every broker and controller reads the level that the spec wants.
pub async fn may_raise(valid: &Validated, observed: &mut Observed, kafka: &dyn KafkaAdmin) {
    let Some(level) = to_raise(valid, observed) else { return };
    let asked = tokio::time::timeout(FEATURES_TIMEOUT, kafka.raise_metadata_version(level.level(), true)).await;
    observed.may_raise = Some(match asked {
        Ok(answer) => answer.map_err(|failure| failure.to_string()),
        Err(_) => Err(format!("the active controller did not answer within {FEATURES_TIMEOUT:?}")),
    });
}

/// What has to be asked next. First what is asked always: what follows depends on who the active controller is.
pub fn next_question(valid: &Validated, observed: &Observed) -> Option<NodeSet> {
    let open = |set: &NodeSet| !observed.restart.verdicts.contains_key(set);
    let standing = standing_questions(valid).into_iter().find(open);
    standing.or_else(|| plan::questions(valid, observed).into_iter().find(open))
}

/// Where the processes of pods that serve are asked.
pub fn addresses(observed: &Observed) -> Vec<Door> {
    let ready = observed.pods.iter().filter(|pod| pod.ready());
    ready.filter_map(door).collect()
}

fn door(pod: &PodView) -> Option<Door> {
    let ip = pod.ip.as_ref()?;
    let host = if ip.contains(':') { format!("[{ip}]") } else { ip.clone() };
    Some(Door::Address(format!("{host}:{HTTP_PORT}")))
}

/// Asks one process after the other until one answers.
pub async fn any(
    doors: &[Door],
    ask: Ask,
    set: &NodeSet,
    holder: &str,
    ttl: Duration,
) -> Result<RestartVerdict, String> {
    let mut failure = "no pod serves that could be asked".to_owned();
    for door in doors.iter().take(TRIES) {
        match restart::ask(door, ask, set, holder, ttl).await {
            Ok(verdict) => return Ok(verdict),
            Err(why) => failure = why,
        }
    }
    Err(failure)
}

/// A pod that runs and does not serve is asked why: one that recovers its logs must not be stopped.
async fn recovering(observed: &mut Observed, door: impl Fn(&PodView) -> Option<Door>) {
    for pod in observed.pods.iter_mut().filter(|pod| pod.phase == BrokerPhase::Starting) {
        let Some(door) = door(pod) else { continue };
        if let Ok(Ok(reasons)) = tokio::time::timeout(READINESS_TIMEOUT, restart::readiness(&door)).await {
            pod.recovering = reasons.into_iter().find(|reason| reason.contains("recovering"));
        }
    }
}
