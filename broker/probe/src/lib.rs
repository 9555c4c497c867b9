//! Marks in the broker's code that only the simulator reads.
//!
//! [`reached`] counts a rare path, so that a set of simulated runs can say which paths it never took. [`mutated`] asks
//! whether the rule at that place is broken on purpose, so that the simulator can show that it finds such a bug. Both
//! speak of the current thread: a simulated cluster runs in one. Without the feature `on` the first is nothing and the
//! second is the constant false. No code may depend on either in any other way.

mod mutation;

pub use mutation::Mutation;

#[cfg(feature = "on")]
mod marks {
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;

    use super::Mutation;

    thread_local! {
        static MUTATION: Cell<Option<Mutation>> = const { Cell::new(None) };
        static REACHED: RefCell<BTreeMap<&'static str, u64>> = const { RefCell::new(BTreeMap::new()) };
    }

    /// Breaks a rule on this thread from now on, or none.
    pub fn set_mutation(mutation: Option<Mutation>) {
        MUTATION.set(mutation);
    }

    /// Whether this rule is broken on this thread.
    #[must_use]
    pub fn mutated(mutation: Mutation) -> bool {
        MUTATION.get() == Some(mutation)
    }

    /// Counts a rare path.
    pub fn reached(name: &'static str) {
        REACHED.with_borrow_mut(|reached| *reached.entry(name).or_default() += 1);
    }

    /// What was counted on this thread since the last call.
    #[must_use]
    pub fn take_reached() -> BTreeMap<&'static str, u64> {
        REACHED.take()
    }
}

#[cfg(feature = "on")]
pub use marks::{mutated, reached, set_mutation, take_reached};

/// Whether this rule is broken on purpose: never, without the feature `on`.
#[cfg(not(feature = "on"))]
#[must_use]
#[inline]
pub const fn mutated(_mutation: Mutation) -> bool {
    false
}

/// Counts a rare path: nothing, without the feature `on`.
#[cfg(not(feature = "on"))]
#[inline]
pub const fn reached(_name: &'static str) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for mutation in Mutation::ALL {
            assert_eq!(Mutation::named(mutation.name()), Some(mutation));
            assert!(!mutated(mutation), "nothing is broken unless somebody asks for it");
        }
        assert_eq!(Mutation::named("nothing"), None);
    }
}
