//! Random runs: whatever happens in whatever order, the invariants hold.

use std::collections::BTreeSet;

use odradek_wire::features::MetadataVersion;
use odradek_wire::messages::CreatePartitionsRequest;
use odradek_wire::messages::DeleteTopicsRequest;
use odradek_wire::messages::create_partitions_request::CreatePartitionsTopic;
use proptest::prelude::*;

use super::Cluster;
use super::cluster::text;
use crate::metadata::controller::ControllerConfig;
use crate::metadata::image::Partition;
use crate::metadata::rpc::AllocateProducerIdsRequest;
use crate::metadata::topic_config::EffectiveConfig;

const BROKERS: i32 = 5;
const TOPICS: usize = 4;

#[derive(Clone, Debug)]
enum Step {
    Register {
        broker: i32,
        clean: bool,
        empty_disk: bool,
    },
    Heartbeat {
        broker: i32,
        fence: bool,
        stop: bool,
    },
    Disconnect {
        broker: i32,
    },
    Pass {
        ms: u64,
    },
    /// The controller does not run for a while.
    Stall {
        ms: u64,
    },
    Create {
        topic: usize,
        partitions: i32,
        factor: i16,
    },
    Grow {
        topic: usize,
        count: i32,
    },
    Delete {
        topic: usize,
    },
    Alter {
        topic: usize,
        partition: i32,
        members: u8,
        stale: bool,
    },
    Elect {
        topic: usize,
    },
    ProducerIds {
        broker: i32,
    },
    HoldBack {
        on: bool,
    },
    Commit {
        most: usize,
    },
    FailOver,
    /// Producers write to whatever takes it.
    Write,
    MinInsync {
        topic: usize,
        min: usize,
    },
    Unclean {
        topic: usize,
        on: bool,
    },
    ElectUnclean {
        topic: usize,
    },
    /// The whole set joins as far as it can: what reassignments wait for.
    CatchUp {
        topic: usize,
        partition: i32,
    },
    Reassign {
        topic: usize,
        partition: i32,
        target: Vec<i32>,
    },
    Cancel {
        topic: usize,
        partition: i32,
    },
}

fn step(unclean: bool) -> impl Strategy<Value = Step> {
    let broker = 1..=BROKERS;
    let topic = 0..TOPICS;
    let unclean_steps = prop_oneof![
        (topic.clone(), any::<bool>()).prop_map(|(topic, on)| Step::Unclean { topic, on }),
        topic.clone().prop_map(|topic| Step::ElectUnclean { topic }),
    ];
    let clean_steps = prop_oneof![
        6 => (broker.clone(), any::<bool>(), prop::bool::weighted(0.1)).prop_map(
            |(broker, clean, empty_disk)| Step::Register { broker, clean, empty_disk }
        ),
        24 => (broker.clone(), prop::bool::weighted(0.05), prop::bool::weighted(0.1))
            .prop_map(|(broker, fence, stop)| Step::Heartbeat { broker, fence, stop }),
        4 => broker.clone().prop_map(|broker| Step::Disconnect { broker }),
        10 => (1_u64..4_000).prop_map(|ms| Step::Pass { ms }),
        1 => Just(Step::Pass { ms: 400_000 }),
        1 => (1_u64..30_000).prop_map(|ms| Step::Stall { ms }),
        5 => (topic.clone(), 1..4, 1_i16..4).prop_map(
            |(topic, partitions, factor)| Step::Create { topic, partitions, factor }
        ),
        2 => (topic.clone(), 2..6).prop_map(|(topic, count)| Step::Grow { topic, count }),
        1 => topic.clone().prop_map(|topic| Step::Delete { topic }),
        16 => (topic.clone(), 0..4, any::<u8>(), prop::bool::weighted(0.1)).prop_map(
            |(topic, partition, members, stale)| Step::Alter { topic, partition, members, stale }
        ),
        8 => (topic.clone(), 0..4).prop_map(|(topic, partition)| Step::CatchUp { topic, partition }),
        8 => (topic.clone(), 0..4, prop::collection::vec(0..=BROKERS, 0..4))
            .prop_map(|(topic, partition, target)| Step::Reassign { topic, partition, target }),
        4 => (topic.clone(), 0..4).prop_map(|(topic, partition)| Step::Cancel { topic, partition }),
        3 => topic.clone().prop_map(|topic| Step::Elect { topic }),
        2 => broker.prop_map(|broker| Step::ProducerIds { broker }),
        3 => any::<bool>().prop_map(|on| Step::HoldBack { on }),
        3 => (0_usize..4).prop_map(|most| Step::Commit { most }),
        2 => Just(Step::FailOver),
        10 => Just(Step::Write),
        2 => (topic.clone(), 0_usize..4).prop_map(|(topic, min)| Step::MinInsync { topic, min }),
    ];
    if unclean { prop_oneof![20 => clean_steps, 1 => unclean_steps].boxed() } else { clean_steps.boxed() }
}

fn name(topic: usize) -> String {
    format!("topic-{topic}")
}

impl Cluster {
    fn take(&mut self, step: Step) {
        match step {
            Step::Register { broker, clean, empty_disk } => {
                self.register_request(broker, clean);
                let known = self.brokers.get_mut(&broker).unwrap();
                let before = known.clone();
                if empty_disk {
                    let dir = known.log_dirs[0];
                    // Never an id that another broker has, nor one of its own that a lost registration told of.
                    known.log_dirs = vec![100 + (dir - 100 + BROKERS as u8) % 150];
                }
                let incarnation = before.incarnation + 1;
                if !clean || empty_disk || self.invariants.holders.is_unclean(broker) {
                    self.invariants.holders.unclean(broker, incarnation);
                }
                if self.register(broker, clean).error_code != 0 {
                    // The first process goes on.
                    self.invariants.holders.forget(broker, incarnation);
                    self.brokers.insert(broker, before);
                } else if empty_disk {
                    let image = self.controller.image();
                    let states = image.topics().flat_map(|topic| topic.partitions.values());
                    for state in states {
                        let counted = state.isr.contains(&broker) || state.elr.contains(&broker);
                        assert!(!counted, "in sync with an empty disk: {state:?}");
                    }
                }
            }
            Step::Heartbeat { broker, fence, stop } => {
                if self.brokers.contains_key(&broker) {
                    self.heartbeat_with(broker, fence, stop);
                }
            }
            Step::Disconnect { broker } => self.controller.broker_disconnected(self.now, broker),
            Step::Pass { ms } => self.pass(ms),
            Step::Stall { ms } => {
                self.now.mono_ms += ms;
                self.tick();
            }
            Step::Create { topic, partitions, factor } => {
                self.create(&name(topic), partitions, factor, &[]);
            }
            Step::Grow { topic, count } => {
                let topic = CreatePartitionsTopic::default()
                    .with_name(text(&name(topic)).into())
                    .with_count(count)
                    .with_assignments(None);
                self.forward(CreatePartitionsRequest::default().with_topics(vec![topic]), 3);
            }
            Step::Delete { topic } => {
                let names = vec![text(&name(topic)).into()];
                self.forward(DeleteTopicsRequest::default().with_topic_names(names), 5);
            }
            Step::Alter { topic, partition, members, stale } => {
                self.random_alter(&name(topic), partition, members, stale);
            }
            Step::CatchUp { topic, partition } => self.catch_up(&name(topic), partition),
            Step::Reassign { topic, partition, target } => self.random_reassign(&name(topic), partition, &target),
            Step::Cancel { topic, partition } => self.random_cancel(&name(topic), partition),
            Step::Elect { topic } => {
                self.elect(false, Some((&name(topic), 0)));
            }
            Step::ProducerIds { broker } => {
                let broker_epoch = self.brokers.get(&broker).map_or(-1, |known| known.epoch);
                self.handle(AllocateProducerIdsRequest { broker_id: broker, broker_epoch });
            }
            Step::HoldBack { on } => {
                self.holds_back = on;
                if !on {
                    self.commit(usize::MAX);
                }
            }
            Step::Commit { most } => self.commit(most),
            Step::FailOver => self.fail_over(),
            Step::Write => {
                let (image, properties) = (self.committed.clone(), self.config.server_properties.clone());
                let min = |topic: &str| EffectiveConfig::new(&image, topic, None, &properties).min_insync_replicas();
                self.invariants.holders.write(&image, min);
            }
            Step::MinInsync { topic, min } => {
                if self.controller.image().topic(&name(topic)).is_some() {
                    if min == 0 {
                        self.set_default("min.insync.replicas", "2");
                    } else {
                        self.set_config(&name(topic), "min.insync.replicas", &min.to_string());
                    }
                }
            }
            Step::Unclean { topic, on } => {
                if self.controller.image().topic(&name(topic)).is_some() {
                    let value = if on { "true" } else { "false" };
                    self.set_config(&name(topic), "unclean.leader.election.enable", value);
                }
            }
            Step::ElectUnclean { topic } => {
                self.elect(true, Some((&name(topic), 0)));
            }
        }
    }

    fn find(&self, topic: &str, partition: i32) -> Option<Partition> {
        let found = self.controller.image().topic(topic)?.partitions.get(&partition)?;
        Some(Partition::clone(found))
    }

    fn catch_up(&mut self, topic: &str, partition: i32) {
        let Some(state) = self.find(topic, partition) else { return };
        let image = self.controller.image();
        let members = state.replicas.iter().zip(0..);
        let can = members.filter(|(id, _)| image.broker(**id).is_some_and(|broker| broker.is_active()));
        let members = can.fold(0_u8, |bits, (_, bit)| bits | 1 << bit);
        self.random_alter(topic, partition, members, false);
    }

    fn random_reassign(&mut self, topic: &str, partition: i32, target: &[i32]) {
        let Some(before) = self.find(topic, partition) else {
            assert_eq!(self.reassign(topic, partition, Some(target)).0, 3);
            return;
        };
        let good = !target.is_empty()
            && target.iter().collect::<BTreeSet<_>>().len() == target.len()
            && target.iter().all(|id| self.controller.image().broker(*id).is_some());
        let (code, message) = self.reassign(topic, partition, Some(target));
        assert_eq!(code, if good { 0 } else { 39 }, "{target:?}: {message}");
        let Some(after) = self.find(topic, partition) else { return };
        if good {
            assert_eq!(after.target_replicas().collect::<Vec<_>>(), target, "before: {before:?}");
        } else {
            assert_eq!(after, before);
        }
    }

    fn random_cancel(&mut self, topic: &str, partition: i32) {
        let Some(before) = self.find(topic, partition) else { return };
        let (code, _) = self.reassign(topic, partition, None);
        let Some(after) = self.find(topic, partition) else { return };
        match code {
            0 => {
                assert!(before.is_reassigning() && !after.is_reassigning());
                assert_eq!(after.replicas, before.original_replicas().collect::<Vec<_>>());
            }
            85 => assert!(!before.is_reassigning() && after == before),
            39 => assert!(before.is_reassigning() && after == before),
            other => panic!("{other}"),
        }
    }

    fn random_alter(&mut self, topic: &str, partition: i32, members: u8, stale: bool) {
        let Some(found) = self.controller.image().topic(topic) else {
            return;
        };
        let Some(state) = found.partitions.get(&partition) else {
            return;
        };
        let Some(leader) = state.leader() else { return };
        if !self.brokers.contains_key(&leader) {
            return;
        }
        let isr: Vec<i32> = state
            .replicas
            .iter()
            .zip(0..)
            .filter(|(id, bit)| **id == leader || members >> bit & 1 == 1)
            .map(|(id, _)| *id)
            .collect();
        let mut data = self.alter_data(topic, partition, &isr);
        if stale {
            data.partition_epoch -= 1;
        }
        let request = crate::metadata::rpc::AlterPartitionRequest {
            broker_id: leader,
            broker_epoch: self.brokers[&leader].epoch,
            partitions: vec![data],
        };
        self.handle(request);
    }
}

fn run(steps: Vec<Step>, unclean: bool) {
    // Both forms of records.
    let metadata_version = if unclean { MetadataVersion::MINIMUM } else { MetadataVersion::LATEST };
    let config = ControllerConfig { rebalance_step: 2, metadata_version, ..ControllerConfig::default() };
    let mut cluster = Cluster::with(config);
    cluster.invariants.unclean = unclean;
    for id in 1..=3 {
        cluster.start(id);
    }
    for topic in 0..2 {
        cluster.create(&name(topic), 2, 3, &[]);
    }
    for step in steps {
        cluster.take(step);
    }
    cluster.commit(usize::MAX);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn clean_runs_keep_the_invariants(steps in prop::collection::vec(step(false), 1..150)) {
        run(steps, false);
    }

    #[test]
    fn unclean_runs_keep_the_others(steps in prop::collection::vec(step(true), 1..150)) {
        run(steps, true);
    }
}
