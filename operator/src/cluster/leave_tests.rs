use super::*;
use crate::cluster::{
    fixtures::{IMAGE, all_there, asked, cluster, valid, with_pins, with_view},
    validate::validate,
};
use crate::kafka::Reassigning;

const FIVE: &str = "nodePools: [{ name: broker, replicas: 5 }]";
const THREE: &str = "nodePools: [{ name: broker, replicas: 3 }]";

/// Five brokers are there, three are wanted: 1 and 1001 leave, 1001 first.
fn leaving() -> (Validated, Observed) {
    let observed = with_pins(&valid(FIVE), all_there(&valid(FIVE)));
    let wanted = validate(&cluster(THREE), &observed, IMAGE).expect("a valid spec");
    let observed = with_view(observed, |view| {
        view.partitions[0].replicas = vec![0, 1000, 1001];
        view.partitions[0].in_sync = vec![0, 1000, 1001];
    });
    (wanted, observed)
}

/// What is emptied now, and what the next one waits for.
fn said(wanted: &Validated, observed: &Observed) -> (Result<Option<i32>, String>, Option<String>) {
    let observed = asked(wanted, observed.clone());
    (to_empty(wanted, &observed), waits(wanted, &observed, wanted.next_leaving().expect("one leaves")))
}

#[test]
fn one_at_a_time_from_the_top() {
    let (wanted, observed) = leaving();
    assert_eq!(wanted.leaving().into_iter().collect::<Vec<_>>(), [1, 1001]);
    assert_eq!(wanted.next_leaving(), Some(1001));
    assert_eq!(to_empty(&wanted, &observed), Ok(Some(1001)));
    let there = valid(FIVE);
    assert_eq!((there.next_leaving(), to_empty(&there, &observed)), (None, Ok(None)));
}

#[test]
fn what_a_broker_that_leaves_waits_for() {
    let (wanted, full) = leaving();
    let empty = with_view(full.clone(), |view| {
        view.partitions[0].replicas = vec![0, 1000, 2000];
        view.partitions[0].in_sync = vec![0, 1000, 2000];
    });
    let moving = with_view(full.clone(), |view| {
        view.partitions[0].replicas = vec![0, 1000, 2000, 1001];
        let way = Reassigning { adding: vec![2000], removing: vec![1001] };
        view.moving.insert(("orders".to_owned(), 0), way);
    });
    let lost = with_view(full.clone(), |view| {
        view.partitions[0].leader = None;
        view.partitions[0].in_sync = vec![1001];
    });
    let mut other_down = empty.clone();
    other_down.pods.retain(|pod| pod.id != 2000);
    let mut itself_down = empty.clone();
    itself_down.pods.retain(|pod| pod.id != 1001);
    insta::assert_yaml_snapshot!([
        said(&wanted, &full),
        said(&wanted, &moving),
        said(&wanted, &lost),
        said(&wanted, &empty),
        said(&wanted, &other_down),
        said(&wanted, &itself_down),
        said(&wanted, &with_view(empty.clone(), |view| view.brokers.retain(|id| *id != 2000))),
        said(&wanted, &with_view(empty.clone(), |view| view.partitions[0].in_sync = vec![0, 1000])),
        said(
            &wanted,
            &with_view(empty.clone(), |view| {
                view.registered.push(crate::kafka::RegisteredBroker { id: 2001, fenced: true, ..Default::default() });
            })
        ),
        said(&wanted, &with_view(full, |view| view.partitions[0].replicas = vec![0, 1, 1000, 1001])),
    ]);
}

#[test]
fn fewer_brokers_than_replicas_takes_a_person() {
    let (wanted, observed) = leaving();
    assert_eq!(never(&wanted, &observed), None);
    let wide = with_view(observed, |view| view.partitions[0].replicas = vec![0, 1, 1000, 1001]);
    let why = never(&wanted, &wide).expect("four replicas on three brokers");
    assert!(why.contains("orders has 4") && why.contains("3 brokers"), "{why}");
}
