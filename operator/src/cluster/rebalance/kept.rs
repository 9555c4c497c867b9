//! The last plan of each cluster whose replicas move. Only kept so that it need not be made again: nothing is lost with
//! it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::Planned;

/// The last plans, by the uid of their cluster.
#[derive(Debug, Default)]
pub struct KeptPlans {
    plans: Mutex<HashMap<String, Arc<Planned>>>,
}

impl KeptPlans {
    /// The last plan of a cluster.
    pub fn of(&self, uid: &str) -> Option<Arc<Planned>> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner).get(uid).cloned()
    }

    /// Keeps a plan, or forgets the one of before.
    pub fn keep(&self, uid: &str, planned: Option<Arc<Planned>>) {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        match planned {
            Some(planned) => drop(plans.insert(uid.to_owned(), planned)),
            None => drop(plans.remove(uid)),
        }
    }
}
