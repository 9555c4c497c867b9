//! Both loops on threads of their own, with calls handed over in memory: from an empty disk to a running broker, and
//! down again.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use odradek_log::{Disk, MemDisk};
use odradek_node::broker::{AdvertisedListener, BrokerNode, Start};
use odradek_node::controller::{ControllerEvent, ControllerNode};
use odradek_node::event::{Event, PeerResponse};
use uuid::Uuid;

use super::broker::BrokerLoop;
use super::controller::ControllerLoop;
use super::*;
use crate::config::ServerConfig;
use crate::health::Health;
use crate::{identity, node_config, recovery};

type Calls = Arc<Mutex<BTreeMap<RequestId, CallId>>>;

struct ToController {
    controller: ControllerHandle,
    calls: Calls,
    next: RequestId,
    runtime: tokio::runtime::Handle,
}

impl BrokerOutbox for ToController {
    fn reply(&mut self, _: RequestId, _: Response) {}

    fn controllers(&mut self, _: std::collections::BTreeMap<i32, (String, u16)>) {}

    fn call(&mut self, call: CallId, _: Peer, body: PeerRequest, _: Duration) {
        let PeerRequest::Controller(body) = body else { return };
        self.next += 1;
        self.calls.lock().unwrap().insert(self.next, call);
        let (controller, request) = (self.controller.clone(), self.next);
        let event = ControllerEvent::Request { request, connection: 1, body: *body };
        self.runtime.spawn(async move { controller.send(event).await });
    }
}

struct ToBroker {
    broker: BrokerHandle,
    calls: Calls,
    runtime: tokio::runtime::Handle,
}

impl ControllerOutbox for ToBroker {
    fn reply(&mut self, request: RequestId, response: ControllerResponse) {
        let call = self.calls.lock().unwrap().remove(&request).unwrap();
        let event = Event::Answer { call, result: Ok(PeerResponse::Controller(Box::new(response))) };
        let broker = self.broker.clone();
        self.runtime.spawn(async move { broker.send(event).await });
    }

    fn send(&mut self, _: u64, _: ControllerRequest) {}

    fn probe(&mut self, _: usize, _: ControllerRequest) {}

    fn controllers(&mut self, _: std::collections::BTreeMap<u64, Vec<odradek_node::controller::Endpoint>>) {}
}

struct Running {
    broker: BrokerHandle,
    controller: ControllerHandle,
    health: Health,
    drained: tokio::sync::oneshot::Receiver<()>,
    threads: Vec<std::thread::JoinHandle<Ended>>,
    previous_epoch: i64,
}

fn start(disk: &Arc<dyn Disk>, runtime: &tokio::runtime::Handle) -> Running {
    let config = ServerConfig::load(None, &["log.dirs=/d".to_owned()], &String::new).unwrap();
    let clock = Clock::start();
    let identity = identity::claim(disk, &config, Uuid::new_v4).unwrap();
    let health = Health::default();
    let recovered = recovery::run(disk, &identity.log_dirs, 1, clock.now().wall_ms, &health).unwrap();
    let (broker, broker_inbox) = broker::channel(16);
    let (controller, controller_inbox) = controller::channel(16);
    let (stopped, drained) = tokio::sync::oneshot::channel();
    let calls = Calls::default();
    let metadata_dir = identity.metadata_dir.clone().unwrap();
    let controller_loop = ControllerLoop {
        node: ControllerNode::open(
            node_config::controller(
                &config,
                identity.cluster_id.clone(),
                &metadata_dir.path,
                *metadata_dir.id.as_bytes(),
            ),
            disk.clone(),
            clock.now(),
            7,
        )
        .unwrap(),
        inbox: controller_inbox,
        outbox: Box::new(ToBroker { broker: broker.clone(), calls: calls.clone(), runtime: runtime.clone() }),
        unnamed: None,
        clock,
        runtime: runtime.clone(),
    };
    let advertised = AdvertisedListener {
        name: "PLAINTEXT".to_owned(),
        host: "localhost".to_owned(),
        port: 9092,
        security_protocol: "PLAINTEXT".to_owned(),
    };
    let start = Start { incarnation: Uuid::new_v4(), previous_broker_epoch: recovered.previous_broker_epoch, seed: 1 };
    let settings =
        node_config::broker(&config, identity.cluster_id.clone(), identity.log_dirs.clone(), vec![advertised]);
    let broker_loop = BrokerLoop {
        node: BrokerNode::new(settings, disk.clone(), recovered.logs, start, clock.now()),
        inbox: broker_inbox,
        handle: broker.clone(),
        outbox: Box::new(ToController { controller: controller.clone(), calls, next: 0, runtime: runtime.clone() }),
        pool: DiskPool::new(2),
        stopped: Some(stopped),
        unnamed: None,
        health: health.clone(),
        clock,
        runtime: runtime.clone(),
    };
    let threads = vec![
        // The lock of the folder goes with the broker's thread.
        std::thread::spawn(move || {
            let ended = broker_loop.run();
            drop(identity);
            ended
        }),
        std::thread::spawn(move || controller_loop.run()),
    ];
    Running { broker, controller, health, drained, threads, previous_epoch: recovered.previous_broker_epoch }
}

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done().await {
        assert!(Instant::now() < deadline, "{what} took too long");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn up_and_down_and_up_again_with_nothing_to_recover() {
    let disk: Arc<dyn Disk> = Arc::new(MemDisk::new());
    let runtime = tokio::runtime::Handle::current();
    for nth in 0..2 {
        let running = start(&disk, &runtime);
        assert_eq!(running.previous_epoch >= 0, nth > 0, "the second start finds the marker of a clean stop");
        until("serving", async || running.health.broker_waits_for().is_none()).await;
        let status = running.broker.status().await.unwrap();
        assert!(status.unfenced && status.active_controller == 1, "{status:?}");
        assert!(running.controller.status().await.unwrap().active);

        running.broker.send(Event::Shutdown).await.unwrap();
        running.drained.await.unwrap();
        assert!(running.broker.status().await.is_some(), "what is in flight can still be answered");
        running.broker.close().await;
        let mut threads = running.threads.into_iter();
        let stopped = threads.next().unwrap();
        assert_eq!(tokio::task::spawn_blocking(move || stopped.join().unwrap()).await.unwrap(), Ended::Stopped);
        assert_eq!(running.broker.send(Event::Timer).await, Err(LoopEnded));
        assert_eq!(running.broker.status().await, None);
        assert!(disk.exists(Path::new("/d/.kafka_cleanshutdown")));

        running.controller.send(ControllerEvent::Shutdown).await.unwrap();
        let stopped = threads.next().unwrap();
        assert_eq!(tokio::task::spawn_blocking(move || stopped.join().unwrap()).await.unwrap(), Ended::Stopped);
    }
}
