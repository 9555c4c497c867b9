//! Faults: drawn one after the other, each with its end.

use crate::network::Place;
use crate::process::State;
use crate::rng::Rng;
use crate::world::World;

/// Draws faults and ends them.
#[derive(Debug)]
pub struct Faults {
    rng: Rng,
    left: u32,
    next: u64,
    ends: Vec<(u64, End)>,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Start(Place),
    Resume(Place),
    Heal,
}

impl Faults {
    /// The faults of a plan; call [`Faults::begin`] to start them.
    #[must_use]
    pub fn new(rng: Rng, many: u32) -> Faults {
        Faults { rng, left: many, next: 0, ends: Vec::new() }
    }

    /// Schedules the first.
    pub fn begin(&mut self, world: &mut World) {
        self.schedule_next(world);
    }

    /// Whether all have begun.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.left == 0
    }

    fn schedule_next(&mut self, world: &mut World) {
        if self.left > 0 {
            let gap = self.rng.range(200, world.plan.fault_gap_ms);
            world.schedule_fault(world.now_us + gap * 1_000, 0);
        }
    }

    fn end_later(&mut self, world: &mut World, end: End, low_ms: u64, high_ms: u64) {
        self.next += 1;
        self.ends.push((self.next, end));
        let after = self.rng.range(low_ms, high_ms);
        world.schedule_fault(world.now_us + after * 1_000, self.next);
    }

    /// A scheduled time has come: 0 begins the next fault, anything else ends one.
    pub fn happen(&mut self, which: u64, world: &mut World) {
        if which != 0 {
            if let Some(at) = self.ends.iter().position(|(number, _)| *number == which) {
                match self.ends.swap_remove(at).1 {
                    End::Start(place) => world.start(place),
                    End::Resume(place) => world.resume(place),
                    End::Heal => world.network.heal(),
                }
            }
            return;
        }
        self.left = self.left.saturating_sub(1);
        self.one(world);
        self.schedule_next(world);
    }

    fn one(&mut self, world: &mut World) {
        let places: Vec<Place> = world.processes.keys().copied().collect();
        let place = *self.rng.pick(&places);
        match self.rng.range(0, 9) {
            0..=3 => {
                let process = &world.processes[&place];
                if process.state == State::Down {
                    return;
                }
                if process.is_broker() {
                    world.counts.add("broker killed");
                }
                if process.is_controller() {
                    world.counts.add("controller killed");
                }
                world.kill(place);
                self.end_later(world, End::Start(place), 10, 15_000);
            }
            4 => {
                // All at once, as when a cluster is restarted by force.
                for place in places {
                    if world.processes[&place].state != State::Down {
                        world.kill(place);
                        self.end_later(world, End::Start(place), 10, 3_000);
                    }
                }
                world.counts.add("all killed at once");
            }
            5 => {
                if world.processes[&place].is_broker() {
                    world.stop_in_order(place);
                    self.end_later(world, End::Start(place), 6_000, 15_000);
                }
            }
            6 => {
                world.pause(place);
                world.counts.add("process paused");
                self.end_later(world, End::Resume(place), 50, 20_000);
            }
            7 => {
                for other in
                    places.iter().copied().chain(crate::network::FIRST_CLIENT..crate::network::FIRST_CLIENT + 20)
                {
                    world.network.cut(place, other);
                    world.network.cut(other, place);
                }
                world.counts.add("node cut off");
                self.end_later(world, End::Heal, 500, 20_000);
            }
            _ => {
                let other = *self.rng.pick(&places);
                world.network.cut(place, other);
                world.counts.add("link cut one way");
                self.end_later(world, End::Heal, 500, 20_000);
            }
        }
    }

    /// Ends all faults at once.
    pub fn end_all(&mut self, world: &mut World) {
        self.left = 0;
        self.ends.clear();
        world.network.heal();
        world.lossy = false;
        for place in world.processes.keys().copied().collect::<Vec<_>>() {
            world.resume(place);
            world.start(place);
        }
    }
}
