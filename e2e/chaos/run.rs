//! One cluster under load and faults, round by round, each with a check of everything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use anyhow::Result;
use odradek_e2e::load::{Delivery, Ledger, Producer, Reader, Settings, Stalls, Violation, read_all};

use crate::cluster::{Cluster, PARTITIONS, TOPIC};
use crate::dice::Dice;
use crate::faults::Step;
use crate::plan::{self, Able, CLOCK_NODE, Fault, Planned, Shape};

/// After the last fault the cluster is whole again, and every record settled, within this time each.
pub(crate) const HEALS_WITHIN: Duration = Duration::from_secs(60);
/// Load without faults at the end of each round.
const CALM: Duration = Duration::from_secs(1);
const PRODUCERS: u32 = 3;
/// Records a second of each.
const RATE: u32 = 250;

/// What all clusters of a test have in common.
#[derive(Debug)]
pub struct Test<'a> {
    /// Prefix of everything that is made in the system.
    pub tag: &'a str,
    /// What the machine allows.
    pub able: Able,
    /// The one kind of fault, or all.
    pub only: Option<&'a str>,
}

/// What came of one cluster.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Rounds that were checked.
    pub rounds: usize,
    /// Faults that were done, by kind.
    pub faults: BTreeMap<&'static str, usize>,
    /// Records that were acknowledged.
    pub acknowledged: usize,
    /// Records that were found by the last check.
    pub found: usize,
    /// Records that clients gave up.
    pub refused: usize,
    /// The longest time without an acknowledgement while there were faults: overall, of one partition.
    pub stalls: (Duration, Duration),
    /// The same during restarts in order of all processes.
    pub roll: (Duration, Duration),
    /// The longest time from the end of the faults until the cluster was whole.
    pub healed: Duration,
    /// What must not have happened, with the round in which it did.
    pub violations: Vec<String>,
}

pub(crate) struct Run {
    pub(crate) cluster: Cluster,
    producers: Vec<Producer>,
    started: u32,
    reader: Reader,
    began: Instant,
    deliveries: Sender<Delivery>,
    arrived: Receiver<Delivery>,
    ledger: Ledger,
    /// From the start of the round.
    steps: BTreeMap<(Duration, u64), Step>,
    pub(crate) numbers: u64,
    pub(crate) outcome: Outcome,
}

/// How the clients find out within seconds that a broker is gone without a word; librdkafka's own defaults are a minute.
fn client() -> BTreeMap<String, String> {
    [("socket.timeout.ms", "5000"), ("reconnect.backoff.max.ms", "500"), ("topic.metadata.refresh.interval.ms", "5000")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// Runs rounds for about `budget`, one at least; stops at the first round with a violation.
///
/// # Errors
/// The cluster does not come up, or the machine does not do what is asked of it.
pub fn run(to: &Test<'_>, dir: &Path, shape: Shape, dice: &mut Dice, budget: Duration) -> Result<Outcome> {
    let began = Instant::now();
    let cluster = Cluster::start(dir, to.tag, shape, to.able)?;
    let (deliveries, arrived) = mpsc::channel();
    let reader = Reader::start(&cluster.bootstrap(), TOPIC, PARTITIONS, &client())?;
    let mut run = Run {
        cluster,
        producers: Vec::new(),
        started: 0,
        reader,
        began,
        deliveries,
        arrived,
        ledger: Ledger::default(),
        steps: BTreeMap::new(),
        numbers: 0,
        outcome: Outcome::default(),
    };
    for _ in 0..PRODUCERS {
        run.start_producer()?;
    }
    let mut longest = Duration::ZERO;
    while run.outcome.violations.is_empty() && (run.outcome.rounds == 0 || began.elapsed() + longest / 2 < budget) {
        let round = Instant::now();
        run.outcome.rounds += 1;
        let faults = plan::round(dice, shape, to.able, to.only);
        run.round(&faults)?;
        longest = longest.max(round.elapsed());
    }
    Ok(run.outcome)
}

impl Run {
    fn start_producer(&mut self) -> Result<()> {
        let mut client = client();
        // Records are not given up: every one of them is settled at the end of the round.
        client.insert("message.timeout.ms".to_owned(), "0".to_owned());
        client.insert("queue.buffering.max.messages".to_owned(), "20000".to_owned());
        client.insert("request.timeout.ms".to_owned(), "5000".to_owned());
        let settings = Settings {
            bootstrap: self.cluster.bootstrap(),
            topic: TOPIC.to_owned(),
            partitions: PARTITIONS,
            rate: RATE,
            bytes: 40..=1500,
            client,
        };
        self.producers.push(Producer::start(self.started, settings, self.began, self.deliveries.clone())?);
        self.started += 1;
        Ok(())
    }

    fn violated(&mut self, what: impl ToString) {
        let line = format!("round {}: {}", self.outcome.rounds, what.to_string());
        println!("    VIOLATION {line}");
        self.outcome.violations.push(line);
    }

    fn round(&mut self, faults: &[Planned]) -> Result<()> {
        println!("  round {}", self.outcome.rounds);
        self.producers.iter().for_each(|producer| producer.pause(false));
        let is_roll = faults.iter().any(|planned| planned.fault == Fault::Roll);
        let start = Instant::now();
        for planned in faults {
            self.later(planned.at, Step::Begin(planned.fault.clone()));
        }
        while let Some(entry) = self.steps.first_entry() {
            let now = start.elapsed();
            let due = entry.key().0;
            if due <= now {
                let step = entry.remove();
                self.step(now, step)?;
            } else {
                std::thread::park_timeout((due - now).min(Duration::from_millis(50)));
            }
            self.attend()?;
        }
        if let Err(error) = self.heal(is_roll) {
            self.violated(format!("{error:#}"));
            return Ok(());
        }
        self.check()
    }

    pub(crate) fn later(&mut self, at: Duration, step: Step) {
        self.numbers += 1;
        self.steps.insert((at, self.numbers), step);
    }

    /// Tells of processes that ended, and starts those that were asked to.
    pub(crate) fn attend(&mut self) -> Result<()> {
        for surprise in self.cluster.surprises() {
            self.violated(surprise);
        }
        let ended: Vec<usize> =
            self.cluster.nodes.iter().filter(|node| node.is_to_start()).map(|node| node.number).collect();
        for number in ended {
            self.cluster.launch(number)?;
        }
        Ok(())
    }

    /// Ends all faults, and waits until everything is as before them.
    fn heal(&mut self, is_roll: bool) -> Result<()> {
        let healing = Instant::now();
        self.cluster.nodes[CLOCK_NODE].set_clock(0)?;
        while healing.elapsed() < HEALS_WITHIN && self.cluster.nodes.iter().any(|node| node.stopping.is_some()) {
            self.attend()?;
            std::thread::park_timeout(Duration::from_millis(50));
        }
        let whole = self.cluster.wait_whole(HEALS_WITHIN);
        self.attend()?;
        whole?;
        self.outcome.healed = self.outcome.healed.max(healing.elapsed());
        let calm = Instant::now();
        while calm.elapsed() < CALM {
            std::thread::park_timeout(Duration::from_millis(50));
        }
        self.producers.iter().for_each(|producer| producer.pause(true));
        let settled = odradek_e2e::wait::until("all records are settled", HEALS_WITHIN, || {
            let unsettled: usize = self.producers.iter().filter(|p| p.fatal().is_none()).map(Producer::unsettled).sum();
            if unsettled == 0 { Ok(()) } else { Err(format!("{unsettled} are not")) }
        });
        let mut stalls = Stalls::default();
        let mut errors = BTreeSet::new();
        while let Ok(delivery) = self.arrived.try_recv() {
            if let Err(error) = &delivery.result {
                errors.insert(error.clone());
            } else {
                stalls.note(delivery.id.partition, delivery.at);
            }
            self.ledger.note(&delivery);
        }
        let longest = if is_roll { &mut self.outcome.roll } else { &mut self.outcome.stalls };
        *longest = (longest.0.max(stalls.overall()), longest.1.max(stalls.worst_partition()));
        println!(
            "    whole {:.1} s after the faults; longest stall {:.1} s, of one partition {:.1} s{}",
            (calm - healing).as_secs_f64(),
            stalls.overall().as_secs_f64(),
            stalls.worst_partition().as_secs_f64(),
            errors.iter().map(|error| format!("; {error}")).collect::<String>(),
        );
        settled
    }

    fn check(&mut self) -> Result<()> {
        for at in (0..self.producers.len()).rev() {
            if let Some(why) = self.producers[at].fatal() {
                self.violated(Violation::Client(why));
                drop(self.producers.remove(at));
                self.start_producer()?;
            }
        }
        let log = match read_all(&self.cluster.bootstrap(), TOPIC, PARTITIONS, &client(), HEALS_WITHIN) {
            Ok(log) => log,
            Err(error) => {
                self.violated(format!("the topic cannot be read: {error:#}"));
                return Ok(());
            }
        };
        let caught_up = odradek_e2e::wait::until("the consumer has read all", HEALS_WITHIN, || {
            let seen = self.reader.seen().len();
            if seen >= log.len() { Ok(()) } else { Err(format!("{seen} of {}", log.len())) }
        });
        let seen = self.reader.seen();
        let mut violations = self.ledger.check(&log);
        violations.extend(log.differs_from(&seen));
        violations.extend(seen.violations);
        for violation in violations {
            self.violated(violation);
        }
        if let Err(error) = caught_up {
            self.violated(format!("{error:#}"));
        }
        if let Err(error) = self.cluster.same_logs() {
            self.violated(format!("{error:#}"));
        }
        self.outcome.acknowledged = self.ledger.acknowledged();
        self.outcome.refused = self.ledger.refused();
        self.outcome.found = log.len();
        println!("    checked: {} acknowledged, {} found", self.outcome.acknowledged, self.outcome.found);
        Ok(())
    }
}
