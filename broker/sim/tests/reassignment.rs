//! M18: partitions move to other brokers under load, and back: who is to hold them does, who is not does not.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use odradek_node::event::Request;
use odradek_sim::client::{Acks, Client, Common, Ledger, Producer, Setup};
use odradek_sim::network::FIRST_CLIENT;
use odradek_sim::plan::{Plan, TopicPlan};
use odradek_sim::rng::Rng;
use odradek_sim::world::{ClientAnswer, World};
use odradek_wire::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use odradek_wire::messages::{AlterPartitionReassignmentsRequest, RequestKind, ResponseKind, TopicName};
use odradek_wire::protocol::StrBytes;
use support::run;

const TOPIC: &str = "ledger";
const PARTITIONS: i32 = 24;
const ALTER_PARTITION_REASSIGNMENTS: (i16, i16) = (45, 1);

/// Two of the brokers for each partition; `turn` makes other ones.
fn target(world: &World, partition: i32, turn: i32) -> Vec<i32> {
    let brokers = world.plan.broker_ids();
    let at = |step: i32| brokers[(partition + turn + step) as usize % brokers.len()];
    vec![at(0), at(1)]
}

/// Asks once for all partitions.
struct Mover {
    common: Common,
    turn: i32,
    accepted: bool,
}

impl Client for Mover {
    fn wake(&mut self, world: &mut World, _ledger: &mut Ledger) {
        let partitions = (0..PARTITIONS).map(|partition| {
            let replicas = target(world, partition, self.turn).into_iter().map(Into::into).collect();
            ReassignablePartition::default().with_partition_index(partition).with_replicas(Some(replicas))
        });
        let topic = ReassignableTopic::default()
            .with_name(TopicName(StrBytes::from_static_str(TOPIC)))
            .with_partitions(partitions.collect());
        let body = AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]);
        let body = Request::Kafka(Box::new(RequestKind::AlterPartitionReassignments(body)));
        let to = self.common.any_broker(world);
        self.common.call(world, to, ALTER_PARTITION_REASSIGNMENTS, body);
    }

    fn answer(&mut self, _call: u64, answer: ClientAnswer, _world: &mut World, _ledger: &mut Ledger) {
        if let ClientAnswer::Kafka(kind) = answer
            && let ResponseKind::AlterPartitionReassignments(response) = *kind
        {
            let all = response.responses.iter().flat_map(|topic| &topic.partitions);
            self.accepted = response.error_code == 0 && all.clone().all(|partition| partition.error_code == 0);
            assert_eq!(all.count(), PARTITIONS as usize);
        }
    }

    fn is_done(&self) -> bool {
        self.accepted
    }
}

/// Every replica is where it should be and nowhere else, in sync, and as long as its leader.
fn check(world: &World, turn: i32, ledger: &Ledger) {
    let mut holders: BTreeMap<i32, BTreeSet<i32>> = BTreeMap::new();
    let mut ends: BTreeMap<i32, BTreeSet<i64>> = BTreeMap::new();
    let mut led = 0;
    let brokers = world.processes.iter().filter_map(|(id, process)| Some((*id, process.broker.as_ref()?)));
    for (id, broker) in brokers {
        assert_eq!(broker.image().reassigning().count(), 0);
        for hosted in broker.hosted().filter(|hosted| &*hosted.topic == TOPIC) {
            holders.entry(hosted.key.partition).or_default().insert(id);
            ends.entry(hosted.key.partition).or_default().insert(hosted.log_end);
            if hosted.leads {
                led += 1;
                assert_eq!(hosted.isr.len(), 2, "{hosted:?}");
            }
        }
    }
    assert_eq!(led, PARTITIONS);
    for partition in 0..PARTITIONS {
        let wanted: BTreeSet<i32> = target(world, partition, turn).into_iter().collect();
        assert_eq!(holders[&partition], wanted, "partition {partition}");
        assert_eq!(ends[&partition].len(), 1, "partition {partition}: {:?}", ends[&partition]);
        let acknowledged =
            ledger.acknowledged.keys().filter(|((_, of), _)| *of == partition).map(|(_, offset)| *offset);
        let end = ends[&partition].first().copied().unwrap_or(0);
        assert!(acknowledged.max().is_none_or(|last| last < end), "partition {partition} ends at {end}");
    }
}

#[test]
fn partitions_move_and_come_back() {
    let mut plan = Plan::of(1);
    plan.brokers = 5;
    plan.controllers = 1;
    plan.combined = false;
    plan.topics = vec![TopicPlan { name: TOPIC, partitions: PARTITIONS, replication_factor: 2, min_insync: 2 }];
    plan.late_per_thousand = 0;
    plan.break_per_thousand = 0;
    plan.raft_loss_per_thousand = 0;
    let mut rng = Rng::new(11);
    let mover = |place: i32, turn: i32, rng: &mut Rng| -> Box<dyn Client> {
        Box::new(Mover { common: Common::new(FIRST_CLIENT + place, rng.fork()), turn, accepted: false })
    };
    let mut clients: Vec<Box<dyn Client>> = vec![
        Box::new(Setup::new(Common::new(FIRST_CLIENT, rng.fork()))),
        Box::new(Producer::new(Common::new(FIRST_CLIENT + 1, rng.fork()), Acks::Idempotent, vec![0], 400, 30_000_000)),
        mover(2, 0, &mut rng),
        mover(3, 2, &mut rng),
        mover(4, 0, &mut rng),
    ];
    let mut ledger = Ledger::default();
    let mut world = World::new(plan);
    world.lossy = false;
    world.start_all();
    world.schedule_client(world.now_us + 5_000_000, FIRST_CLIENT);
    run(&mut world, &mut clients, &mut ledger, 20);
    assert!(clients[0].is_done(), "the topic is there");
    world.schedule_client(world.now_us, FIRST_CLIENT + 1);
    for (client, turn) in [(2, 0), (3, 2), (4, 0)] {
        world.schedule_client(world.now_us, FIRST_CLIENT + client);
        run(&mut world, &mut clients, &mut ledger, 20);
        assert!(clients[client as usize].is_done(), "turn {turn} is taken");
        check(&world, turn, &ledger);
    }
    assert!(clients[1].is_done());
    assert_eq!(ledger.acknowledged.len(), 400);
    assert!(ledger.findings.is_empty(), "{:?}", ledger.findings);
}
