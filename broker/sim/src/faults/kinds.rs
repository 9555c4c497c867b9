//! What can go wrong, one kind after the other.

use odradek_log::disk::mem::{DiskOp, Fault};

use super::Faults;
use crate::network::{FIRST_CLIENT, Place};
use crate::process::State;
use crate::rng::Rng;
use crate::world::World;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// kill -9 of one process.
    Kill,
    /// kill -9 of all.
    KillAll,
    /// SIGTERM to a broker.
    Stop,
    /// SIGSTOP, for a while.
    Pause,
    /// Nothing reaches a node, and nothing comes from it.
    CutOff,
    /// Nothing that one node sends reaches another.
    CutOneWay,
    /// A broker loses its power.
    PowerLoss,
    /// A controller loses its power.
    ControllerPowerLoss,
    /// A broker comes back with an empty data volume.
    EmptyDisk,
    /// A controller comes back with an empty metadata volume, and the active one is killed meanwhile.
    EmptyControllerDisk,
    /// Writes or syncs of a data volume fail.
    FailingDisk,
    /// A data volume has no room left.
    FullDisk,
    /// Syncs take seconds.
    SlowDisk,
    /// A wall clock jumps, by up to a day.
    ClockJump,
    /// The active controller, and the leader of some partition, at once.
    KillLeaders,
    /// A leader stands still while a follower of its loses its power: what that one sent before waits to be read.
    PauseAndPowerLoss,
}

/// What ends a fault.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Start(Place),
    /// Another fault follows: a kill.
    Kill(Place),
    Resume(Place),
    Heal,
    /// The disk works again, and its process is started anew as an operator would.
    Repair(Place),
    /// There is room again.
    Room(Place),
    /// The disk is as quick as before.
    Quick(Place),
    /// The wall clock is right again.
    ClockRight(Place),
}

impl Kind {
    pub fn draw(rng: &mut Rng) -> Kind {
        match rng.range(0, 39) {
            0..=7 => Kind::Kill,
            8 => Kind::KillAll,
            9..=10 => Kind::Stop,
            11..=13 => Kind::Pause,
            14..=16 => Kind::CutOff,
            17..=20 => Kind::CutOneWay,
            21..=24 => Kind::PowerLoss,
            25..=26 => Kind::ControllerPowerLoss,
            27..=28 => Kind::EmptyDisk,
            29..=30 => Kind::EmptyControllerDisk,
            31 => Kind::FailingDisk,
            32 => Kind::FullDisk,
            33 => Kind::SlowDisk,
            34..=35 => Kind::ClockJump,
            36..=37 => Kind::KillLeaders,
            _ => Kind::PauseAndPowerLoss,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Kind::Kill => "fault: process killed",
            Kind::KillAll => "fault: all killed at once",
            Kind::Stop => "fault: broker stopped in order",
            Kind::Pause => "fault: process paused",
            Kind::CutOff => "fault: node cut off",
            Kind::CutOneWay => "fault: link cut one way",
            Kind::PowerLoss => "fault: broker lost its power",
            Kind::ControllerPowerLoss => "fault: controller lost its power",
            Kind::EmptyDisk => "fault: broker with an empty disk",
            Kind::EmptyControllerDisk => "fault: controller with an empty disk",
            Kind::FailingDisk => "fault: disk failed",
            Kind::FullDisk => "fault: disk full",
            Kind::SlowDisk => "fault: disk slow",
            Kind::ClockJump => "fault: clock jumped",
            Kind::KillLeaders => "fault: active controller and a leader killed",
            Kind::PauseAndPowerLoss => "fault: leader paused, follower lost its power",
        }
    }
}

impl Faults {
    /// Lets a fault of that kind happen at that place (or near it); false when it cannot as things are.
    pub(super) fn one(&mut self, kind: Kind, place: Place, world: &mut World) -> bool {
        let there = Faults::is_there(world, place);
        let (is_broker, is_controller) = {
            let process = &world.processes[&place];
            (process.is_broker(), process.is_controller())
        };
        match kind {
            Kind::Kill if there => {
                world.kill(place);
                let most = if self.rng.chance(500) { 800 } else { 15_000 };
                self.end_later(world, End::Start(place), 10, most);
            }
            Kind::KillAll => {
                for place in world.processes.keys().copied().collect::<Vec<_>>() {
                    if Faults::is_there(world, place) {
                        world.kill(place);
                        self.end_later(world, End::Start(place), 10, 3_000);
                    }
                }
            }
            Kind::Stop if is_broker && world.processes[&place].state == State::Up => {
                world.stop_in_order(place);
                self.end_later(world, End::Start(place), 6_000, 15_000);
            }
            Kind::Pause if world.processes[&place].state == State::Up => {
                world.pause(place);
                self.end_later(world, End::Resume(place), 50, 20_000);
            }
            Kind::CutOff => {
                let others: Vec<Place> = world.processes.keys().copied().collect();
                for other in others.into_iter().chain(FIRST_CLIENT..FIRST_CLIENT + 30) {
                    world.network.cut(place, other);
                    world.network.cut(other, place);
                }
                self.end_later(world, End::Heal, 500, 20_000);
            }
            Kind::CutOneWay => {
                let places: Vec<Place> = world.processes.keys().copied().filter(|other| *other != place).collect();
                let other = *self.rng.pick(&places);
                world.network.cut(place, other);
                self.end_later(world, End::Heal, 500, 20_000);
            }
            Kind::PowerLoss if is_broker && there && world.promise.may_lose(world, place) => {
                self.power_loss(place, world);
                self.end_later(world, End::Start(place), 10, 2_000);
            }
            Kind::ControllerPowerLoss if is_controller && !is_broker && there => {
                let tear = self.rng.draw();
                world.kill(place);
                world.lose_power(place, tear);
                self.end_later(world, End::Start(place), 10, 3_000);
            }
            Kind::EmptyDisk if is_broker && there && world.promise.may_lose(world, place) => {
                world.kill(place);
                world.lose_volume(place, true);
                self.end_later(world, End::Start(place), 10, 1_200);
                // Who stays behind may be the next to go.
                let leader =
                    world.known_image().topics().flat_map(|topic| topic.partitions.values()).find_map(|state| {
                        let leader = state.leader().filter(|leader| *leader != place);
                        leader.filter(|_| state.replicas.contains(&place))
                    });
                if let Some(leader) = leader.filter(|_| self.rng.chance(400)) {
                    self.end_later(world, End::Kill(leader), 1_500, 4_000);
                }
            }
            Kind::EmptyControllerDisk if is_controller && there && world.promise.may_lose_controller(world, place) => {
                let active = world.active_controller().filter(|active| *active != place);
                world.kill(place);
                world.lose_volume(place, false);
                self.end_later(world, End::Start(place), 10, 400);
                if let Some(active) = active.filter(|_| self.rng.chance(600)) {
                    world.kill(active);
                    self.end_later(world, End::Start(active), 1_000, 8_000);
                }
            }
            Kind::FailingDisk if is_broker && !is_controller && there => {
                let op = *self.rng.pick(&[DiskOp::Write, DiskOp::Write, DiskOp::Sync]);
                let process = world.processes.get_mut(&place).filter(|process| !process.disk_trouble);
                let Some(process) = process else { return false };
                process.disk_trouble = true;
                process.disk.inject(Fault {
                    op,
                    path_contains: if self.rng.chance(500) { ".log".to_owned() } else { String::new() },
                    after: self.rng.range(0, 200),
                    times: if self.rng.chance(500) { 1 } else { u64::MAX },
                    kind: std::io::ErrorKind::Other,
                });
                self.end_later(world, End::Repair(place), 500, 6_000);
            }
            Kind::FullDisk if is_broker && !is_controller && there => {
                let process = world.processes.get_mut(&place).filter(|process| !process.disk_trouble);
                let Some(process) = process else { return false };
                process.disk_trouble = true;
                let room = self.rng.range(0, 5_000);
                process.disk.set_capacity(Some(process.disk.used_bytes() + room));
                self.end_later(world, End::Room(place), 500, 6_000);
            }
            Kind::SlowDisk => {
                let Some(process) = world.processes.get_mut(&place) else { return false };
                process.slow_us = self.rng.range(200_000, 4_000_000);
                self.end_later(world, End::Quick(place), 2_000, 15_000);
            }
            Kind::ClockJump => {
                let day = 24 * 3_600_000;
                let off = self.rng.range(0, 2 * day) as i64 - day as i64;
                let Some(process) = world.processes.get_mut(&place) else { return false };
                process.wall_off_ms = off;
                self.end_later(world, End::ClockRight(place), 1_000, 20_000);
            }
            Kind::KillLeaders => {
                let leader = world.newest_image().and_then(|image| {
                    let partitions = image.topics().flat_map(|topic| topic.partitions.values());
                    partitions.filter_map(|partition| partition.leader()).next()
                });
                let (Some(active), Some(leader)) = (world.active_controller(), leader) else { return false };
                for place in [active, leader] {
                    if Faults::is_there(world, place) {
                        world.kill(place);
                        self.end_later(world, End::Start(place), 100, 10_000);
                    }
                }
            }
            Kind::PauseAndPowerLoss if is_broker && there && world.promise.may_lose(world, place) => {
                let leader = world.newest_image().and_then(|image| {
                    let partitions = image.topics().flat_map(|topic| topic.partitions.values());
                    let leads = partitions.filter(|partition| partition.isr.contains(&place));
                    leads.filter_map(|partition| partition.leader()).find(|leader| *leader != place)
                });
                let Some(leader) = leader.filter(|leader| world.processes[leader].state == State::Up) else {
                    return false;
                };
                world.pause(leader);
                self.end_later(world, End::Resume(leader), 1_500, 5_000);
                self.power_loss(place, world);
                self.end_later(world, End::Start(place), 10, 200);
            }
            _ => return false,
        }
        true
    }

    fn power_loss(&mut self, place: Place, world: &mut World) {
        let tear = self.rng.draw();
        world.kill(place);
        world.lose_power(place, tear);
    }

    pub(super) fn end(&mut self, end: End, world: &mut World) {
        match end {
            End::Start(place) => world.start(place),
            End::Kill(place) => {
                world.kill(place);
                self.end_later(world, End::Start(place), 500, 6_000);
            }
            End::Resume(place) => world.resume(place),
            End::Heal => world.network.heal(),
            End::Repair(place) => {
                if let Some(process) = world.processes.get_mut(&place) {
                    process.disk.heal();
                    process.disk_trouble = false;
                }
                world.kill(place);
                world.start(place);
            }
            End::Room(place) => {
                if let Some(process) = world.processes.get_mut(&place) {
                    process.disk.set_capacity(None);
                    process.disk_trouble = false;
                }
                world.start(place);
            }
            End::Quick(place) => {
                if let Some(process) = world.processes.get_mut(&place) {
                    process.slow_us = 0;
                }
            }
            End::ClockRight(place) => {
                if let Some(process) = world.processes.get_mut(&place) {
                    process.wall_off_ms = 0;
                }
            }
        }
    }
}
