use super::{
    tests::{OLD, arrived, begun, grown, look, with_sizes},
    *,
};
use crate::{
    cluster::fixtures::with_view,
    kafka::{PartitionView, Reassigning},
};
use odradek_crds::RebalanceState;

#[test]
fn a_plan_is_made_once_and_holds_while_its_own_moves_go_on() {
    let (cluster, mut observed) = grown(", autoRebalance: { concurrentMoves: 1 }");
    let first = look(&cluster, &observed).planned.expect("a plan");
    for _ in 0..40 {
        let told = look(&cluster, &observed);
        let Some(planned) = &told.planned else {
            assert_eq!(told.status.state, RebalanceState::None);
            let again = look(&cluster, &Observed { moves: Facts::default(), ..observed });
            assert_eq!((again.steps, again.planned), (Vec::new(), None), "another operator finds nothing to do");
            return;
        };
        assert!(Arc::ptr_eq(planned, &first) || observed.moves.kept.is_none());
        observed.moves.kept = Some(first.clone());
        let planned = Rebalance { planned: Some(first.clone()), ..told.clone() };
        observed = arrived(begun(observed, &planned), 1);
    }
    panic!("it never ends");
}

#[test]
fn a_plan_is_made_again_when_something_else_happened() {
    let (cluster, observed) = grown(", autoRebalance: { concurrentMoves: 1 }");
    let told = look(&cluster, &observed);
    let first = told.planned.clone().expect("a plan");
    let observed = begun(observed, &told);
    let holds = |observed: &Observed| Arc::ptr_eq(&look(&cluster, observed).planned.expect("a plan"), &first);
    assert!(holds(&observed));
    let read_again = |observed: &Observed| with_sizes(observed.clone(), 1 << 20, 1 << 40);
    assert!(holds(&read_again(&observed)), "nothing can begin, whatever the sizes");
    assert!(!holds(&read_again(&arrived(observed.clone(), 9))), "what begins now begins by the new sizes");
    assert!(!holds(&with_view(observed.clone(), |view| view.brokers.retain(|id| *id != 2000))));
    assert!(!holds(&with_view(observed.clone(), |view| view.registered[0].rack = Some("zone-b".to_owned()))));
    assert!(!holds(&with_view(observed.clone(), |view| drop(view.partitions.pop()))));
    // Somebody reassigns a partition that the plan has not come to, or one that it has.
    for still in [false, true] {
        let theirs = with_view(observed.clone(), |view| {
            let at = |p: &PartitionView| view.moving.contains_key(&(p.topic.clone(), p.partition)) == still;
            let at = view.partitions.iter().position(at).expect("one");
            let partition = &mut view.partitions[at];
            partition.replicas = vec![1, 1001, 2001, 0, 1000, 2000];
            let way = Reassigning { adding: vec![1, 1001, 2001], removing: OLD.to_vec() };
            view.moving.insert((partition.topic.clone(), partition.partition), way);
        });
        assert!(!holds(&theirs), "{still}");
    }
}
