//! A set that somebody scaled by hand, from what is read to what is planned.

use super::{
    fixtures::{IMAGE, all_there, cluster, valid},
    observe::Observed,
    pins::pins,
    plan::{Action, plan},
    validate::validate,
};

/// The cluster after `kubectl scale` of one of its sets.
fn scaled(spec: &str, set: &str, replicas: i32) -> Observed {
    let mut observed = all_there(&valid(spec));
    let key = ("StatefulSet".to_owned(), set.to_owned());
    observed.live.get_mut(&key).expect("the set")["spec"]["replicas"] = replicas.into();
    observed.sets.clear();
    for live in observed.live.iter().filter(|((kind, _), _)| kind == "StatefulSet").map(|(_, live)| live) {
        observed.sets.push(serde_json::from_value(live.clone()).expect("a set"));
    }
    observed.pins = pins(&observed.sets, &[]);
    observed
}

#[test]
fn a_set_that_was_scaled_by_hand_is_put_back() {
    let spec = "{ nodePools: [{ name: broker, replicas: 5 }] }";
    for (set, given) in [("demo-broker-zone-a", 2), ("demo-broker-zone-c", 1), ("demo-controller", 3)] {
        for replicas in [0, 1, 2, 3, 4, 9].into_iter().filter(|replicas| *replicas != given) {
            let observed = scaled(spec, set, replicas);
            let after = validate(&cluster(spec), &observed, IMAGE).expect("the spec is as good as before");
            assert_eq!(after.voters(), valid(spec).voters(), "{set} scaled to {replicas}");
            let steps = plan(&after, &observed).expect("a plan").steps;
            let updates: Vec<_> = steps
                .iter()
                .filter(|step| step.blocked_by.is_none())
                .filter_map(|step| match &step.action {
                    Action::Update(object) if object.api.kind == "StatefulSet" => Some(object),
                    _ => None,
                })
                .map(|object| (object.name.as_str(), object.value["spec"]["replicas"].as_i64()))
                .collect();
            assert_eq!(updates, [(set, Some(i64::from(given)))], "{set} scaled to {replicas}");
        }
    }
}
