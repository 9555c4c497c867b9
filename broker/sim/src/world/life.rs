//! Processes that start, stop, pause and lose what they had.

use odradek_node::controller::ControllerEvent;
use odradek_node::event::{CallError, Event};

use super::{Item, World};
use crate::network::Place;
use crate::process::{Arrived, State};

impl World {
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
}
