//! What a fault does to a cluster, and what ends it.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::plan::{CLOCK_NODE, Fault};
use crate::run::{HEALS_WITHIN, Run};

/// What is to be done later in a round.
#[derive(Debug)]
pub(crate) enum Step {
    Begin(Fault),
    Start(usize),
    Continue(usize),
    Mend(usize, u64),
    Free(usize),
}

impl Run {
    /// Does what is due.
    ///
    /// # Errors
    /// The machine does not do what is asked of it.
    pub(crate) fn step(&mut self, now: Duration, step: Step) -> Result<()> {
        match step {
            Step::Begin(fault) => self.begin(now, fault)?,
            Step::Start(number) => {
                if !self.cluster.nodes[number].runs() {
                    self.cluster.launch(number)?;
                }
            }
            Step::Continue(number) => {
                if self.cluster.nodes[number].paused {
                    self.cluster.nodes[number].signal("CONT")?;
                }
            }
            Step::Mend(number, cut) => {
                if let Some(network) = &mut self.cluster.network {
                    network.mend(cut, number)?;
                }
            }
            Step::Free(number) => {
                self.cluster.nodes[number].free()?;
            }
        }
        Ok(())
    }

    fn begin(&mut self, now: Duration, fault: Fault) -> Result<()> {
        let kind = fault.kind();
        let what = match fault {
            Fault::KillController(down) => match self.cluster.active_controller() {
                Some(number) => self.kill(now, vec![number], down),
                None => None,
            },
            Fault::Kill(nodes, down) => self.kill(now, nodes, down),
            Fault::PauseController(long) => match self.cluster.active_controller() {
                Some(number) => self.pause(now, number, long)?,
                None => None,
            },
            Fault::Pause(number, long) => self.pause(now, number, long)?,
            Fault::Cut(number, from, direction, long) => {
                let cut = self.numbers;
                let network = self.cluster.network.as_mut().context("no namespaces")?;
                network.cut(cut, number, from, direction)?;
                self.later(now + long, Step::Mend(number, cut));
                Some(format!("node {} for {long:?} from {from:?}, direction {direction:?}", number + 1))
            }
            Fault::Fill(number, long) => {
                self.cluster.nodes[number].fill(long)?;
                self.later(now + long, Step::Free(number));
                Some(format!("node {} for {long:?}", number + 1))
            }
            Fault::Clock(by) => {
                self.cluster.nodes[CLOCK_NODE].set_clock(by)?;
                Some(format!("node {} by {by} s", CLOCK_NODE + 1))
            }
            Fault::Restart(number) => {
                let node = &mut self.cluster.nodes[number];
                if node.runs() && !node.paused && node.stopping.is_none() {
                    node.signal("TERM")?;
                    Some(format!("node {}", number + 1))
                } else {
                    None
                }
            }
            Fault::Roll => {
                self.roll()?;
                Some("every node, one after the other".to_owned())
            }
        };
        // What hits nobody (a pause of a process that is dead) does not count.
        if let Some(what) = what {
            println!("    {:5.1} s  {kind}: {what}", now.as_secs_f64());
            *self.outcome.faults.entry(kind).or_default() += 1;
        }
        Ok(())
    }

    fn kill(&mut self, now: Duration, mut nodes: Vec<usize>, down: Duration) -> Option<String> {
        nodes.retain(|number| self.cluster.nodes[*number].runs());
        for number in &nodes {
            self.cluster.nodes[*number].kill();
            self.later(now + down, Step::Start(*number));
        }
        let names: Vec<String> = nodes.iter().map(|number| (number + 1).to_string()).collect();
        (!nodes.is_empty()).then(|| format!("node {} for {down:?}", names.join(", ")))
    }

    fn pause(&mut self, now: Duration, number: usize, long: Duration) -> Result<Option<String>> {
        let node = &mut self.cluster.nodes[number];
        if !node.runs() || node.paused || node.stopping.is_some() {
            return Ok(None);
        }
        node.signal("STOP")?;
        self.later(now + long, Step::Continue(number));
        Ok(Some(format!("node {} for {long:?}", number + 1)))
    }

    fn roll(&mut self) -> Result<()> {
        for number in 0..self.cluster.nodes.len() {
            self.cluster.nodes[number].signal("TERM")?;
            odradek_e2e::wait::until("a process ends after SIGTERM", Duration::from_secs(60), || {
                self.attend().map_err(|error| format!("{error:#}"))?;
                let node = &self.cluster.nodes[number];
                if node.runs() && node.stopping.is_none() { Ok(()) } else { Err("not yet".to_owned()) }
            })?;
            self.cluster.wait_whole(HEALS_WITHIN)?;
        }
        Ok(())
    }
}
