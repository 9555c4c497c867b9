//! The term of every entry, kept as runs: a quorum has few terms and many entries.

/// Which entry is of which term, for the entries of the log and the one before them.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    /// The entry before the first one of the log, when its term is known.
    before: Option<(u64, u64)>,
    /// (first entry, term), rising in both.
    runs: Vec<(u64, u64)>,
}

impl Terms {
    /// No entries; the one before the first is `index` of `term`.
    pub(crate) fn after(index: u64, term: u64) -> Terms {
        Terms { before: Some((index, term)), runs: Vec::new() }
    }

    /// Notes the next entry. Its term is never below that of the entry before.
    pub(crate) fn push(&mut self, index: u64, term: u64) {
        if self.runs.last().is_none_or(|run| run.1 != term) {
            self.runs.push((index, term));
        }
    }

    /// Forgets entry `index` and all after it.
    pub(crate) fn truncate(&mut self, index: u64) {
        self.runs.retain(|run| run.0 < index);
    }

    /// Forgets the entries before `index`, except for the term of the last of them.
    pub(crate) fn drop_before(&mut self, index: u64) {
        let last = index - 1;
        if let Some(term) = self.get(last) {
            self.before = Some((last, term));
        }
        let kept = self.runs.iter().rposition(|run| run.0 <= index).unwrap_or(0);
        self.runs.drain(..kept);
        if let Some(run) = self.runs.first_mut() {
            run.0 = run.0.max(index);
        }
    }

    /// The term of `index`, which must not be behind the end of the log.
    pub(crate) fn get(&self, index: u64) -> Option<u64> {
        match self.runs.iter().rev().find(|run| run.0 <= index) {
            Some(run) => Some(run.1),
            None => self.before.filter(|before| before.0 == index).map(|before| before.1),
        }
    }

    /// The newest term.
    pub(crate) fn last(&self) -> Option<u64> {
        self.runs.last().map(|run| run.1).or(self.before.map(|before| before.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_answer_for_every_entry() {
        let mut terms = Terms::after(10, 2);
        for (index, term) in [(11, 2), (12, 2), (13, 5), (14, 5), (15, 6)] {
            terms.push(index, term);
        }
        let all = |terms: &Terms, range: std::ops::RangeInclusive<u64>| {
            range.map(|index| terms.get(index)).collect::<Vec<_>>()
        };
        assert_eq!(all(&terms, 9..=15), [None, Some(2), Some(2), Some(2), Some(5), Some(5), Some(6)]);
        terms.truncate(15);
        assert_eq!(terms.last(), Some(5));
        terms.drop_before(14);
        assert_eq!(all(&terms, 12..=14), [None, Some(5), Some(5)]);
        terms.drop_before(15);
        assert_eq!(terms.get(14), Some(5));
        assert_eq!(terms.last(), Some(5));
        terms.truncate(11);
        assert_eq!(Terms::default().last(), None);
    }

    #[test]
    fn dropping_up_to_a_new_run_keeps_the_term_before_it() {
        let mut terms = Terms::after(0, 0);
        for (index, term) in [(1, 1), (2, 1), (3, 2)] {
            terms.push(index, term);
        }
        terms.drop_before(3);
        assert_eq!((terms.get(1), terms.get(2), terms.get(3)), (None, Some(1), Some(2)));
    }

    proptest::proptest! {
        /// Whatever is pushed, cut and dropped: the same answers as from a plain list.
        #[test]
        fn runs_are_a_list(steps in proptest::collection::vec((0..3_u8, 0..100_u64), 1..60)) {
            let mut terms = Terms::after(0, 0);
            // The term of entry i is at i; `first` is the first entry that is still there.
            let (mut list, mut first) = (vec![0], 1);
            for (what, number) in steps {
                match what {
                    0 => {
                        let term = list[list.len() - 1] + u64::from(number < 20);
                        terms.push(list.len() as u64, term);
                        list.push(term);
                    }
                    1 => {
                        let index = first + number % (list.len() as u64 - first + 1);
                        terms.truncate(index);
                        list.truncate(index as usize);
                    }
                    _ => {
                        first += number % (list.len() as u64 - first + 1);
                        terms.drop_before(first);
                    }
                }
                for index in first - 1..list.len() as u64 {
                    proptest::prop_assert_eq!(terms.get(index), Some(list[index as usize]));
                }
                proptest::prop_assert_eq!(terms.last(), list.last().copied());
            }
        }
    }
}
