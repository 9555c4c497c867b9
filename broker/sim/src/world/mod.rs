//! Virtual time, and everything that happens in it, in order.

mod calls;
mod life;
mod step;
mod voters;

use std::collections::BTreeMap;

use odradek_core::metadata::image::Image;
use odradek_core::time::Now;
use odradek_node::event::{CallError, PeerResponse};
use odradek_wire::messages::ResponseKind;

pub(crate) use self::calls::context;
pub use self::voters::Voters;
use crate::counts::Counts;
use crate::invariants::Watch;
use crate::network::{Caller, Network, Place};
use crate::plan::Plan;
use crate::process::{Arrived, Process};
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

    /// Wakes the runner for a fault.
    pub fn schedule_fault(&mut self, at_us: u64, fault: u64) {
        self.schedule(at_us, Item::Fault(fault));
    }

    /// Wakes the runner for a client.
    pub fn schedule_client(&mut self, at_us: u64, client: Place) {
        self.schedule(at_us, Item::ClientWake { client });
    }
}
