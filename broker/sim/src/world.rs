//! Virtual time, and everything that happens in it, in order.

use std::collections::BTreeMap;

use odradek_core::metadata::image::Image;
use odradek_core::time::Now;
use odradek_node::controller::ControllerEvent;
use odradek_node::event::{CallError, Event, ListenerRole, PeerResponse, Request, RequestContext};
use odradek_wire::messages::ResponseKind;

use crate::counts::Counts;
use crate::invariants::Watch;
use crate::network::{Caller, FIRST_CLIENT, Network, Place};
use crate::plan::Plan;
use crate::process::{Arrived, LISTENER, Process, State};
use crate::promise::Promise;
use crate::rng::Rng;
use crate::trace::Trace;

/// Where wall clocks start, so that timestamps look like some.
const WALL_START_MS: i64 = 1_790_000_000_000;

/// More wakes than this in one millisecond are work for nothing.
const SPINS: u32 = 200;

/// In place of a generation: whatever life the process is in when it arrives.
pub(crate) const ANY_LIFE: u64 = u64::MAX;

/// What a client gets.
#[derive(Debug)]
pub enum ClientAnswer {
    /// Decoded.
    Kafka(Box<ResponseKind>),
    /// The broker closed the connection, or never answered.
    Lost,
}

/// What is to happen.
pub(crate) enum Item {
    /// Something arrives at that life of a process.
    Arrive { place: Place, generation: u64, what: Arrived },
    /// A process has something due.
    Wake { place: Place, generation: u64 },
    /// A call ends at a process.
    Answer { caller: Caller, result: Box<Result<PeerResponse, CallError>> },
    /// A call of a client ends.
    ClientAnswer { caller: Caller, answer: ClientAnswer },
    /// A client has something to do.
    ClientWake { client: Place },
    /// A fault begins or ends.
    Fault(u64),
}

/// What [`World::step`] hands to the one who runs the world.
pub enum Happened {
    /// To be taken up by a client.
    ClientAnswer {
        /// Which client.
        client: Place,
        /// Its name for the call.
        call: u64,
        /// The answer.
        answer: ClientAnswer,
    },
    /// A client asked to be woken.
    ClientWake {
        /// Which client.
        client: Place,
    },
    /// A fault's time has come.
    Fault(u64),
    /// Something inside the cluster.
    Inside,
    /// Nothing is left to happen.
    Nothing,
}

/// A cluster in virtual time.
pub struct World {
    /// The plan that it was made from.
    pub plan: Plan,
    /// Virtual microseconds since the start.
    pub now_us: u64,
    known: Image,
    queue: BTreeMap<(u64, u64), Item>,
    sequence: u64,
    /// The processes, by place.
    pub processes: BTreeMap<Place, Process>,
    /// Calls and links.
    pub network: Network,
    /// Chance for the network.
    pub(crate) rng: Rng,
    /// While true, connections break and messages get lost by chance.
    pub lossy: bool,
    /// All that happened.
    pub trace: Trace,
    /// How often what happened.
    pub counts: Counts,
    /// What was promised, and what was not.
    pub promise: Promise,
    /// Looks at requests and answers.
    pub watch: Watch,
    /// Found by the processes themselves: each is a failure of the run.
    pub findings: Vec<String>,
}

impl World {
    /// The processes of a plan, not started.
    #[must_use]
    pub fn new(plan: Plan) -> World {
        let mut processes = BTreeMap::new();
        for id in plan.broker_ids() {
            processes.insert(id, Process::new(id, true, plan.controller_ids().contains(&id)));
        }
        for id in plan.controller_ids() {
            processes.entry(id).or_insert_with(|| Process::new(id, false, true));
        }
        World {
            now_us: 1_000_000,
            known: Image::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            processes,
            network: Network::default(),
            rng: Rng::new(plan.seed).fork(),
            lossy: true,
            trace: Trace::default(),
            counts: Counts::default(),
            promise: Promise::default(),
            watch: Watch::default(),
            findings: Vec::new(),
            plan,
        }
    }

    /// The wall clock where it is right.
    #[must_use]
    pub fn wall_ms(&self) -> i64 {
        WALL_START_MS + i64::try_from(self.now_us / 1_000).unwrap_or(0)
    }

    /// Both clocks of a process. The monotonic one never jumps.
    #[must_use]
    pub fn now_at(&self, place: Place) -> Now {
        let off = self.processes.get(&place).map_or(0, |process| process.wall_off_ms);
        Now::new(self.now_us / 1_000, self.wall_ms() + off)
    }

    /// The newest committed metadata that any process had when it was last looked for.
    #[must_use]
    pub fn known_image(&self) -> &Image {
        match self.newest_image() {
            Some(image) if image.offset() > self.known.offset() => image,
            _ => &self.known,
        }
    }

    /// The newest committed metadata that any process has just now.
    #[must_use]
    pub fn newest_image(&self) -> Option<&Image> {
        let controllers = self.processes.values().filter_map(|it| it.controller.as_ref()).map(|it| it.image());
        let brokers = self.processes.values().filter_map(|it| it.broker.as_ref()).map(|it| it.image());
        controllers.chain(brokers).max_by_key(|image| image.offset())
    }

    pub(crate) fn schedule(&mut self, at_us: u64, item: Item) {
        self.sequence += 1;
        self.queue.insert((at_us.max(self.now_us), self.sequence), item);
    }

    pub(crate) fn delay(&mut self) -> u64 {
        let (low, high) = self.plan.delay_us;
        self.rng.range(low, high)
    }

    /// As [`World::delay`]; now and then much longer.
    pub(crate) fn delay_or_late(&mut self) -> u64 {
        let delay = self.delay();
        if self.lossy && self.plan.late_per_thousand > 0 && self.rng.chance(self.plan.late_per_thousand) {
            self.counts.add("message late");
            return delay + self.rng.range(100_000, 3_000_000);
        }
        delay
    }

    /// Starts a process that is down.
    pub fn start(&mut self, place: Place) {
        let now = self.now_at(place);
        let Some(process) = self.processes.get_mut(&place).filter(|process| process.state == State::Down) else {
            return;
        };
        if let Err(reason) = process.start(&self.plan, now) {
            process.kill();
            if process.disk_trouble {
                self.counts.add("start refused by a disk in trouble");
            } else {
                self.findings.push(format!("process {place} does not start: {reason}"));
            }
            return;
        }
        let generation = process.generation;
        self.trace.numbers(&[1, self.now_us, place as u64, generation]);
        self.schedule(self.now_us, Item::Wake { place, generation });
    }

    /// Starts whoever is down.
    pub fn start_all(&mut self) {
        let down: Vec<Place> = self
            .processes
            .values()
            .filter(|process| process.state == State::Down)
            .map(|process| process.place)
            .collect();
        for place in down {
            self.start(place);
        }
    }

    /// kill -9. Whoever waited for it learns at once, unless the link is cut.
    pub fn kill(&mut self, place: Place) {
        let Some(process) = self.processes.get_mut(&place).filter(|process| process.state != State::Down) else {
            return;
        };
        let generation = process.generation;
        process.kill();
        self.trace.numbers(&[2, self.now_us, place as u64]);
        self.gone(place, generation);
    }

    /// The power of a process that is down goes: what was not synced may be lost.
    pub fn lose_power(&mut self, place: Place, tear: u64) {
        let Some(process) = self.processes.get_mut(&place).filter(|process| process.state == State::Down) else {
            return;
        };
        process.power_loss(tear);
        if process.is_broker() {
            self.note_loss(place);
        }
    }

    /// The data (or metadata) volume of a process that is down is replaced by an empty one.
    pub fn lose_volume(&mut self, place: Place, data: bool) {
        let Some(process) = self.processes.get_mut(&place).filter(|process| process.state == State::Down) else {
            return;
        };
        if data {
            process.lose_data();
            self.note_loss(place);
        } else {
            process.lose_metadata();
            self.promise.lose_controller(place);
        }
    }

    fn note_loss(&mut self, place: Place) {
        self.known = self.known_image().clone();
        self.promise.lose(&self.plan, &self.known, place);
    }

    /// Looks at what is promised just now.
    pub fn look_at_promise(&mut self) {
        self.known = self.known_image().clone();
        let mut promise = std::mem::take(&mut self.promise);
        promise.look(self);
        self.promise = promise;
    }

    /// The controller that decides, when there is one (the one of the newest term, when an older one does not know
    /// yet).
    #[must_use]
    pub fn active_controller(&self) -> Option<Place> {
        let controllers = self.processes.values().filter_map(|it| Some((it.place, it.controller.as_ref()?)));
        let active = controllers.filter(|(_, controller)| controller.is_active());
        active.max_by_key(|(_, controller)| controller.vote().0).map(|(place, _)| place)
    }

    pub(crate) fn gone(&mut self, place: Place, generation: u64) {
        for caller in self.network.lost_at(place) {
            if self.network.reaches(place, caller.place) {
                let delay = self.delay();
                self.end_call(self.now_us + delay, caller, Err(CallError::Disconnected("the peer is gone".to_owned())));
            }
        }
        for (to, to_generation, connection) in self.network.connections_from((place, generation)) {
            if self.network.reaches(place, to) {
                let delay = self.delay();
                let what = Arrived::Controller(ControllerEvent::ConnectionClosed { connection });
                self.schedule(self.now_us + delay, Item::Arrive { place: to, generation: to_generation, what });
            }
        }
    }

    /// SIGTERM to a broker.
    pub fn stop_in_order(&mut self, place: Place) {
        let Some(process) = self.processes.get(&place).filter(|process| process.state == State::Up) else { return };
        let generation = process.generation;
        self.schedule(self.now_us, Item::Arrive { place, generation, what: Arrived::Broker(Event::Shutdown) });
    }

    /// SIGSTOP.
    pub fn pause(&mut self, place: Place) {
        if let Some(process) = self.processes.get_mut(&place).filter(|process| process.state == State::Up) {
            process.state = State::Paused;
        }
    }

    /// SIGCONT.
    pub fn resume(&mut self, place: Place) {
        let Some(process) = self.processes.get_mut(&place).filter(|process| process.state == State::Paused) else {
            return;
        };
        process.state = State::Up;
        let generation = process.generation;
        for what in std::mem::take(&mut process.backlog) {
            self.schedule(self.now_us, Item::Arrive { place, generation, what });
        }
        self.schedule(self.now_us, Item::Wake { place, generation });
    }

    /// Wakes the runner for a fault.
    pub fn schedule_fault(&mut self, at_us: u64, fault: u64) {
        self.schedule(at_us, Item::Fault(fault));
    }

    /// Wakes the runner for a client.
    pub fn schedule_client(&mut self, at_us: u64, client: Place) {
        self.schedule(at_us, Item::ClientWake { client });
    }

    /// A client asks a broker; exactly one [`Happened::ClientAnswer`] follows.
    pub fn client_call(
        &mut self,
        client: Place,
        call: u64,
        to: Place,
        api: (i16, i16),
        body: Request,
        timeout_ms: u64,
    ) {
        let caller = Caller { place: client, generation: 0, call };
        self.send(caller, to, timeout_ms, |connection, request| {
            Arrived::Broker(Event::Request { context: context(request, connection, api, "client"), body })
        });
    }

    pub(crate) fn send(
        &mut self,
        caller: Caller,
        to: Place,
        timeout_ms: u64,
        arrive: impl FnOnce(u64, u64) -> Arrived,
    ) {
        let deadline = self.now_us + timeout_ms * 1_000;
        let up = self.processes.get(&to).filter(|process| process.state != State::Down);
        let generation = up.map(|process| process.generation);
        let delay = self.delay_or_late();
        self.network.call_lost(caller);
        self.end_call(deadline, caller, Err(CallError::TimedOut));
        if !self.network.reaches(caller.place, to) {
            return;
        }
        let Some(generation) = generation else {
            if self.network.reaches(to, caller.place) {
                self.end_call(self.now_us + delay, caller, Err(CallError::Disconnected("refused".to_owned())));
            }
            return;
        };
        if self.lossy && self.rng.chance(self.plan.break_per_thousand) {
            self.counts.add("connection broken before the request");
            self.end_call(self.now_us + delay, caller, Err(CallError::Disconnected("broken".to_owned())));
            return;
        }
        let request = self.network.call(caller, to);
        let connection = self.network.connection((caller.place, caller.generation), (to, generation));
        let what = arrive(connection, request);
        let at = self.network.in_order((caller.place, caller.generation), to, self.now_us + delay);
        self.schedule(at, Item::Arrive { place: to, generation, what });
    }

    pub(crate) fn end_call(&mut self, at_us: u64, caller: Caller, result: Result<PeerResponse, CallError>) {
        if caller.place >= FIRST_CLIENT {
            self.schedule(at_us, Item::ClientAnswer { caller, answer: ClientAnswer::Lost });
        } else {
            self.schedule(at_us, Item::Answer { caller, result: Box::new(result) });
        }
    }

    /// Lets the next thing happen, unless it lies after `until_us`.
    pub fn step(&mut self, until_us: u64) -> Happened {
        match self.queue.first_key_value() {
            Some(((at, _), _)) if *at <= until_us => {}
            _ => {
                self.now_us = self.now_us.max(until_us);
                return Happened::Nothing;
            }
        }
        let Some(((at, _), item)) = self.queue.pop_first() else { return Happened::Nothing };
        self.now_us = at;
        match item {
            Item::Arrive { place, generation, what } => self.arrive(place, generation, what),
            Item::Wake { place, generation } => {
                if let Some(process) = self.processes.get_mut(&place)
                    && process.generation == generation
                    && process.state == State::Up
                    && process.wake_us.is_none_or(|wake| wake <= at)
                {
                    process.wake_us = None;
                    let ms = at / 1_000;
                    process.wakes = if process.wakes.0 == ms { (ms, process.wakes.1 + 1) } else { (ms, 1) };
                    if process.wakes.1 > SPINS {
                        self.findings.push(format!("process {place} spins: {SPINS} wakes in one millisecond"));
                    }
                    self.turn(place, None);
                }
            }
            Item::Answer { caller, result } => {
                if self.network.close(caller) {
                    let what = Arrived::Broker(Event::Answer { call: caller.call, result: *result });
                    self.arrive(caller.place, caller.generation, what);
                }
            }
            Item::ClientAnswer { caller, answer } => {
                if self.network.close(caller) {
                    self.trace.numbers(&[3, at, caller.place as u64, caller.call]);
                    return Happened::ClientAnswer { client: caller.place, call: caller.call, answer };
                }
            }
            Item::ClientWake { client } => return Happened::ClientWake { client },
            Item::Fault(fault) => return Happened::Fault(fault),
        }
        Happened::Inside
    }

    fn arrive(&mut self, place: Place, generation: u64, what: Arrived) {
        let there = |process: &&mut Process| generation == ANY_LIFE || process.generation == generation;
        let Some(process) = self.processes.get_mut(&place).filter(there) else { return };
        match process.state {
            State::Up => self.turn(place, Some(what)),
            State::Paused => process.backlog.push_back(what),
            State::Down => {}
        }
    }

    /// One turn of the loops of a process.
    fn turn(&mut self, place: Place, what: Option<Arrived>) {
        let now = self.now_at(place);
        if let Some(what) = &what {
            self.watch_request(place, what);
        }
        let Some(process) = self.processes.get_mut(&place) else { return };
        let generation = process.generation;
        let (broker_event, controller_event) = match what {
            Some(Arrived::Broker(event)) => (Some(event), None),
            Some(Arrived::Controller(event)) => (None, Some(event)),
            None => (None, None),
        };
        let mut commands = Vec::new();
        let mut controller_commands = Vec::new();
        if let Some(controller) = &mut process.controller {
            match controller_event {
                Some(event) => controller.handle(now, event, &mut controller_commands),
                None if broker_event.is_none() => {
                    controller.handle(now, ControllerEvent::Timer, &mut controller_commands);
                }
                None => {}
            }
            if let Err(finding) = self.watch.votes.look(place, controller.vote()) {
                self.findings.push(finding);
            }
        }
        if let Some(broker) = &mut process.broker {
            broker.turn(now, broker_event, &mut commands);
        }
        let mut wake: Option<u64> = None;
        let mut sooner = |deadline_ms: u64| wake = Some(wake.map_or(deadline_ms, |at| at.min(deadline_ms)));
        if let Some(broker) = &process.broker {
            sooner(broker.next_deadline());
        }
        if let Some(deadline) = process.controller.as_ref().and_then(|controller| controller.next_deadline()) {
            sooner(deadline);
        }
        if let Some(deadline_ms) = wake {
            let at = (deadline_ms * 1_000).max(self.now_us + 1);
            if process.wake_us.is_none_or(|wake| at < wake) {
                process.wake_us = Some(at);
                self.schedule(at, Item::Wake { place, generation });
            }
        }
        // While something is missing, no state of the metadata may be overlooked.
        if self.promise.is_strained() && self.newest_image().is_some_and(|image| image.offset() > self.known.offset()) {
            self.look_at_promise();
        }
        self.trace.numbers(&[4, self.now_us, place as u64, commands.len() as u64, controller_commands.len() as u64]);
        for command in controller_commands {
            self.controller_command(place, generation, command);
        }
        for command in commands {
            self.broker_command(place, generation, command);
        }
    }
}

pub(crate) fn context(request: u64, connection: u64, api: (i16, i16), client: &str) -> RequestContext {
    RequestContext {
        request,
        connection,
        listener: LISTENER.into(),
        role: ListenerRole::InterBroker,
        api_key: api.0,
        api_version: api.1,
        client_id: client.into(),
        client_host: "/127.0.0.1".into(),
    }
}
