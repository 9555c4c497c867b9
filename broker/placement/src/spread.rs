//! How an assignment that is there lies on brokers and racks, as numbers.

use std::collections::{BTreeMap, BTreeSet};

use crate::{BrokerInfo, Load};

/// The least and the most of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The least.
    pub least: usize,
    /// The most.
    pub most: usize,
}

impl Range {
    pub(crate) fn of(values: impl Iterator<Item = usize> + Clone) -> Range {
        Range { least: values.clone().min().unwrap_or(0), most: values.max().unwrap_or(0) }
    }

    /// How far they are apart: 0 or 1 is as even as it gets.
    #[must_use]
    pub fn width(&self) -> usize {
        self.most - self.least
    }
}

/// What [`spread`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// What each broker carries: those that were given, and those that only the assignment names.
    pub brokers: BTreeMap<i32, Load>,
    /// What each rack carries; `None` for the brokers without one.
    pub racks: BTreeMap<Option<String>, Load>,
    /// Replicas of a usable broker.
    pub replicas: Range,
    /// Partitions whose preferred leader a usable broker is.
    pub leaders: Range,
    /// Replicas of a rack with a usable broker.
    pub rack_replicas: Range,
    /// Partitions on fewer racks than they could be on, given their replicas and the racks with usable brokers.
    pub crowded: usize,
    /// Replicas on brokers that are not usable, or not known.
    pub misplaced: usize,
    /// Partitions counted.
    pub partitions: usize,
}

/// How evenly partitions lie on the brokers: each has its replicas, the preferred leader first. What the brokers carry
/// otherwise (`topic`, `total`) is not looked at.
#[must_use]
pub fn spread<P: AsRef<[i32]>>(brokers: &[BrokerInfo<'_>], partitions: impl IntoIterator<Item = P>) -> Spread {
    let known: BTreeMap<i32, &BrokerInfo<'_>> = brokers.iter().map(|broker| (broker.id, broker)).collect();
    let usable_racks: BTreeSet<Option<&str>> =
        brokers.iter().filter(|broker| broker.usable).map(|broker| broker.rack).collect();
    let mut result = Spread {
        brokers: brokers.iter().map(|broker| (broker.id, Load::default())).collect(),
        racks: brokers.iter().map(|broker| (broker.rack.map(str::to_owned), Load::default())).collect(),
        ..Spread::default()
    };
    for partition in partitions {
        let replicas = partition.as_ref();
        result.partitions += 1;
        let mut used: BTreeSet<Option<&str>> = BTreeSet::new();
        for (place, id) in replicas.iter().enumerate() {
            let leads = usize::from(place == 0);
            let load = result.brokers.entry(*id).or_default();
            load.replicas += 1;
            load.leaders += leads;
            let Some(broker) = known.get(id) else {
                result.misplaced += 1;
                continue;
            };
            result.misplaced += usize::from(!broker.usable);
            used.insert(broker.rack);
            if let Some(load) = result.racks.get_mut(&broker.rack.map(str::to_owned)) {
                load.replicas += 1;
                load.leaders += leads;
            }
        }
        result.crowded += usize::from(used.len() < replicas.len().min(usable_racks.len()));
    }
    let usable = brokers.iter().filter(|broker| broker.usable);
    let loads: Vec<Load> = usable.filter_map(|broker| result.brokers.get(&broker.id).copied()).collect();
    result.replicas = Range::of(loads.iter().map(|load| load.replicas));
    result.leaders = Range::of(loads.iter().map(|load| load.leaders));
    let racks: Vec<usize> = result
        .racks
        .iter()
        .filter(|(rack, _)| usable_racks.contains(&rack.as_deref()))
        .map(|(_, load)| load.replicas)
        .collect();
    result.rack_replicas = Range::of(racks.iter().copied());
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_manual_assignment() {
        let mut brokers =
            [(1, Some("a")), (2, Some("b")), (3, Some("b")), (4, None)].map(|(id, rack)| BrokerInfo::new(id, rack));
        brokers[3].usable = false;
        let spread = spread(&brokers, [&[1, 2][..], &[1, 3], &[2, 3], &[1, 4], &[1, 9]]);
        assert_eq!(spread.partitions, 5);
        assert_eq!(spread.brokers[&1], Load { replicas: 4, leaders: 4 });
        assert_eq!(spread.brokers[&9], Load { replicas: 1, leaders: 0 }, "named, and not known");
        assert_eq!((spread.replicas, spread.leaders), (Range { least: 2, most: 4 }, Range { least: 0, most: 4 }));
        assert_eq!(spread.racks[&Some("b".to_owned())], Load { replicas: 4, leaders: 1 });
        assert_eq!(spread.rack_replicas, Range { least: 4, most: 4 });
        assert_eq!(spread.crowded, 2, "2 and 3 share a rack; what is not known has none");
        assert_eq!(spread.misplaced, 2);
        assert_eq!(spread.leaders.width(), 4);
    }

    #[test]
    fn nothing_is_even() {
        assert_eq!(spread::<&[i32]>(&[], []), Spread::default());
    }
}
