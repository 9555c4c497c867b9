//! What happens to a cluster, and when: drawn from a seed, before anything runs.

use std::fmt;
use std::time::Duration;

use crate::dice::Dice;

/// Which processes make a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Brokers.
    pub brokers: usize,
    /// Three controllers in processes of their own; else the first three brokers are controllers too.
    pub separate: bool,
}

impl Shape {
    /// Processes.
    pub fn nodes(self) -> usize {
        self.brokers + if self.separate { 3 } else { 0 }
    }
}

impl Shape {
    /// As it is written on a command line.
    pub fn word(&self) -> String {
        format!("{}{}", self.brokers, if self.separate { 's' } else { 'c' })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let controllers = if self.separate { "3 controllers" } else { "3 of them controllers too" };
        write!(to, "{} brokers, {controllers}", self.brokers)
    }
}

impl std::str::FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Shape, String> {
        let refused = || {
            format!("{text:?} is no shape: 3c is 3 brokers that are controllers too, 5s is 5 brokers and 3 controllers")
        };
        let (number, kind) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(refused)?;
        let brokers = number.parse().map_err(|_| refused())?;
        if !(3..=9).contains(&brokers) || !matches!(kind, "c" | "s") {
            return Err(refused());
        }
        Ok(Shape { brokers, separate: kind == "s" })
    }
}

/// What this machine allows.
#[derive(Debug, Clone, Copy)]
pub struct Able {
    /// Each process in a network namespace of its own.
    pub network: bool,
    /// Each data folder on a small volume of its own.
    pub disks: bool,
    /// A library that shifts the clock of a process.
    pub clock: bool,
}

/// Which way is cut, as the process sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// It hears nothing.
    In,
    /// It is not heard.
    Out,
    /// Both.
    Both,
}

/// Whom a process is cut off from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// Everybody, clients included.
    All,
    /// The other processes of the cluster; clients still reach it.
    Cluster,
    /// One other process, by its number.
    One(usize),
}

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL to these processes at once, and a start after a while.
    Kill(Vec<usize>, Duration),
    /// SIGKILL to whoever is the active controller.
    KillController(Duration),
    /// SIGSTOP, and SIGCONT after a while.
    Pause(usize, Duration),
    /// SIGSTOP to whoever is the active controller.
    PauseController(Duration),
    /// Packets are dropped for a while.
    Cut(usize, From, Direction, Duration),
    /// The volume is filled, and freed after a while.
    Fill(usize, Duration),
    /// The clock is off by some seconds, until the end of the round.
    Clock(i64),
    /// SIGTERM, and a start once it ended.
    Restart(usize),
    /// SIGTERM and start of every process, one after the other, each once the cluster is whole again.
    Roll,
}

/// The names under which faults are counted.
pub const KINDS: [&str; 8] =
    ["kill -9", "controller killed", "paused", "controller paused", "cut off", "disk full", "clock off", "restarted"];

impl Fault {
    /// Which of [`KINDS`].
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::Kill(..) => KINDS[0],
            Fault::KillController(_) => KINDS[1],
            Fault::Pause(..) => KINDS[2],
            Fault::PauseController(_) => KINDS[3],
            Fault::Cut(..) => KINDS[4],
            Fault::Fill(..) => KINDS[5],
            Fault::Clock(_) => KINDS[6],
            Fault::Restart(_) | Fault::Roll => KINDS[7],
        }
    }
}

/// A fault and when it begins, from the start of its round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// When.
    pub at: Duration,
    /// What.
    pub fault: Fault,
}

/// The node whose clock can be set, when clocks can be: a process cannot be given the library later.
pub const CLOCK_NODE: usize = 0;

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(20);

/// One round: faults that overlap, or a restart in order.
///
/// With `only`, one of [`KINDS`], nothing else happens.
pub fn round(dice: &mut Dice, shape: Shape, able: Able, only: Option<&str>) -> Vec<Planned> {
    let wanted = |fault: &Fault| only.is_none_or(|kind| fault.kind() == kind);
    if dice.once_in(6) && wanted(&Fault::Roll) {
        return vec![Planned { at: Duration::from_secs(1), fault: Fault::Roll }];
    }
    let many = 1 + dice.below(4);
    let mut faults: Vec<Planned> = (0..many)
        .filter_map(|_| {
            let at = dice.time(SHORT, Duration::from_secs(12));
            // A kind that this machine does not allow is never drawn.
            let fault = (0..1000).map(|_| fault(dice, shape, able)).find(wanted)?;
            Some(Planned { at, fault })
        })
        .collect();
    faults.sort_by_key(|planned| planned.at);
    faults
}

fn fault(dice: &mut Dice, shape: Shape, able: Able) -> Fault {
    let node = dice.below(shape.nodes());
    let long = dice.time(SHORT, LONG);
    let mut kinds = vec![0, 0, 1, 2, 2, 3, 7];
    if able.network {
        kinds.extend([4, 4, 4]);
    }
    if able.disks {
        kinds.push(5);
    }
    if able.clock {
        kinds.push(6);
    }
    match dice.one_of(&kinds) {
        0 => {
            let mut nodes = vec![node];
            // A second one at the same moment, or all of them.
            if dice.once_in(4) {
                nodes.push(dice.below(shape.nodes()));
            } else if dice.once_in(8) {
                nodes = (0..shape.nodes()).collect();
            }
            nodes.sort_unstable();
            nodes.dedup();
            Fault::Kill(nodes, dice.time(Duration::from_millis(50), LONG))
        }
        1 => Fault::KillController(long),
        2 => Fault::Pause(node, long),
        3 => Fault::PauseController(long),
        4 => {
            let from = match dice.below(3) {
                0 => From::All,
                1 => From::Cluster,
                _ => From::One((node + 1 + dice.below(shape.nodes() - 1)) % shape.nodes()),
            };
            Fault::Cut(node, from, dice.one_of(&[Direction::In, Direction::Out, Direction::Both]), long)
        }
        5 => Fault::Fill(node, dice.time(Duration::from_secs(2), LONG)),
        // Records are refused when they seem to be from more than an hour ahead (message.timestamp.after.max.ms).
        6 => Fault::Clock(dice.one_of(&[-3000, -60, -5, 5, 60, 3000, 43_200])),
        _ => Fault::Restart(node),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const ALL: Able = Able { network: true, disks: true, clock: true };

    fn rounds(seed: u64, shape: Shape, able: Able, many: usize) -> Vec<Vec<Planned>> {
        let mut dice = Dice::new(seed);
        (0..many).map(|_| round(&mut dice, shape, able, None)).collect()
    }

    #[test]
    fn a_seed_is_a_plan_and_another_seed_another_one() {
        let shape = Shape { brokers: 5, separate: true };
        assert_eq!(rounds(1, shape, ALL, 20), rounds(1, shape, ALL, 20));
        assert_ne!(rounds(1, shape, ALL, 20), rounds(2, shape, ALL, 20));
    }

    #[test]
    fn every_kind_is_drawn_and_only_what_the_machine_allows() {
        let shape = Shape { brokers: 3, separate: false };
        let kinds = |able| -> BTreeSet<&str> {
            rounds(3, shape, able, 300).iter().flatten().map(|planned| planned.fault.kind()).collect()
        };
        assert_eq!(kinds(ALL), BTreeSet::from(KINDS));
        let bare = kinds(Able { network: false, disks: false, clock: false });
        assert_eq!(
            bare,
            KINDS.into_iter().filter(|kind| !["cut off", "disk full", "clock off"].contains(kind)).collect()
        );
    }

    #[test]
    fn one_kind_only_when_asked() {
        let (mut dice, shape) = (Dice::new(4), Shape { brokers: 3, separate: true });
        for _ in 0..20 {
            let faults = round(&mut dice, shape, ALL, Some("disk full"));
            assert!(!faults.is_empty() && faults.iter().all(|planned| planned.fault.kind() == "disk full"));
        }
        let bare = Able { network: false, disks: false, clock: false };
        assert_eq!(round(&mut dice, shape, bare, Some("disk full")), []);
    }

    #[test]
    fn nodes_exist_and_nobody_is_cut_off_from_itself() {
        let shape = Shape { brokers: 3, separate: true };
        for planned in rounds(5, shape, ALL, 500).iter().flatten() {
            match &planned.fault {
                Fault::Kill(nodes, _) => assert!(nodes.iter().all(|node| *node < 6)),
                Fault::Cut(node, From::One(other), ..) => assert!(*node < 6 && *other < 6 && node != other),
                Fault::Pause(node, long) => assert!(*node < 6 && (SHORT..=LONG).contains(long)),
                _ => {}
            }
        }
    }

    #[test]
    fn shapes_are_read_or_refused_with_what_would_do() {
        assert_eq!("3c".parse(), Ok(Shape { brokers: 3, separate: false }));
        assert_eq!("5s".parse::<Shape>().map(Shape::nodes), Ok(8));
        for wrong in ["", "3", "c", "2c", "3x", "é", "10s"] {
            assert!(wrong.parse::<Shape>().is_err_and(|why| why.contains("5s")), "{wrong:?}");
        }
    }
}
