use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const FIRST: i32 = 1000;
const NOW: i64 = 1_800_000_000_000;

fn set(replicas: i32, wanted: i32) -> SetLayout {
    SetLayout { name: "demo-controller".to_owned(), zone: None, first_id: FIRST, replicas, wanted }
}

fn replica(id: i32, caught_up_ms: Option<i64>) -> QuorumReplica {
    QuorumReplica {
        id,
        directory_id: Uuid::from_u128(u128::try_from(id).expect("no id below 0")),
        log_end_offset: 7,
        last_fetch_ms: caught_up_ms,
        last_caught_up_ms: caught_up_ms,
        endpoints: Vec::new(),
    }
}

fn quorum(voters: &[i32], observers: &[i32]) -> QuorumDescription {
    let all = |ids: &[i32]| ids.iter().map(|id| replica(*id, Some(NOW))).collect();
    QuorumDescription {
        leader: voters.first().copied(),
        leader_epoch: 3,
        high_watermark: 7,
        voters: all(voters),
        observers: all(observers),
    }
}

/// The course as a line: pods now, the change, what it waits for.
fn said(replicas: i32, wanted: i32, quorum: &QuorumDescription, serving: &[i32]) -> String {
    let known = Known { quorum: Ok(quorum), serving, pods: serving };
    let course = course(&set(replicas, wanted), &known);
    let change = course.change.map_or("-".to_owned(), |change| format!("{change:?}"));
    format!("{} {change} {}", course.replicas, course.waits.as_deref().unwrap_or("-"))
}

#[test]
fn it_grows_and_shrinks_one_by_one() {
    let (a, b, c) = (FIRST, FIRST + 1, FIRST + 2);
    // One becomes three.
    assert_eq!(said(1, 1, &quorum(&[a], &[]), &[a]), "1 - -");
    assert_eq!(said(1, 3, &quorum(&[a], &[]), &[a]), "2 Add(1001) its pod is made first");
    assert_eq!(said(2, 3, &quorum(&[a], &[]), &[a]), "2 Add(1001) it has yet to follow the metadata log");
    assert_eq!(said(2, 3, &quorum(&[a], &[b]), &[a]), "2 Add(1001) it does not serve yet");
    assert_eq!(said(2, 3, &quorum(&[a], &[b]), &[a, b]), "2 Add(1001) -");
    assert_eq!(said(2, 3, &quorum(&[a, b], &[]), &[a, b]), "3 Add(1002) its pod is made first");
    assert_eq!(said(3, 3, &quorum(&[a, b], &[c]), &[a, b, c]), "3 Add(1002) -");
    assert_eq!(said(3, 3, &quorum(&[a, b, c], &[]), &[a, b, c]), "3 - -");
    // And goes back.
    assert_eq!(said(3, 1, &quorum(&[a, b, c], &[]), &[a, b, c]), "3 Remove(1002) -");
    assert_eq!(said(3, 1, &quorum(&[a, b], &[c]), &[a, b, c]), "2 - -");
    assert_eq!(said(2, 1, &quorum(&[a, b], &[c]), &[a, b]), "2 Remove(1001) -");
    assert_eq!(said(2, 1, &quorum(&[a], &[b]), &[a, b]), "1 - -");
    assert_eq!(said(1, 1, &quorum(&[a], &[b, c]), &[a]), "1 - -");
}

#[test]
fn nothing_changes_unless_all_who_vote_are_well() {
    let (a, b, c) = (FIRST, FIRST + 1, FIRST + 2);
    let whole = quorum(&[a, b, c], &[]);
    assert_eq!(said(3, 5, &whole, &[a, b]), "3 Add(1003) controller 1002, which votes, does not serve");
    // Who goes may be dead already; nobody else may.
    assert_eq!(said(3, 1, &whole, &[a, b]), "3 Remove(1002) -");
    assert_eq!(said(3, 1, &whole, &[a, c]), "3 Remove(1002) controller 1001, which votes, does not serve");
    let mut lags = whole.clone();
    lags.voters[1].last_caught_up_ms = Some(NOW - 61_000);
    let why = "controller 1001, which votes, has not had all of the metadata log for 61 s";
    assert_eq!(said(3, 1, &lags, &[a, b, c]), format!("3 Remove(1002) {why}"));
    assert_eq!(said(3, 5, &lags, &[a, b, c]), format!("3 Add(1003) {why}"));
    let mut observer = quorum(&[a], &[b]);
    observer.observers[0].last_caught_up_ms = None;
    assert_eq!(said(2, 3, &observer, &[a, b]), "2 Add(1001) it has yet to catch up");
    let leaderless = QuorumDescription { leader: None, ..whole.clone() };
    assert_eq!(said(3, 5, &leaderless, &[a, b, c]), "3 Add(1003) no controller is active");
    // A leader that took itself out and still answers: its pod is needed.
    let out = QuorumDescription { leader: Some(b), ..quorum(&[a], &[]) };
    assert_eq!(said(2, 1, &out, &[a, b]), "2 Remove(1001) no controller is active");
}

#[test]
fn without_an_answer_nothing_changes_and_it_is_told_why() {
    let asked = |replicas, wanted| {
        let known = Known { quorum: Err("no broker serves yet"), serving: &[], pods: &[] };
        course(&set(replicas, wanted), &known)
    };
    assert_eq!(asked(3, 3), Course { replicas: 3, change: None, waits: None });
    let waits = Some("no broker serves yet".to_owned());
    assert_eq!(asked(3, 5), Course { replicas: 3, change: Some(Change::Add(1003)), waits: waits.clone() });
    assert_eq!(asked(3, 1), Course { replicas: 3, change: Some(Change::Remove(1002)), waits });
    let mut forming = quorum(&[FIRST], &[]);
    forming.voters[0].directory_id = Uuid::nil();
    assert_eq!(said(1, 3, &forming, &[FIRST]), "1 Add(1001) the quorum has yet to form");
}

#[test]
fn a_voter_beyond_the_number_that_was_written_keeps_its_pod_or_is_taken_out() {
    let (a, b, c) = (FIRST, FIRST + 1, FIRST + 2);
    let whole = quorum(&[a, b, c], &[]);
    assert_eq!(said(1, 1, &whole, &[a, b, c]), "3 - -", "their pods are there: they go one by one");
    assert_eq!(said(1, 3, &whole, &[a]), "3 - -", "they are wanted");
    assert_eq!(said(2, 1, &whole, &[a, b]), "2 Remove(1002) -", "nobody has its disk any more");
    let stranger = quorum(&[a, 7], &[]);
    assert_eq!(said(1, 1, &stranger, &[a]), "1 - -", "controllers of other places are a person's business");
}

/// What a controller of the model is.
#[derive(Clone, Debug, Default)]
struct Node {
    pod: bool,
    serving: bool,
    caught_up: bool,
}

/// Controllers, their pods, and who votes.
#[derive(Clone, Debug)]
struct Model {
    written: i32,
    wanted: i32,
    nodes: BTreeMap<i32, Node>,
    voters: BTreeSet<i32>,
}

impl Model {
    fn seen(&self) -> QuorumDescription {
        let state = |id: &i32| replica(*id, self.nodes[id].caught_up.then_some(NOW));
        let well: Vec<i32> = self.voters.iter().filter(|id| self.well(**id)).copied().collect();
        // As the real one: an observer is known once its process has said hello.
        let observes = |id: &&i32| !self.voters.contains(id) && self.nodes[id].serving;
        QuorumDescription {
            leader: well.first().copied().filter(|_| well.len() * 2 > self.voters.len()),
            voters: self.voters.iter().map(state).collect(),
            observers: self.nodes.keys().filter(observes).map(state).collect(),
            ..quorum(&[], &[])
        }
    }

    fn well(&self, id: i32) -> bool {
        let node = &self.nodes[&id];
        node.serving && node.caught_up
    }

    fn can_decide(&self) -> bool {
        self.voters.iter().filter(|id| self.well(**id)).count() * 2 > self.voters.len()
    }

    /// The operator looks and acts; `late` when the world went on in between.
    fn act(&mut self, late: impl FnOnce(&mut Model)) -> Result<(), TestCaseError> {
        let seen = self.seen();
        let of = |keep: fn(&Node) -> bool| -> Vec<i32> {
            self.nodes.iter().filter(|(_, node)| keep(node)).map(|(id, _)| *id).collect()
        };
        let (serving, pods) = (of(|node| node.serving), of(|node| node.pod));
        let answer = if seen.leader.is_some() { Ok(&seen) } else { Err("nobody answers") };
        let known = Known { quorum: answer, serving: &serving, pods: &pods };
        let course = course(&set(self.written, self.wanted), &known);
        prop_assert!((course.replicas - self.written).abs() <= 1, "{course:?} of {self:?}");
        late(self);
        let could = self.can_decide();
        for id in FIRST..FIRST + BLOCK.min(9) {
            let node = self.nodes.entry(id).or_default();
            let should = id < FIRST + course.replicas;
            if node.pod && !should {
                prop_assert!(!self.voters.contains(&id), "the pod of voter {id} goes: {course:?}");
                *node = Node { caught_up: node.caught_up, ..Node::default() };
            }
            node.pod = should;
        }
        self.written = course.replicas;
        // The controllers decide it themselves, when they can.
        if let (Some(change), None, true) = (course.change, course.waits, could) {
            match change {
                Change::Add(id) => prop_assert!(self.voters.insert(id) && self.nodes[&id].pod),
                Change::Remove(id) => prop_assert!(self.voters.remove(&id) && !self.voters.is_empty()),
            }
        }
        Ok(())
    }

    fn tick(&mut self, dice: u64) {
        for (at, node) in self.nodes.values_mut().enumerate() {
            match (dice >> (3 * at)) & 7 {
                0..=3 if node.pod && !node.serving => node.serving = true,
                4..=6 if node.serving => node.caught_up = true,
                _ => {}
            }
        }
    }

    fn mishap(&mut self, id: i32, kind: u8) {
        let node = self.nodes.entry(FIRST + id).or_default();
        match kind {
            0 => node.serving = false,
            1 => node.caught_up = false,
            _ => {}
        }
    }
}

proptest! {
    /// Whatever happens to the pods and the spec: one change at a time, of a quorum that can bear it; no pod of a voter
    /// goes; and in the end there are as many voters as the spec says.
    #[test]
    fn the_quorum_follows_the_spec_and_stays_one(
        start in prop::sample::select(vec![1, 3, 5]),
        turns in prop::collection::vec((any::<u64>(), 0..9i32, 0..6u8, 0..12u8), 1..120),
    ) {
        let ids = FIRST..FIRST + start;
        let whole = Node { pod: true, serving: true, caught_up: true };
        let mut model = Model {
            written: start,
            wanted: start,
            nodes: ids.clone().map(|id| (id, whole.clone())).collect(),
            voters: ids.collect(),
        };
        for (dice, id, kind, spec) in turns {
            model.tick(dice);
            if let Some(wanted) = [1, 3, 5].get(usize::from(spec)) {
                model.wanted = *wanted;
            }
            let fresh = dice % 3 > 0;
            let before = model.clone();
            model.act(|model| if !fresh { model.mishap(id, kind) })?;
            let changed: Vec<_> = model.voters.symmetric_difference(&before.voters).collect();
            prop_assert!(changed.len() <= 1, "{changed:?}");
            if fresh && !changed.is_empty() {
                prop_assert!(model.voters.iter().all(|id| model.well(*id)), "{model:?} after {before:?}");
            }
            if fresh {
                model.mishap(id, kind);
            }
        }
        for turn in 0..60 {
            // All start, then all catch up.
            model.tick(if turn % 2 == 0 { 0 } else { 0o4444_4444_4444_4444_4444 });
            model.act(|_| ())?;
        }
        let wanted: BTreeSet<i32> = (FIRST..FIRST + model.wanted).collect();
        prop_assert_eq!((&model.voters, model.written), (&wanted, model.wanted));
    }
}
