//! Changes of who votes among the controllers.

use crate::{
    cluster::{observe::Observed, safety::view, validate::Validated},
    kafka::{KafkaAdmin, KafkaFailure, quorum::find},
};

/// Makes an observer a voter.
pub(super) async fn add(
    kafka: &dyn KafkaAdmin,
    valid: &Validated,
    observed: &Observed,
    id: i32,
) -> Result<(), KafkaFailure> {
    let quorum = view(valid, observed).ok().and_then(|view| view.quorum.as_ref());
    match quorum.and_then(|quorum| find(&quorum.observers, id)) {
        Some(observer) => kafka.add_voter(&valid.cluster_id, observer).await,
        None => Ok(()),
    }
}

/// Takes a voter out.
pub(super) async fn remove(
    kafka: &dyn KafkaAdmin,
    valid: &Validated,
    observed: &Observed,
    id: i32,
) -> Result<(), KafkaFailure> {
    let quorum = view(valid, observed).ok().and_then(|view| view.quorum.as_ref());
    match quorum.and_then(|quorum| find(&quorum.voters, id)) {
        Some(voter) => kafka.remove_voter(&valid.cluster_id, voter).await,
        None => Ok(()),
    }
}
