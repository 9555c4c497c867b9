//! Replicas move: throttles first, then the reassignments, and throttles go when they are over.

use crate::{
    cluster::rebalance::{MoveBatch, Unthrottle},
    kafka::{KafkaAdmin, KafkaFailure},
};

/// Begins moves. Nothing begins unthrottled: what fails before leaves everything as it is.
pub(super) async fn begin(admin: &dyn KafkaAdmin, batch: &MoveBatch) -> Result<(), KafkaFailure> {
    // A topic that gets another number of replicas is not moved meanwhile.
    let _turn = admin.turn().await;
    if !batch.rate.is_empty() {
        admin.configure_brokers(&batch.rate).await?;
    }
    let topics: Vec<String> = batch.begun.throttled.keys().cloned().collect();
    if !topics.is_empty() {
        let set = admin.throttled(&topics).await?;
        let changes: Vec<_> = set.iter().map(|(topic, set)| (topic.clone(), batch.named(topic, set))).collect();
        let changes: Vec<_> = changes.into_iter().filter(|(_, changes)| !changes.is_empty()).collect();
        admin.configure_topics(&changes).await?;
    }
    admin.move_replicas(&batch.begun.moves).await
}

/// Takes throttles back.
pub(super) async fn unthrottle(admin: &dyn KafkaAdmin, over: &Unthrottle) -> Result<(), KafkaFailure> {
    if !over.topics.is_empty() {
        admin.configure_topics(&over.topics).await?;
    }
    if !over.rate.is_empty() {
        admin.configure_brokers(&over.rate).await?;
    }
    Ok(())
}
