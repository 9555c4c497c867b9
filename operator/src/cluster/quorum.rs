//! How the controllers' quorum follows the spec: one controller and one voter at a time. Pure.
//!
//! Growing: a pod more, which observes; once it has caught up it is made a voter; then the next pod. Shrinking: the voter
//! with the highest id is taken out, and only once a leader that votes says so does its pod go: until then the quorum may
//! need that pod to learn of it. Nothing is remembered: each look begins with who votes and which pods there should be.

use odradek_client::{QuorumDescription, QuorumReplica};

use super::{
    layout::{BLOCK, SetLayout},
    observe::{KafkaState, Observed},
    pods::PodView,
};

/// A voter that had all of the log so lately is up to date. The leader hears of each one several times a second.
const UP_TO_DATE_MS: i64 = 5_000;

/// What is next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// How many pods of controllers there should be now.
    pub replicas: i32,
    /// How the voters have to change next.
    pub change: Option<Change>,
    /// What that waits for.
    pub waits: Option<String>,
}

/// A change of the voters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// This controller becomes a voter.
    Add(i32),
    /// This one is a voter no more.
    Remove(i32),
}

/// What is known when the course is set.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The quorum, or why nobody tells of it.
    pub quorum: Result<&'a QuorumDescription, &'a str>,
    /// Ids of the controllers whose pods serve.
    pub serving: &'a [i32],
    /// Ids of the controllers that have a pod.
    pub pods: &'a [i32],
}

/// What is next for the controllers of a set, by what was read.
pub fn next(set: &SetLayout, cluster_id: &str, observed: &Observed) -> Course {
    let ids = |keep: fn(&PodView) -> bool| -> Vec<i32> {
        observed.pods.iter().filter(|pod| pod.set == set.name && keep(pod)).map(|pod| pod.id).collect()
    };
    let (serving, pods) = (ids(PodView::ready), ids(|_| true));
    let quorum = match &observed.kafka {
        KafkaState::View(view) if view.cluster_id == cluster_id => {
            view.quorum.as_ref().ok_or("no active controller tells who votes")
        }
        KafkaState::View(_) => Err("the brokers answer for another cluster"),
        KafkaState::NotServing => Err("no broker serves that could be asked who votes"),
        KafkaState::Failed(_) => Err("the brokers cannot be asked who votes"),
    };
    course(set, &Known { quorum, serving: &serving, pods: &pods })
}

/// What is next for the controllers of a set: it has `replicas` of them, and should have `wanted`.
pub fn course(set: &SetLayout, known: &Known<'_>) -> Course {
    let there = set.first_id + set.replicas;
    let end = set.first_id + set.wanted;
    let stay = |change: Option<Change>, waits: Option<String>| Course { replicas: set.replicas, change, waits };
    let next = || match () {
        () if there < end => Some(Change::Add(there)),
        () if there > end => Some(Change::Remove(there - 1)),
        () => None,
    };
    let quorum = match known.quorum {
        Ok(quorum) if quorum.voters.iter().all(|voter| !voter.directory_id.is_nil()) => quorum,
        Ok(_) => return stay(next(), next().map(|_| "the quorum has yet to form".to_owned())),
        Err(why) => return stay(next(), next().map(|_| why.to_owned())),
    };
    let votes = |id: i32| quorum.voters.iter().any(|voter| voter.id == id);
    let ours = |id: &i32| (set.first_id..set.first_id + BLOCK).contains(id);
    // Who votes has a pod, whatever became of the number that was written on the set.
    let beyond = quorum.voters.iter().map(|voter| voter.id).filter(|id| ours(id) && *id >= there);
    if let Some(last) = beyond.clone().filter(|id| *id < end || known.pods.contains(id)).max() {
        return Course { replicas: last - set.first_id + 1, change: None, waits: None };
    }
    let unwell = |except: Option<i32>| unwell(quorum, known, except);
    if let Some(gone) = beyond.max() {
        return stay(Some(Change::Remove(gone)), unwell(Some(gone)));
    }
    if let Some(id) = (set.first_id..there.min(end)).find(|id| !votes(*id)) {
        let waits = unwell(None).or_else(|| not_ready_to_vote(quorum, known, id));
        return stay(Some(Change::Add(id)), waits);
    }
    if there < end {
        let waits = unwell(None);
        let replicas = set.replicas + i32::from(waits.is_none());
        let waits = waits.or_else(|| Some("its pod is made first".to_owned()));
        return Course { replicas, change: next(), waits };
    }
    if there > end {
        let last = there - 1;
        if votes(last) {
            return stay(next(), unwell(Some(last)));
        }
        // A leader that took itself out may be the only one that knows of it.
        return match quorum.leader.filter(|leader| votes(*leader)) {
            Some(_) => Course { replicas: set.replicas - 1, change: None, waits: None },
            None => stay(next(), Some("no controller is active".to_owned())),
        };
    }
    stay(None, None)
}

/// Why the quorum should not change now, but for what may be wrong with one of its voters.
fn unwell(quorum: &QuorumDescription, known: &Known<'_>, except: Option<i32>) -> Option<String> {
    if quorum.leader.is_none() {
        return Some("no controller is active".to_owned());
    }
    quorum.voters.iter().filter(|voter| Some(voter.id) != except).find_map(|voter| {
        if !known.serving.contains(&voter.id) {
            return Some(format!("controller {}, which votes, does not serve", voter.id));
        }
        behind(quorum, voter).map(|why| format!("controller {}, which votes, {why}", voter.id))
    })
}

fn not_ready_to_vote(quorum: &QuorumDescription, known: &Known<'_>, id: i32) -> Option<String> {
    let Some(observer) = quorum.observers.iter().find(|observer| observer.id == id) else {
        return Some("it has yet to follow the metadata log".to_owned());
    };
    if !known.serving.contains(&id) {
        return Some("it does not serve yet".to_owned());
    }
    behind(quorum, observer).map(|why| format!("it {why}"))
}

/// What a controller lacks, by the clock of the leader.
fn behind(quorum: &QuorumDescription, replica: &QuorumReplica) -> Option<String> {
    let of_leader = quorum.voters.iter().find(|voter| Some(voter.id) == quorum.leader);
    let now = of_leader.and_then(|leader| leader.last_caught_up_ms)?;
    match replica.last_caught_up_ms {
        Some(at) if now - at <= UP_TO_DATE_MS => None,
        Some(at) => Some(format!("has not had all of the metadata log for {} s", (now - at) / 1_000)),
        None => Some("has yet to catch up".to_owned()),
    }
}

#[cfg(test)]
#[path = "quorum_tests.rs"]
mod tests;
