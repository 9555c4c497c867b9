//! The next thing that happens, and what a process makes of it.

use odradek_node::controller::ControllerEvent;
use odradek_node::event::Event;

use super::{ANY_LIFE, Happened, Item, SPINS, World};
use crate::network::Place;
use crate::process::{Arrived, Process, State};

impl World {
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
            if let Err(finding) = self.watch.voters.look(place, controller.members()) {
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
