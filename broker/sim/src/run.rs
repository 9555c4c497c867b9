//! One run of one seed.

use std::panic::AssertUnwindSafe;

use odradek_probe::{Mutation, reached};

use crate::client::{Acks, Admin, Client, Common, Consumer, Ledger, Producer, Setup, VoterAdmin};
use crate::counts::Counts;
use crate::faults::Faults;
use crate::invariants::{
    OneLeader, acknowledged, admin_kept, all_in_sync, led_values, logs_agree, metadata_agrees, no_duplicates, recovers,
    stable_reads, voters_kept,
};
use crate::network::{FIRST_CLIENT, Place};
use crate::plan::Plan;
use crate::rng::Rng;
use crate::world::{Happened, World};

/// Steps between two looks at the leaders.
const LOOK_EVERY: u64 = 200;
/// How long the load and its faults may take, virtual.
const LOAD_MAX_US: u64 = 600 * 1_000_000;
/// How long the cluster has to come back once the faults stop, virtual.
const RECOVERY_MAX_US: u64 = 120 * 1_000_000;

/// Operations of clients that each seed comes to: with fewer it says too little.
pub const FEWEST_OPERATIONS: u64 = 2_000;

/// And to so many faults.
pub const FEWEST_FAULTS: u64 = 5;

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// Its plan.
    pub plan: Plan,
    /// The hash over all that happened.
    pub hash: u64,
    /// What happened how often.
    pub counts: Counts,
    /// Broken invariants; empty when the run is good.
    pub broken: Vec<String>,
    /// Virtual seconds that it took.
    pub virtual_seconds: u64,
    /// Operations of clients that ended well: records acknowledged and consumed, commits, an administrator's.
    pub operations: u64,
}

/// Runs a seed. A panic anywhere inside is a finding too.
#[must_use]
pub fn run(seed: u64) -> Outcome {
    run_mutated(seed, None)
}

/// Runs a seed with a rule broken on purpose.
#[must_use]
pub fn run_mutated(seed: u64, mutation: Option<Mutation>) -> Outcome {
    run_plan(Plan::of(seed), mutation)
}

/// Runs a plan, also one that was changed.
#[must_use]
pub fn run_plan(plan: Plan, mutation: Option<Mutation>) -> Outcome {
    odradek_probe::set_mutation(mutation);
    let _ = odradek_probe::take_reached();
    let caught = std::panic::catch_unwind(AssertUnwindSafe(|| Run::new(plan.clone()).go()));
    odradek_probe::set_mutation(None);
    caught.unwrap_or_else(|panic| {
        let reason = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default();
        Outcome {
            plan,
            hash: 0,
            counts: Counts::default(),
            broken: vec![format!("panic: {reason}")],
            virtual_seconds: 0,
            operations: 0,
        }
    })
}

struct Run {
    world: World,
    ledger: Ledger,
    clients: Vec<Box<dyn Client>>,
    faults: Faults,
    one_leader: OneLeader,
    steps: u64,
    recovering: bool,
    broken: Vec<String>,
}

impl Run {
    fn new(plan: Plan) -> Run {
        let mut rng = Rng::new(plan.seed ^ 0x5eed);
        let mut place = FIRST_CLIENT;
        let mut common = |rng: &mut Rng| {
            place += 1;
            Common::new(place - 1, rng.fork())
        };
        let over_us = plan.load_us();
        let mut clients: Vec<Box<dyn Client>> = vec![Box::new(Setup::new(common(&mut rng)))];
        for _ in 0..plan.producers {
            let topics = (0..plan.topics.len()).collect();
            let client = common(&mut rng);
            clients.push(Box::new(Producer::new(client, Acks::Idempotent, topics, plan.records, over_us)));
        }
        let loose = plan.topic_index("loose").unwrap_or(0);
        for at in 0..plan.loose_producers {
            let acks = if (plan.seed + u64::from(at)).is_multiple_of(3) { Acks::None } else { Acks::Leader };
            clients.push(Box::new(Producer::new(common(&mut rng), acks, vec![loose], plan.records / 2, over_us)));
        }
        for (index, topic) in plan.topics.iter().enumerate() {
            for partition in 0..topic.partitions {
                clients.push(Box::new(Consumer::new(common(&mut rng), (index, partition))));
            }
        }
        clients.push(Box::new(Admin::new(common(&mut rng), 20, over_us)));
        let faults = Faults::new(rng.fork(), plan.faults);
        if plan.voter_changes > 0 {
            clients.push(Box::new(VoterAdmin::new(common(&mut rng), plan.voter_changes, over_us)));
        }
        Run {
            world: World::new(plan),
            ledger: Ledger::default(),
            clients,
            faults,
            one_leader: OneLeader::default(),
            steps: 0,
            recovering: false,
            broken: Vec::new(),
        }
    }

    fn go(mut self) -> Outcome {
        for place in self.world.processes.keys().copied().collect::<Vec<_>>() {
            self.world.start(place);
        }
        for index in 0..self.clients.len() {
            self.world.schedule_client(self.world.now_us + 1_000, FIRST_CLIENT + index as Place);
        }
        self.faults.begin(&mut self.world);
        self.until(LOAD_MAX_US, |run| run.faults.is_over() && run.clients.iter().all(|client| client.is_done()));
        if self.is_good() {
            self.broken.extend(logs_agree(&self.world));
            self.recovering = true;
            self.faults.end_all(&mut self.world);
            self.until(RECOVERY_MAX_US, |run| recovers(&run.world, &run.clients).is_empty());
        }
        self.more_load();
        if self.is_good() {
            self.broken.extend(recovers(&self.world, &self.clients));
        }
        self.finish()
    }

    /// What is missing where clients had to wait for so long that they came to little: another producer, without faults.
    fn more_load(&mut self) {
        let missing = FEWEST_OPERATIONS.saturating_sub(self.ledger.operations);
        if missing == 0 || !self.is_good() {
            return;
        }
        reached("load of its own for operations that were missing");
        let place = FIRST_CLIENT + self.clients.len() as Place;
        let common = Common::new(place, Rng::new(self.world.plan.seed ^ 0x10ad));
        let topics = (0..self.world.plan.topics.len()).collect();
        self.clients.push(Box::new(Producer::new(common, Acks::Idempotent, topics, missing as u32, 1_000_000)));
        self.world.schedule_client(self.world.now_us + 1_000, place);
        self.until(LOAD_MAX_US, |run| recovers(&run.world, &run.clients).is_empty());
    }

    fn is_good(&self) -> bool {
        self.broken.is_empty() && self.world.findings.is_empty() && self.ledger.findings.is_empty()
    }

    /// Steps until something holds (looked at now and then) or the time is over.
    fn until(&mut self, for_us: u64, done: impl Fn(&Run) -> bool) {
        let until_us = self.world.now_us + for_us;
        while self.is_good() {
            match self.world.step(until_us) {
                Happened::Nothing => return,
                Happened::Inside => {}
                Happened::Fault(which) => self.faults.happen(which, &mut self.world),
                Happened::ClientWake { client } => {
                    if let Some(client) = self.clients.get_mut((client - FIRST_CLIENT) as usize) {
                        client.wake(&mut self.world, &mut self.ledger);
                    }
                }
                Happened::ClientAnswer { client, call, answer } => {
                    if let Some(client) = self.clients.get_mut((client - FIRST_CLIENT) as usize) {
                        client.answer(call, answer, &mut self.world, &mut self.ledger);
                    }
                }
            }
            self.steps += 1;
            if self.steps.is_multiple_of(LOOK_EVERY) {
                let broken = self.one_leader.look(&mut self.world);
                self.broken.extend(broken);
                self.broken.extend(all_in_sync(&self.world));
                self.world.look_at_promise();
                if self.recovering {
                    // Who was still stopping when the faults ended comes back too, as Kubernetes would have it.
                    self.world.start_all();
                }
                if done(self) {
                    return;
                }
            }
        }
    }

    fn finish(mut self) -> Outcome {
        // What was found first says most; the rest is only looked at when the run came to its end.
        if self.is_good() {
            self.broken.extend(metadata_agrees(&self.world));
            self.broken.extend(logs_agree(&self.world));
            match led_values(&self.world) {
                Ok(led) => {
                    self.broken.extend(acknowledged(&self.world, &self.ledger, &led));
                    self.broken.extend(no_duplicates(&self.world, &self.ledger, &led));
                    self.broken.extend(stable_reads(&self.world, &self.ledger, &led));
                    self.broken.extend(admin_kept(&self.world, &self.ledger));
                    self.broken.extend(voters_kept(&self.world, &self.ledger));
                }
                Err(reason) => self.broken.push(format!("a leader's log: {reason}")),
            }
        }
        self.broken.append(&mut self.world.findings);
        self.broken.append(&mut self.ledger.findings);
        let mut trace = self.world.trace.clone();
        for process in self.world.processes.values() {
            for (path, bytes) in process.disk.files() {
                trace.bytes(path.to_string_lossy().as_bytes());
                trace.bytes(&bytes);
            }
        }
        let mut counts = std::mem::take(&mut self.world.counts);
        for (name, many) in odradek_probe::take_reached() {
            counts.add_many(name, many);
        }
        Outcome {
            hash: trace.hash(),
            operations: self.ledger.operations,
            counts,
            broken: self.broken,
            virtual_seconds: self.world.now_us / 1_000_000,
            plan: self.world.plan,
        }
    }
}
