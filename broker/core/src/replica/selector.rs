//! Which replica a consumer had better read from (KIP-392, M19).

/// A replica that could serve the consumer: in sync, alive, and with the offset that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadReplica<'a> {
    /// The broker.
    pub id: i32,
    /// Its `broker.rack`.
    pub rack: Option<&'a str>,
    /// Where its log ends, as far as the leader knows.
    pub log_end: i64,
}

/// `RackAwareReplicaSelector`: the leader when it is in the consumer's rack or when nobody is; else who has most there,
/// and of equals the one with the lowest id. `None` means the leader.
#[must_use]
pub fn rack_aware<'a>(
    client_rack: &str,
    leader_rack: Option<&str>,
    followers: impl Iterator<Item = ReadReplica<'a>>,
) -> Option<i32> {
    if client_rack.is_empty() || leader_rack == Some(client_rack) {
        return None;
    }
    followers
        .filter(|replica| replica.rack == Some(client_rack))
        .max_by_key(|replica| (replica.log_end, std::cmp::Reverse(replica.id)))
        .map(|replica| replica.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_chosen_and_of_them_who_has_most() {
        let replicas = || {
            [(2, Some("a"), 5), (3, Some("b"), 7), (4, Some("b"), 9), (5, Some("b"), 9), (6, None, 99)]
                .map(|(id, rack, log_end)| ReadReplica { id, rack, log_end })
                .into_iter()
        };
        assert_eq!(rack_aware("b", Some("a"), replicas()), Some(4));
        assert_eq!(rack_aware("a", None, replicas()), Some(2));
        assert_eq!(rack_aware("b", Some("b"), replicas()), None, "the leader is near");
        assert_eq!(rack_aware("c", Some("a"), replicas()), None, "nobody is");
        assert_eq!(rack_aware("", Some("a"), replicas()), None, "the consumer does not say where it is");
    }
}
