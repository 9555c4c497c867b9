//! A controller with its log, and brokers that a test moves by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use odradek_wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use odradek_wire::messages::{CreateTopicsRequest, CreateTopicsResponse, ElectLeadersRequest, ElectLeadersResponse};
use odradek_wire::protocol::{Decodable, Request as KafkaRequest, StrBytes};

use super::invariants::Invariants;
use crate::metadata::controller::{Controller, ControllerConfig, Decision, supported_features};
use crate::metadata::image::{Image, Partition, Topic};
use crate::metadata::record::{Listener, Record, decode_records, encode_records};
use crate::metadata::rpc::{
    AlterPartitionData, AlterPartitionRequest, AlterPartitionResult, ControllerRequest, ForwardRequest,
    HeartbeatRequest, HeartbeatResponse, IsrMember, RegisterBrokerRequest, RegisterBrokerResponse, Response,
};
use crate::time::Now;

/// A broker as a test knows it.
#[derive(Clone, Debug)]
pub(crate) struct TestBroker {
    pub(crate) incarnation: u8,
    pub(crate) epoch: i64,
    pub(crate) log_dirs: Vec<u8>,
    pub(crate) rack: Option<String>,
}

pub(crate) struct Cluster {
    pub(crate) now: Now,
    pub(crate) controller: Controller,
    pub(crate) config: ControllerConfig,
    /// What is committed.
    pub(crate) committed: Image,
    /// What is decided and not committed yet.
    pub(crate) pending: Vec<(u64, Vec<Record>)>,
    /// Whether decisions wait for [`Cluster::commit`].
    pub(crate) holds_back: bool,
    pub(crate) next_offset: u64,
    pub(crate) brokers: BTreeMap<i32, TestBroker>,
    pub(crate) invariants: Invariants,
}

impl Cluster {
    pub(crate) fn new() -> Cluster {
        Cluster::with(ControllerConfig::default())
    }

    pub(crate) fn with(config: ControllerConfig) -> Cluster {
        let now = Now::new(1_000, 1_700_000_000_000);
        let config = ControllerConfig { cluster_id: "cluster".to_owned(), seed: 7, ..config };
        let mut cluster = Cluster {
            now,
            controller: Controller::new(Image::new(), config.clone(), now),
            config,
            committed: Image::new(),
            pending: Vec::new(),
            holds_back: false,
            next_offset: 1,
            brokers: BTreeMap::new(),
            invariants: Invariants::default(),
        };
        cluster.tick();
        cluster
    }

    /// A cluster of `count` brokers, all serving; ids from 1.
    pub(crate) fn of(count: i32) -> Cluster {
        let mut cluster = Cluster::new();
        for id in 1..=count {
            cluster.start(id);
        }
        cluster
    }

    fn propose(&mut self, entries: Vec<Vec<Record>>) -> u64 {
        for records in entries {
            assert!(!records.is_empty(), "an empty entry");
            // As it goes through the log.
            let records = decode_records(&encode_records(&records)).unwrap();
            self.pending.push((self.next_offset, records));
            self.next_offset += 1;
        }
        self.invariants.check_speculative(self.controller.image());
        if !self.holds_back {
            self.commit(usize::MAX);
        }
        self.next_offset - 1
    }

    /// Commits up to `most` of the entries that wait.
    pub(crate) fn commit(&mut self, most: usize) {
        for (offset, records) in self.pending.drain(..most.min(self.pending.len())) {
            let before = self.committed.clone();
            for record in &records {
                let old = self.committed.clone();
                self.committed.apply(offset, record).unwrap();
                self.invariants.check_record(&old, &self.committed);
            }
            self.invariants.check_committed(&before, &self.committed);
        }
        if self.pending.is_empty() {
            assert_eq!(&self.committed, self.controller.image());
        }
        self.controller.check_index();
    }

    /// Another controller takes over, with what is committed and no more.
    pub(crate) fn fail_over(&mut self) {
        self.pending.clear();
        self.invariants.forget_speculative();
        self.next_offset = self.committed.offset() + 2;
        self.config.seed += 1;
        self.controller = Controller::new(self.committed.clone(), self.config.clone(), self.now);
        self.tick();
    }

    pub(crate) fn tick(&mut self) -> Vec<Record> {
        let records = self.controller.tick(self.now, self.next_offset);
        if !records.is_empty() {
            self.propose(vec![records.clone()]);
        }
        records
    }

    /// Lets time pass, with ticks at the controller's deadlines.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end = self.now.mono_ms + ms;
        while let Some(due) = self.controller.next_deadline().filter(|due| *due <= end) {
            let step = due.max(self.now.mono_ms);
            self.now.mono_ms = step;
            self.tick();
            assert!(self.controller.next_deadline().is_none_or(|next| next > step));
        }
        self.now.mono_ms = end;
    }

    /// Lets time pass with a heartbeat of each of `alive` each second.
    pub(crate) fn pass_with(&mut self, ms: u64, alive: &[i32]) {
        for _ in 0..ms / 1_000 {
            self.pass(1_000);
            for id in alive {
                self.heartbeat(*id);
            }
        }
    }

    pub(crate) fn handle(&mut self, request: impl Into<ControllerRequest>) -> Response {
        let Decision { entries, response } = self.controller.handle(self.now, self.next_offset, &request.into());
        self.propose(entries);
        response.response.unwrap()
    }

    pub(crate) fn register_request(&mut self, id: i32, clean: bool) -> RegisterBrokerRequest {
        let rack = format!("zone-{}", id % 3);
        let broker = self.brokers.entry(id).or_insert(TestBroker {
            incarnation: 0,
            epoch: -1,
            log_dirs: vec![100 + id as u8],
            rack: Some(rack),
        });
        RegisterBrokerRequest {
            broker_id: id,
            cluster_id: "cluster".to_owned(),
            incarnation: vec![broker.incarnation; 16],
            listeners: vec![Listener {
                name: "PLAINTEXT".to_owned(),
                host: format!("broker-{id}"),
                port: 9092,
                security_protocol: "PLAINTEXT".to_owned(),
            }],
            rack: broker.rack.clone(),
            log_dirs: broker.log_dirs.iter().map(|dir| vec![*dir; 16]).collect(),
            previous_broker_epoch: if clean { broker.epoch } else { -1 },
            held_partitions: 0,
            features: supported_features(),
        }
    }

    /// Registers a new process of the broker.
    pub(crate) fn register(&mut self, id: i32, clean: bool) -> RegisterBrokerResponse {
        self.register_request(id, clean);
        self.brokers.get_mut(&id).unwrap().incarnation += 1;
        let request = self.register_request(id, clean);
        let Response::RegisterBroker(response) = self.handle(request) else { panic!() };
        if response.error_code == 0 {
            self.brokers.get_mut(&id).unwrap().epoch = response.broker_epoch;
        }
        response
    }

    pub(crate) fn heartbeat_with(&mut self, id: i32, fence: bool, stop: bool) -> HeartbeatResponse {
        let request = HeartbeatRequest {
            broker_id: id,
            broker_epoch: self.brokers.get(&id).map_or(-1, |broker| broker.epoch),
            metadata_offset: self.committed.offset(),
            want_fence: fence,
            want_shutdown: stop,
        };
        let Response::Heartbeat(response) = self.handle(request) else { panic!() };
        response
    }

    pub(crate) fn heartbeat(&mut self, id: i32) -> HeartbeatResponse {
        self.heartbeat_with(id, false, false)
    }

    /// A process of the broker starts and serves; clean unless it is known and was not stopped.
    pub(crate) fn start(&mut self, id: i32) {
        assert_eq!(self.register(id, false).error_code, 0);
        assert!(!self.heartbeat(id).is_fenced);
    }

    /// The brokers stop saying anything; the others go on. All their sessions end.
    pub(crate) fn kill(&mut self, ids: &[i32]) {
        let alive: Vec<i32> = self.brokers.keys().copied().filter(|id| !ids.contains(id)).collect();
        self.pass_with(self.config.session_timeout_ms, &alive);
    }

    pub(crate) fn forward<Q: KafkaRequest>(&mut self, request: Q, version: i16) -> Q::Response {
        let mut body = BytesMut::new();
        request.encode(&mut body, version).unwrap();
        let forward = ForwardRequest {
            api_key: i32::from(Q::KEY),
            api_version: i32::from(version),
            body: body.to_vec(),
            client_id: "test".to_owned(),
            client_host: "127.0.0.1".to_owned(),
        };
        let Response::Forward(response) = self.handle(forward) else { panic!() };
        assert_eq!(response.error_code, 0);
        Q::Response::decode(&mut Bytes::from(response.body), version).unwrap()
    }

    pub(crate) fn create(
        &mut self,
        name: &str,
        partitions: i32,
        factor: i16,
        configs: &[(&str, &str)],
    ) -> CreateTopicsResponse {
        let configs = configs
            .iter()
            .map(|(key, value)| CreatableTopicConfig::default().with_name(text(key)).with_value(Some(text(value))))
            .collect();
        let topic = CreatableTopic::default()
            .with_name(text(name).into())
            .with_num_partitions(partitions)
            .with_replication_factor(factor)
            .with_configs(configs);
        self.forward(CreateTopicsRequest::default().with_topics(vec![topic]), 7)
    }

    /// A topic whose partitions have the given replicas.
    pub(crate) fn create_on(&mut self, name: &str, partitions: &[&[i32]]) {
        let response = self.create_assigned(name, partitions);
        assert_eq!(response.topics[0].error_code, 0, "{:?}", response.topics[0].error_message);
    }

    pub(crate) fn create_assigned(&mut self, name: &str, partitions: &[&[i32]]) -> CreateTopicsResponse {
        use odradek_wire::messages::create_topics_request::CreatableReplicaAssignment;
        let assignments = partitions
            .iter()
            .zip(0..)
            .map(|(replicas, index)| {
                CreatableReplicaAssignment::default()
                    .with_partition_index(index)
                    .with_broker_ids(replicas.iter().map(|id| (*id).into()).collect())
            })
            .collect();
        let topic = CreatableTopic::default()
            .with_name(text(name).into())
            .with_num_partitions(-1)
            .with_replication_factor(-1)
            .with_assignments(assignments);
        self.forward(CreateTopicsRequest::default().with_topics(vec![topic]), 7)
    }

    pub(crate) fn elect(&mut self, unclean: bool, topic: Option<(&str, i32)>) -> ElectLeadersResponse {
        use odradek_wire::messages::elect_leaders_request::TopicPartitions;
        let request = ElectLeadersRequest::default().with_election_type(i8::from(unclean)).with_topic_partitions(
            topic.map(|(topic, partition)| {
                vec![TopicPartitions::default().with_topic(text(topic).into()).with_partitions(vec![partition])]
            }),
        );
        self.forward(request, 2)
    }

    /// AlterPartitionReassignments of one partition; `None` cancels. The error's code and message.
    pub(crate) fn reassign(&mut self, topic: &str, partition: i32, target: Option<&[i32]>) -> (i16, String) {
        self.reassign_all(topic, &[(partition, target)], true).remove(0)
    }

    pub(crate) fn reassign_all(
        &mut self,
        topic: &str,
        wanted: &[(i32, Option<&[i32]>)],
        may_change_factor: bool,
    ) -> Vec<(i16, String)> {
        use odradek_wire::messages::AlterPartitionReassignmentsRequest;
        use odradek_wire::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
        let partitions = wanted
            .iter()
            .map(|(partition, target)| {
                let replicas = target.map(|ids| ids.iter().map(|id| (*id).into()).collect());
                ReassignablePartition::default().with_partition_index(*partition).with_replicas(replicas)
            })
            .collect();
        let topic = ReassignableTopic::default().with_name(text(topic).into()).with_partitions(partitions);
        let request = AlterPartitionReassignmentsRequest::default()
            .with_topics(vec![topic])
            .with_allow_replication_factor_change(may_change_factor);
        let response = self.forward(request, 1);
        assert_eq!((response.error_code, response.error_message), (0, None));
        assert_eq!(response.allow_replication_factor_change, may_change_factor);
        let told =
            |answer: &odradek_wire::messages::alter_partition_reassignments_response::ReassignablePartitionResponse| {
                (answer.error_code, answer.error_message.as_deref().unwrap_or_default().to_owned())
            };
        response.responses[0].partitions.iter().map(told).collect()
    }

    pub(crate) fn topic(&self, name: &str) -> Arc<Topic> {
        self.controller.image().topic(name).unwrap().clone()
    }

    pub(crate) fn partition(&self, topic: &str, partition: i32) -> Arc<Partition> {
        self.topic(topic).partitions[&partition].clone()
    }

    /// The partition's leader and in-sync set.
    pub(crate) fn state(&self, topic: &str, partition: i32) -> (i32, Vec<i32>) {
        let state = self.partition(topic, partition);
        (state.leader, state.isr.clone())
    }

    /// What the leader would ask to get the in-sync set `isr`.
    pub(crate) fn alter_data(&self, topic: &str, partition: i32, isr: &[i32]) -> AlterPartitionData {
        let state = self.partition(topic, partition);
        AlterPartitionData {
            topic_id: self.topic(topic).id.as_bytes().to_vec(),
            partition,
            leader_epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
            new_isr: isr
                .iter()
                .map(|id| IsrMember {
                    broker_id: *id,
                    broker_epoch: self.brokers.get(id).map_or(-1, |broker| broker.epoch),
                })
                .collect(),
        }
    }

    pub(crate) fn alter_as(&mut self, broker: i32, data: AlterPartitionData) -> AlterPartitionResult {
        let request = AlterPartitionRequest {
            broker_id: broker,
            broker_epoch: self.brokers[&broker].epoch,
            partitions: vec![data],
        };
        let Response::AlterPartition(response) = self.handle(request) else { panic!() };
        assert_eq!(response.error_code, 0);
        response.partitions[0].clone()
    }

    /// The leader gets the in-sync set `isr`.
    pub(crate) fn alter(&mut self, topic: &str, partition: i32, isr: &[i32]) -> i32 {
        let data = self.alter_data(topic, partition, isr);
        let leader = self.partition(topic, partition).leader;
        self.alter_as(leader, data).error_code
    }
}

pub(crate) fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}
