//! An administrator of the controllers' quorum, as with `kafka-metadata-quorum add-controller` and `remove-controller`
//! (docs/quorum.md): takes voters out one by one, the active one too and down to the last, stops some, and brings them
//! back with the disk that they had or with an empty one.
//!
//! It begins nothing while something may be under way, and takes out nobody whose going would leave the voters that
//! have their disks without a majority. What it asks for is asked again, of another broker, until there is an answer.

use std::collections::BTreeMap;

use odradek_wire::messages::add_raft_voter_request::Listener;
use odradek_wire::messages::{AddRaftVoterRequest, RemoveRaftVoterRequest, RequestKind, ResponseKind};
use odradek_wire::protocol::StrBytes;
use uuid::Uuid;

use super::ledger::Expected;
use super::{Client, Common, Ledger};
use crate::network::Place;
use crate::plan::AutoJoin;
use crate::process::{CONTROLLER_LISTENER, CONTROLLER_PORT, State};
use crate::world::{ClientAnswer, Voters, World};

const ADD_RAFT_VOTER: (i16, i16) = (80, 0);
const REMOVE_RAFT_VOTER: (i16, i16) = (81, 0);
const DUPLICATE_VOTER: i16 = 126;
const VOTER_NOT_FOUND: i16 = 127;
const ADD_TIMEOUT_MS: i32 = 2_000;
/// Within this time a change is on its way, decided and known to all, mostly.
const LONGEST_CHANGE_US: u64 = 150_000;
/// What is refused so often is given up.
const MOST_TRIES: u32 = 10;

/// One change, until it is answered.
#[derive(Debug, Clone)]
struct Change {
    add: bool,
    place: Place,
    directory: Vec<u8>,
    tries: u32,
    /// Who was the active controller, and how many voted, when it was decided.
    decided: (Option<Place>, usize),
}

/// The administrator.
#[derive(Debug)]
pub struct VoterAdmin {
    common: Common,
    left: u32,
    pace_us: u64,
    current: Option<Change>,
    call: Option<u64>,
    /// Stopped, to be started again at that time.
    away: BTreeMap<Place, u64>,
    /// To be killed at that time.
    to_kill: Option<(Place, u64)>,
}

impl VoterAdmin {
    /// One that changes so many voters in about `over_us`.
    #[must_use]
    pub fn new(common: Common, changes: u32, over_us: u64) -> VoterAdmin {
        let pace_us = over_us / u64::from(changes.max(1));
        VoterAdmin { common, left: changes, pace_us, current: None, call: None, away: BTreeMap::new(), to_kill: None }
    }

    /// What it does next; `None` when nothing may be done just now, or nothing is left.
    fn next(&mut self, world: &mut World) -> Option<Change> {
        let voters = world.settled_voters()?;
        let change = |add: bool, place: Place, directory: Vec<u8>| {
            let decided = (world.active_controller(), voters.len());
            Some(Change { add, place, directory, tries: 0, decided })
        };
        // Nobody else puts another disk in the place of a lost one.
        if world.plan.auto_join == AutoJoin::Never {
            let lost = voters.iter().find(|(place, directory)| !world.has_its_disk(**place, directory));
            if let Some((place, directory)) = lost {
                return change(false, *place, directory.clone());
            }
        }
        if self.left == 0 {
            return None;
        }
        let all: Vec<Place> = voters.keys().copied().collect();
        let any = *self.common.rng.pick(&all);
        if self.common.rng.chance(150) && world.promise.may_lose_controller(world, any) {
            self.stop(any, true, world);
            return None;
        }
        let others = world.processes.values().filter(|it| it.is_controller() && !voters.contains_key(&it.place));
        let others: Vec<Place> = others.map(|process| process.place).filter(|it| !self.away.contains_key(it)).collect();
        if voters.len() > 1 && (others.is_empty() || self.common.rng.chance(600)) {
            let place = world.active_controller().filter(|_| self.common.rng.chance(400)).unwrap_or(any);
            if !may_remove(world, &voters, place) {
                return None;
            }
            self.left -= 1;
            return change(false, place, voters[&place].clone());
        }
        let place = *self.common.rng.pick(if others.is_empty() { return None } else { &others });
        if self.common.rng.chance(500) {
            let may_empty = world.promise.may_lose_controller(world, place);
            let empty = may_empty && self.common.rng.chance(600);
            self.stop(place, empty, world);
            return None;
        }
        self.left -= 1;
        change(true, place, world.processes[&place].metadata_dir().to_vec())
    }

    /// Kills a controller while a change is on its way, or right after it: it may be the only one that knows of it.
    fn kill_who_is_due(&mut self, world: &mut World) {
        let Some((place, _)) = self.to_kill.take_if(|(_, at_us)| *at_us <= world.now_us) else { return };
        if world.processes.get(&place).is_some_and(|process| process.state != State::Down) {
            world.kill(place);
            world.counts.add("controller killed while the voters change");
            self.away.insert(place, world.now_us + self.common.rng.range(50_000, 3_000_000));
        }
    }

    /// Stops a controller for a while; it may come back with an empty disk.
    fn stop(&mut self, place: Place, empty: bool, world: &mut World) {
        world.kill(place);
        if empty {
            world.lose_volume(place, false);
            if let Some(process) = world.processes.get_mut(&place) {
                process.bootstraps = self.common.rng.chance(700);
            }
        }
        world.counts.add(match empty {
            true => "controller stopped by an administrator, its disk replaced",
            false => "controller stopped by an administrator",
        });
        self.away.insert(place, world.now_us + self.common.rng.range(50_000, 3_000_000));
    }

    fn start_who_is_due(&mut self, world: &mut World) {
        let now_us = world.now_us;
        let due: Vec<Place> = self.away.iter().filter(|(_, at)| **at <= now_us).map(|(place, _)| *place).collect();
        for place in due {
            self.away.remove(&place);
            world.start(place);
        }
    }

    /// Whether the change may be asked for (again) as things are now; `None` when that is not sure.
    fn still_wanted(change: &Change, world: &World) -> Option<bool> {
        // While somebody may yet carry it out, no disk is lost and nothing else is changed: once more does no harm.
        if world.network.may_change_voters() {
            return Some(true);
        }
        let voters = world.settled_voters()?;
        Some(match change.add {
            true => world.has_its_disk(change.place, &change.directory),
            false => !voters.contains_key(&change.place) || may_remove(world, &voters, change.place),
        })
    }

    fn send(&mut self, world: &mut World, ledger: &mut Ledger) {
        let Some(change) = &mut self.current else { return };
        match VoterAdmin::still_wanted(change, world) {
            None => return self.common.later(world),
            Some(false) => {
                world.counts.add("change of the voters given up");
                self.current = None;
                return self.common.later(world);
            }
            Some(true) => {}
        }
        change.tries += 1;
        if change.tries > 1 {
            world.counts.add("change of the voters asked for again");
        }
        ledger.voters.insert(change.place, (change.directory.clone(), Expected::Either));
        let directory = Uuid::from_slice(&change.directory).unwrap_or_default();
        let (api, body) = if change.add {
            let host = StrBytes::from_string(format!("controller-{}", change.place));
            let listener = Listener::default()
                .with_name(StrBytes::from_static_str(CONTROLLER_LISTENER))
                .with_host(host)
                .with_port(CONTROLLER_PORT);
            let body = AddRaftVoterRequest::default()
                .with_voter_id(change.place)
                .with_voter_directory_id(directory)
                .with_timeout_ms(ADD_TIMEOUT_MS)
                .with_listeners(vec![listener]);
            (ADD_RAFT_VOTER, RequestKind::AddRaftVoter(body))
        } else {
            let body = RemoveRaftVoterRequest::default().with_voter_id(change.place).with_voter_directory_id(directory);
            (REMOVE_RAFT_VOTER, RequestKind::RemoveRaftVoter(body))
        };
        let victim = world.active_controller().filter(|_| self.common.rng.chance(500)).unwrap_or(change.place);
        let kills = change.tries == 1 && self.common.rng.chance(200);
        let to = self.common.any_broker(world);
        self.call = Some(self.common.ask(world, to, api, body));
        if kills {
            let at_us = world.now_us + self.common.rng.range(0, LONGEST_CHANGE_US);
            self.to_kill = Some((victim, at_us));
            world.schedule_client(at_us, self.common.place);
        }
    }

    /// Takes up an answer; true when the change is over.
    fn ended(&mut self, answer: ClientAnswer, world: &mut World, ledger: &mut Ledger) -> bool {
        let Some(change) = &self.current else { return true };
        let error = match answer {
            ClientAnswer::Kafka(kind) => match *kind {
                ResponseKind::AddRaftVoter(response) => Some(response.error_code),
                ResponseKind::RemoveRaftVoter(response) => Some(response.error_code),
                _ => None,
            },
            ClientAnswer::Lost => None,
        };
        match (change.add, error) {
            (_, Some(0)) => {
                ledger.voters.insert(change.place, (change.directory.clone(), Expected::Known(change.add)));
                ledger.operations += 1;
                for what in what_it_was(change, world) {
                    world.counts.add(what);
                }
                true
            }
            // It was carried out before, and the answer was lost; or the controller did it by itself.
            (true, Some(DUPLICATE_VOTER)) | (false, Some(VOTER_NOT_FOUND)) => true,
            (_, _) => change.tries >= MOST_TRIES,
        }
    }
}

/// Names for a change that was carried out.
fn what_it_was(change: &Change, world: &World) -> Vec<&'static str> {
    let (active, voters) = change.decided;
    if change.add {
        let had_another = world.processes.get(&change.place).is_some_and(|process| process.volumes.1 > 1);
        let back = had_another.then_some("voter added with another disk than its first");
        return std::iter::once("voter added by an administrator").chain(back).collect();
    }
    let mut names = vec!["voter removed by an administrator"];
    if active == Some(change.place) {
        names.push("active controller removed by an administrator");
    }
    if voters == 2 {
        names.push("one voter left");
    }
    if !world.has_its_disk(change.place, &change.directory) {
        names.push("voter with a lost disk removed by an administrator");
    }
    names
}

/// Whether a voter may be taken out: while a disk is being replaced only the one that is lost.
fn may_remove(world: &World, voters: &Voters, place: Place) -> bool {
    let is_lost = voters.get(&place).is_some_and(|directory| !world.has_its_disk(place, directory));
    (is_lost || world.promise.lost_controller().is_none()) && world.may_remove(voters, place)
}

impl Client for VoterAdmin {
    fn wake(&mut self, world: &mut World, ledger: &mut Ledger) {
        self.kill_who_is_due(world);
        self.start_who_is_due(world);
        if self.call.is_some() {
            return;
        }
        if self.current.is_none() {
            self.current = self.next(world);
        }
        match self.current {
            Some(_) => self.send(world, ledger),
            None if self.is_done() => world.schedule_client(world.now_us + 1_000_000, self.common.place),
            None => self.common.later(world),
        }
    }

    fn answer(&mut self, call: u64, answer: ClientAnswer, world: &mut World, ledger: &mut Ledger) {
        if self.call != Some(call) {
            return;
        }
        self.call = None;
        if self.ended(answer, world, ledger) {
            self.current = None;
            let pause = self.common.rng.range(0, self.pace_us);
            world.schedule_client(world.now_us + pause.max(1_000), self.common.place);
        } else {
            self.common.later(world);
        }
    }

    fn is_done(&self) -> bool {
        self.left == 0 && self.current.is_none() && self.away.is_empty() && self.to_kill.is_none()
    }
}
