//! Requests as brokers and tools send them.

use bytes::BytesMut;
use odradek_core::metadata::rpc::{
    ControllerRequest, ControllerResponse, FetchMetadataRequest, ForwardRequest, HeartbeatRequest,
    RegisterBrokerRequest, Response,
};
use odradek_node::controller::ControllerNode;
use odradek_wire::messages::create_topics_request::CreatableTopic;
use odradek_wire::messages::{CreateTopicsRequest, TopicName};
use odradek_wire::protocol::{Encodable, StrBytes};

use super::World;
use super::machine::Parcel;

impl World {
    /// Sends a request, and returns its id.
    pub fn send(&mut self, to: u64, connection: u64, body: impl Into<ControllerRequest>) -> u64 {
        self.requests += 1;
        let request = self.requests;
        self.later(Parcel::Request { to, request, connection, body: body.into() });
        request
    }

    pub fn close(&mut self, to: u64, connection: u64) {
        self.later(Parcel::Closed { to, connection });
    }

    pub fn shut_down(&mut self, to: u64) {
        self.later(Parcel::Shutdown { to });
    }

    /// Sends a request, and lets time pass until it is answered, for `ms` at most.
    pub fn ask(
        &mut self,
        to: u64,
        connection: u64,
        body: impl Into<ControllerRequest>,
        ms: u64,
    ) -> Option<ControllerResponse> {
        let request = self.send(to, connection, body);
        let until = self.now.mono_ms + ms;
        while !self.replies.contains_key(&request) && self.step(until) {}
        self.replies.remove(&request)
    }

    /// Asks whoever is active, as a broker does: it follows hints, and tries again.
    pub fn ask_active(&mut self, connection: u64, body: impl Into<ControllerRequest>) -> ControllerResponse {
        let body = body.into();
        let mut to = self.rng.below(self.machines.len() as u64);
        for _ in 0..600 {
            match self.ask(to, connection, body.clone(), 500) {
                Some(response) if response.error_code == 0 => return response,
                Some(response) if response.leader_id >= 0 && response.leader_id as u64 != to => {
                    to = response.leader_id as u64;
                }
                _ => to = (to + 1) % self.machines.len() as u64,
            }
            self.run(20);
        }
        let states = self.machines.iter().map(|(id, machine)| (id, machine.node.as_ref().map(ControllerNode::status)));
        let states = states.collect::<Vec<_>>();
        panic!("nobody answers {body:?}, seed {}, cut {:?}: {states:#?}", self.seed, self.cut);
    }

    /// Registers a broker, and brings it out of its fence. Returns its epoch.
    pub fn join(&mut self, broker: i32) -> i64 {
        let connection = 100 + broker as u64;
        let response = self.ask_active(connection, registration(broker, ""));
        let Some(Response::RegisterBroker(registered)) = response.response else { panic!("{response:?}") };
        assert_eq!(registered.error_code, 0, "{registered:?}");
        let epoch = registered.broker_epoch;
        for _ in 0..10 {
            let response = self.ask_active(connection, heartbeat(broker, epoch, epoch as u64));
            let Some(Response::Heartbeat(response)) = response.response else { panic!("{response:?}") };
            assert_eq!(response.error_code, 0);
            if !response.is_fenced {
                return epoch;
            }
        }
        panic!("broker {broker} stays fenced, seed {}", self.seed);
    }

    /// Creates a topic; Kafka's code of the answer.
    pub fn create_topic(&mut self, name: &str) -> i16 {
        self.create_topic_of(name, 2)
    }

    pub fn create_topic_of(&mut self, name: &str, partitions: i32) -> i16 {
        use odradek_wire::messages::CreateTopicsResponse;
        use odradek_wire::protocol::Decodable;
        let topic = CreatableTopic::default()
            .with_name(TopicName(StrBytes::from_string(name.to_owned())))
            .with_num_partitions(partitions)
            .with_replication_factor(3);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(5_000);
        let mut body = BytesMut::new();
        request.encode(&mut body, 7).unwrap();
        let response = self.ask_active(9, forward(19, 7, body.to_vec()));
        let Some(Response::Forward(response)) = response.response else { panic!("{response:?}") };
        assert_eq!(response.error_code, 0);
        let mut body = bytes::Bytes::from(response.body);
        CreateTopicsResponse::decode(&mut body, 7).unwrap().topics[0].error_code
    }
}

pub fn registration(broker: i32, cluster_id: &str) -> RegisterBrokerRequest {
    RegisterBrokerRequest {
        broker_id: broker,
        cluster_id: cluster_id.to_owned(),
        incarnation: vec![broker as u8; 16],
        listeners: vec![odradek_core::metadata::record::Listener {
            name: "PLAINTEXT".to_owned(),
            host: format!("broker-{broker}"),
            port: 9092,
            security_protocol: "PLAINTEXT".to_owned(),
        }],
        rack: None,
        log_dirs: vec![vec![0x40 + broker as u8; 16]],
        previous_broker_epoch: -1,
        held_partitions: 0,
        features: odradek_core::metadata::controller::supported_features(),
    }
}

pub fn heartbeat(broker_id: i32, broker_epoch: i64, metadata_offset: u64) -> HeartbeatRequest {
    HeartbeatRequest { broker_id, broker_epoch, metadata_offset, want_fence: false, want_shutdown: false }
}

pub fn forward(api_key: i32, api_version: i32, body: Vec<u8>) -> ForwardRequest {
    ForwardRequest { api_key, api_version, body, client_id: "test".to_owned(), client_host: "/127.0.0.1".to_owned() }
}

pub fn fetch(node_id: i32, from_offset: u64, max_wait_ms: u32) -> FetchMetadataRequest {
    FetchMetadataRequest { node_id, from_offset, max_wait_ms, leader_epoch: None }
}
