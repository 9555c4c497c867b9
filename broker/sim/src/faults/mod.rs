//! Faults: drawn one after the other, each with its end.

mod kinds;

use self::kinds::{End, Kind};
use crate::network::Place;
use crate::process::State;
use crate::rng::Rng;
use crate::world::World;

/// A fault that could not happen as things were is drawn again, so many times.
const DRAWS: u32 = 20;

/// Draws faults and ends them.
#[derive(Debug)]
pub struct Faults {
    rng: Rng,
    left: u32,
    next: u64,
    ends: Vec<(u64, End)>,
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
                let end = self.ends.swap_remove(at).1;
                self.end(end, world);
            }
            return;
        }
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        world.look_at_promise();
        for _ in 0..DRAWS {
            let places: Vec<Place> = world.processes.keys().copied().collect();
            let place = *self.rng.pick(&places);
            let kind = Kind::draw(&mut self.rng);
            if self.one(kind, place, world) {
                world.counts.add(kind.name());
                world.trace.numbers(&[6, world.now_us, kind as u64, place as u64]);
                tracing::debug!(at_ms = world.now_us / 1_000, ?kind, place, "fault");
                break;
            }
        }
        self.schedule_next(world);
    }

    /// Ends all faults at once.
    pub fn end_all(&mut self, world: &mut World) {
        self.left = 0;
        for (_, end) in std::mem::take(&mut self.ends) {
            if !matches!(end, End::Start(_) | End::Kill(_) | End::Heal) {
                self.end(end, world);
            }
        }
        world.network.heal();
        world.lossy = false;
        for place in world.processes.keys().copied().collect::<Vec<_>>() {
            world.resume(place);
            world.start(place);
        }
    }

    /// Whether a process is up, or at least there.
    fn is_there(world: &World, place: Place) -> bool {
        world.processes[&place].state != State::Down
    }
}
