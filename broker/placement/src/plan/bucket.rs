//! The partitions of each broker, so that a cross-section of them is found without looking at all of them.

use super::Partitions;
use super::state::State;

/// The golden ratio as a fraction of 2^32: its multiples fall evenly, however many there are.
const GOLDEN: u32 = 0x9E37_79B9;

/// In which order equal partitions are taken: spread over all topics in proportion, so that what moves is a cross-section
/// of the load.
pub(super) struct Turns {
    turns: Vec<u16>,
}

impl Turns {
    pub(super) fn new(input: &Partitions) -> Turns {
        let mut sizes = vec![0_u32; input.topics()];
        for at in 0..input.len() {
            sizes[input.topic_of(at) as usize] += 1;
        }
        let mut seen = vec![0_u32; sizes.len()];
        let turn = |at| {
            let topic = input.topic_of(at) as usize;
            seen[topic] += 1;
            // Each topic begins elsewhere (by the golden ratio), or those with few partitions would all have one turn.
            let begin = f64::from((topic as u32).wrapping_mul(GOLDEN)) / f64::from(u32::MAX);
            let turn = (f64::from(seen[topic] - 1) + begin) / f64::from(sizes[topic]);
            (turn * 65_535.0) as u16
        };
        Turns { turns: (0..input.len()).map(turn).collect() }
    }

    /// A key that sorts by size class, large ones first, then by turn. [`Turns::partition`] reads it.
    pub(super) fn largest_first(&self, input: &Partitions, at: usize) -> u64 {
        let class = u16::MAX - class(input.size_of(at));
        u64::from(class) << 48 | u64::from(self.turns[at]) << 32 | at as u64
    }

    /// The partition of a key.
    pub(super) fn partition(key: u64) -> usize {
        (key & 0xFFFF_FFFF) as usize
    }
}

/// Sizes in one class differ by a quarter at most.
fn class(size: u64) -> u16 {
    match size {
        0 => 0,
        _ => {
            let exponent = size.ilog2();
            let quarter = if exponent >= 2 { size >> (exponent - 2) & 3 } else { 0 };
            1 + exponent as u16 * 4 + quarter as u16
        }
    }
}

/// Partitions of one broker in one size class.
struct Class {
    class: u16,
    /// Where the first that is still there may be, and where they end, in the broker's keys.
    next: usize,
    end: usize,
}

/// The partitions of one broker.
struct Bucket {
    keys: Vec<u64>,
    classes: Vec<Class>,
    /// How often one was asked for.
    asked: u32,
}

/// The partitions of each broker.
pub(super) struct Buckets {
    turns: Turns,
    /// Where the partitions of each broker begin in `held`.
    starts: Vec<usize>,
    held: Vec<u32>,
    /// Made when they are first looked at.
    buckets: Vec<Option<Bucket>>,
    /// What was put on each broker since.
    moved: Vec<Vec<u32>>,
    /// Whether only what moves anyway is taken.
    only_moved: bool,
}

impl Buckets {
    pub(super) fn new(state: &State<'_>) -> Buckets {
        let count = state.nodes.len();
        let mut starts = vec![0; count + 1];
        let mut moved = vec![Vec::new(); count];
        for at in 0..state.input.len() {
            for node in state.list(at) {
                starts[*node as usize + 1] += 1;
            }
        }
        for node in 0..count {
            starts[node + 1] += starts[node];
        }
        let mut next = starts.clone();
        let mut held = vec![0; starts[count]];
        for at in 0..state.input.len() {
            for node in state.list(at) {
                let node = *node as usize;
                held[next[node]] = at as u32;
                next[node] += 1;
            }
        }
        for at in state.causes.keys() {
            for node in state.list(*at) {
                if state.is_new(*at, *node as usize) {
                    moved[*node as usize].push(*at as u32);
                }
            }
        }
        // The map's order is not the same each time.
        moved.iter_mut().for_each(|moved| moved.sort_unstable_by(|a, b| b.cmp(a)));
        Buckets {
            turns: Turns::new(state.input),
            starts,
            held,
            buckets: (0..count).map(|_| None).collect(),
            moved,
            only_moved: !state.moves_all,
        }
    }

    /// Tells that the partition was put on the broker.
    pub(super) fn put(&mut self, node: usize, at: usize) {
        self.moved[node].push(at as u32);
    }

    /// A partition of the broker for which `fit`, given the partition and the place of the broker in its list, has an
    /// answer: first what moves anyway. Then a cross-section of its sizes, each `times` as large: one call aims at a small
    /// partition, another at a large one, and where there is none of the size aimed at, at the nearest.
    pub(super) fn take<T>(
        &mut self,
        state: &State<'_>,
        node: usize,
        times: f64,
        mut fit: impl FnMut(usize, usize) -> Option<T>,
    ) -> Option<(usize, usize, T)> {
        let mut look = |at: usize| -> Option<Option<(usize, usize, T)>> {
            let slot = state.list(at).iter().position(|other| *other as usize == node)?;
            Some(if state.may_change(at) && state.gives(at, node) {
                fit(at, slot).map(|found| (at, slot, found))
            } else {
                None
            })
        };
        let moved = &mut self.moved[node];
        let mut place = moved.len();
        while place > 0 {
            place -= 1;
            match look(moved[place] as usize) {
                None => {
                    moved.swap_remove(place);
                }
                Some(Some(found)) => return Some(found),
                Some(None) => {}
            }
        }
        if self.only_moved {
            return None;
        }
        let held = &self.held[self.starts[node]..self.starts[node + 1]];
        let bucket = self.buckets[node].get_or_insert_with(|| Bucket::new(state, &self.turns, node, held));
        let wanted = bucket.aim(state.input, times);
        let mut below = bucket.classes.partition_point(|class| class.class < wanted);
        let mut above = below;
        loop {
            let down = below.checked_sub(1).map(|place| (wanted - bucket.classes[place].class, place));
            let up = bucket.classes.get(above).map(|class| (class.class - wanted, above));
            let place = match (down, up) {
                (Some(down), Some(up)) if down.0 < up.0 => down.1,
                (_, Some(up)) => up.1,
                (Some(down), None) => down.1,
                (None, None) => return None,
            };
            if place < below {
                below = place;
            } else {
                above = place + 1;
            }
            if let Some(found) = bucket.look(place, &mut look) {
                return Some(found);
            }
        }
    }
}

impl Bucket {
    fn new(state: &State<'_>, turns: &Turns, node: usize, held: &[u32]) -> Bucket {
        let key = |at: &u32| {
            let at = *at as usize;
            let list = state.list(at);
            let slot = list.iter().position(|other| *other as usize == node).unwrap_or_default();
            // Each replica of a partition has another turn, so that they are not all taken at once.
            let shift = (slot * 65_536 / list.len().max(1)) as u16;
            let turn = turns.turns[at].wrapping_add(shift);
            u64::from(class(state.input.size_of(at))) << 48 | u64::from(turn) << 32 | at as u64
        };
        let mut keys: Vec<u64> = held.iter().map(key).collect();
        keys.sort_unstable();
        let mut classes: Vec<Class> = Vec::new();
        for (place, key) in keys.iter().enumerate() {
            let class = (key >> 48) as u16;
            match classes.last_mut() {
                Some(last) if last.class == class => last.end = place + 1,
                _ => classes.push(Class { class, next: place, end: place + 1 }),
            }
        }
        Bucket { keys, classes, asked: 0 }
    }

    /// The size class to aim at next.
    fn aim(&mut self, input: &Partitions, times: f64) -> u16 {
        let place = (u64::from(self.asked.wrapping_mul(GOLDEN)) * self.keys.len() as u64) >> 32;
        self.asked = self.asked.wrapping_add(1);
        let size = self.keys.get(place as usize).map_or(0, |key| input.size_of(Turns::partition(*key)));
        class((size as f64 * times) as u64)
    }

    /// The first of the class that `look` takes; it says `None` for those that are not there any more.
    fn look<T>(&mut self, class: usize, look: &mut impl FnMut(usize) -> Option<Option<T>>) -> Option<T> {
        let class = &mut self.classes[class];
        for place in class.next..class.end {
            match look(Turns::partition(self.keys[place])) {
                Some(Some(found)) => return Some(found),
                Some(None) => {}
                None if place == class.next => class.next += 1,
                None => {}
            }
        }
        None
    }
}
