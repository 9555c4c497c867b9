//! The controllers' quorum.

use futures::future::BoxFuture;
use odradek_client::QuorumReplica;

use super::{KafkaFailure, live::LiveAdmin};

/// Kafka's code of a voter that votes already.
const DUPLICATE_VOTER: i16 = 126;
/// Kafka's code of a voter that is none.
const VOTER_NOT_FOUND: i16 = 127;

/// Changes of who votes.
pub trait QuorumAdmin: Send + Sync {
    /// Makes an observer a voter. Done as well when it votes already.
    fn add_voter<'a>(&'a self, cluster_id: &'a str, of: &'a QuorumReplica) -> BoxFuture<'a, Result<(), KafkaFailure>>;
    /// Takes a voter out. Done as well when it does not vote.
    fn remove_voter<'a>(
        &'a self,
        cluster_id: &'a str,
        of: &'a QuorumReplica,
    ) -> BoxFuture<'a, Result<(), KafkaFailure>>;
}

/// The controller's id among the voters, or the observers.
pub fn find(replicas: &[QuorumReplica], id: i32) -> Option<&QuorumReplica> {
    replicas.iter().find(|replica| replica.id == id)
}

fn unless(code: i16, done: Result<(), KafkaFailure>) -> Result<(), KafkaFailure> {
    done.or_else(|failure| if failure.is(code) { Ok(()) } else { Err(failure) })
}

impl QuorumAdmin for LiveAdmin {
    fn add_voter<'a>(&'a self, cluster_id: &'a str, of: &'a QuorumReplica) -> BoxFuture<'a, Result<(), KafkaFailure>> {
        Box::pin(async move {
            unless(DUPLICATE_VOTER, self.quorum.add_raft_voter(cluster_id, of).await.map_err(Into::into))
        })
    }

    fn remove_voter<'a>(
        &'a self,
        cluster_id: &'a str,
        of: &'a QuorumReplica,
    ) -> BoxFuture<'a, Result<(), KafkaFailure>> {
        Box::pin(async move {
            let done = self.quorum.remove_raft_voter(cluster_id, of.id, of.directory_id).await;
            unless(VOTER_NOT_FOUND, done.map_err(Into::into))
        })
    }
}
