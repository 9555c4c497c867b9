//! A small cluster without faults, asked from outside.
#![allow(dead_code)]

use odradek_node::event::{ProducePartition, ProduceRequest, Request};
use odradek_sim::client::{Client, Ledger};
use odradek_sim::network::{FIRST_CLIENT, Place};
use odradek_sim::plan::Plan;
use odradek_sim::process::State;
use odradek_sim::world::{ClientAnswer, Happened, World};
use odradek_wire::batch::{BatchBuilder, RecordBatches};
use odradek_wire::messages::create_topics_request::CreatableTopic;
use odradek_wire::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use odradek_wire::messages::{
    CreateTopicsRequest, IncrementalAlterConfigsRequest, RequestKind, ResponseKind, TopicName,
};
use odradek_wire::protocol::StrBytes;
use uuid::Uuid;

pub const TOPIC: i8 = 2;
pub const BROKER: i8 = 4;

pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Runs a world with its clients for some virtual seconds.
pub fn run(world: &mut World, clients: &mut [Box<dyn Client>], ledger: &mut Ledger, seconds: u64) {
    let until = world.now_us + seconds * 1_000_000;
    loop {
        match world.step(until) {
            Happened::Nothing => break,
            Happened::ClientWake { client } => {
                if let Some(client) = clients.get_mut((client - FIRST_CLIENT) as usize) {
                    client.wake(world, ledger);
                }
            }
            Happened::ClientAnswer { client, call, answer } => {
                if let Some(client) = clients.get_mut((client - FIRST_CLIENT) as usize) {
                    client.answer(call, answer, world, ledger);
                }
            }
            Happened::Inside | Happened::Fault(_) => {}
        }
    }
    assert!(world.findings.is_empty(), "{:#?}", world.findings);
}

/// The cluster and its one client.
pub struct Small {
    pub world: World,
    next_call: u64,
}

impl Small {
    /// Three brokers and a controller; `change` may say more.
    pub fn start(change: impl FnOnce(&mut Plan)) -> Small {
        let mut plan = Plan::of(1);
        plan.brokers = 3;
        plan.controllers = 1;
        plan.combined = false;
        plan.break_per_thousand = 0;
        plan.raft_loss_per_thousand = 0;
        plan.late_per_thousand = 0;
        plan.delay_us = (100, 300);
        plan.fetch_session_slots = 1_000;
        change(&mut plan);
        let mut world = World::new(plan);
        world.lossy = false;
        world.start_all();
        let mut small = Small { world, next_call: 0 };
        small.pass(5_000);
        small
    }

    /// Lets some virtual milliseconds pass.
    pub fn pass(&mut self, ms: u64) {
        let until = self.world.now_us + ms * 1_000;
        while !matches!(self.world.step(until), Happened::Nothing) {}
        assert!(self.world.findings.is_empty(), "{:#?}", self.world.findings);
    }

    /// Lets time pass until something holds. How many virtual milliseconds it took.
    pub fn until(&mut self, what: &str, at_most_ms: u64, done: impl Fn(&Small) -> bool) -> u64 {
        let began = self.world.now_us;
        while !done(self) {
            assert!(self.world.now_us - began < at_most_ms * 1_000, "{what}: not within {at_most_ms} ms");
            self.pass(10);
        }
        (self.world.now_us - began) / 1_000
    }

    pub fn ask(&mut self, to: Place, api: (i16, i16), body: Request) -> ResponseKind {
        self.next_call += 1;
        self.world.client_call(FIRST_CLIENT, self.next_call, to, api, body, 30_000);
        let until = self.world.now_us + 31_000_000;
        loop {
            match self.world.step(until) {
                Happened::ClientAnswer { call, answer, .. } if call == self.next_call => match answer {
                    ClientAnswer::Kafka(kind) => return *kind,
                    ClientAnswer::Lost => panic!("no answer to {api:?}"),
                },
                Happened::Nothing => panic!("no answer to {api:?} in time"),
                _ => {}
            }
        }
    }

    pub fn create(&mut self, topic: &str, partitions: i32, replicas: i16) {
        let topic = CreatableTopic::default()
            .with_name(TopicName(text(topic)))
            .with_num_partitions(partitions)
            .with_replication_factor(replicas);
        let body = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(5_000);
        let answer = self.ask(self.any(), (19, 7), Request::Kafka(Box::new(RequestKind::CreateTopics(body))));
        let ResponseKind::CreateTopics(response) = answer else { panic!("{answer:?}") };
        assert_eq!(response.topics[0].error_code, 0);
        self.pass(1_000);
    }

    pub fn configure(&mut self, kind: i8, name: &str, key: &str, value: &str) {
        let config = AlterableConfig::default().with_name(text(key)).with_value(Some(text(value)));
        let resource = AlterConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_configs(vec![config]);
        let body = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        let answer =
            self.ask(self.any(), (44, 1), Request::Kafka(Box::new(RequestKind::IncrementalAlterConfigs(body))));
        let ResponseKind::IncrementalAlterConfigs(response) = answer else { panic!("{answer:?}") };
        assert_eq!(response.responses[0].error_code, 0, "{:?}", response.responses[0].error_message);
        self.pass(100);
    }

    /// A broker that is up.
    fn any(&self) -> Place {
        let up = |process: &&odradek_sim::process::Process| process.is_broker() && process.state == State::Up;
        self.world.processes.values().find(up).expect("somebody is up").place
    }

    /// AlterReplicaLogDirs of partition 0 at a broker: the error code.
    pub fn move_to(&mut self, broker: Place, topic: &str, dir: &str) -> i16 {
        use odradek_wire::messages::AlterReplicaLogDirsRequest;
        use odradek_wire::messages::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
        let topic = AlterReplicaLogDirTopic::default().with_name(TopicName(text(topic))).with_partitions(vec![0]);
        let dir = AlterReplicaLogDir::default().with_path(text(dir)).with_topics(vec![topic]);
        let body = AlterReplicaLogDirsRequest::default().with_dirs(vec![dir]);
        let answer = self.ask(broker, (34, 2), Request::Kafka(Box::new(RequestKind::AlterReplicaLogDirs(body))));
        let ResponseKind::AlterReplicaLogDirs(response) = answer else { panic!("{answer:?}") };
        response.results[0].partitions[0].error_code
    }

    /// The folders of a topic on a broker's disk.
    pub fn folders(&self, broker: Place, topic: &str) -> Vec<String> {
        let files = self.world.processes[&broker].disk.files();
        let mut folders: Vec<String> = files
            .iter()
            .filter_map(|(path, _)| Some(path.parent()?.to_string_lossy().into_owned()))
            .filter(|folder| folder.rsplit('/').next().is_some_and(|name| name.starts_with(&format!("{topic}-"))))
            .collect();
        folders.dedup();
        folders
    }

    /// Where the log of partition 0 on a broker ends.
    pub fn log_end(&self, broker: Place, topic: &str) -> Option<i64> {
        let broker = self.world.processes[&broker].broker.as_ref()?;
        broker.hosted().find(|hosted| &*hosted.topic == topic).map(|hosted| hosted.log_end)
    }

    /// The broker that leads a partition.
    pub fn leader(&self, topic: &str, partition: i32) -> Place {
        let mut leads = self.world.processes.values().filter_map(|process| {
            let broker = process.broker.as_ref()?;
            let found = broker.hosted().find(|hosted| &*hosted.topic == topic && hosted.key.partition == partition)?;
            found.leads.then_some(process.place)
        });
        leads.next().expect("somebody leads")
    }

    /// The in-sync set that the leader knows.
    pub fn isr(&self, topic: &str, partition: i32) -> Vec<i32> {
        self.world
            .processes
            .values()
            .filter(|process| process.state == State::Up)
            .filter_map(|process| process.broker.as_ref())
            .flat_map(|broker| broker.hosted())
            .filter(|hosted| hosted.leads && &*hosted.topic == topic && hosted.key.partition == partition)
            .max_by_key(|hosted| hosted.leader_epoch)
            .map(|hosted| hosted.isr)
            .unwrap_or_default()
    }

    /// One record of that many bytes, with acks=all.
    pub fn produce(&mut self, topic: &str, partition: i32, bytes: usize) {
        let mut builder = BatchBuilder::new(0);
        builder.append(self.world.wall_ms(), None, Some(&vec![b'x'; bytes]), &[]);
        let records = RecordBatches::validate(builder.build().unwrap(), 1 << 20).unwrap();
        let body = ProduceRequest {
            acks: -1,
            timeout_ms: 5_000,
            transactional_id: None,
            partitions: vec![ProducePartition {
                topic: topic.to_owned(),
                topic_id: Uuid::nil(),
                index: partition,
                records: Ok(records),
            }],
        };
        let leader = self.leader(topic, partition);
        let answer = self.ask(leader, (0, 9), Request::Produce(body));
        let ResponseKind::Produce(response) = answer else { panic!("{answer:?}") };
        assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
    }
}
