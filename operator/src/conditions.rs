//! Conditions of a status, kept in the way that kstatus and `kubectl wait` expect.

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody can say now.
    Unknown,
}

impl Truth {
    /// The value as the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Truth::True => "True",
            Truth::False => "False",
            Truth::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Truth::True } else { Truth::False }
    }
}

/// A condition as a reconcile sees it, without its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Ready, Reconciling and so on.
    pub type_: &'static str,
    /// Whether it holds.
    pub status: Truth,
    /// One word for programs.
    pub reason: String,
    /// One sentence for people.
    pub message: String,
}

impl Verdict {
    /// A verdict from its parts.
    pub fn new(
        type_: &'static str,
        status: impl Into<Truth>,
        reason: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Verdict { type_, status: status.into(), reason: reason.into(), message: message.into() }
    }
}

/// The conditions that follow from the old ones and today's verdicts: the time of a condition only
/// moves when its status does.
pub fn merge(old: &[Condition], verdicts: Vec<Verdict>, generation: Option<i64>, now: Timestamp) -> Vec<Condition> {
    verdicts
        .into_iter()
        .map(|verdict| {
            let status = verdict.status.as_str();
            let since = old
                .iter()
                .find(|c| c.type_ == verdict.type_ && c.status == status)
                .map_or(Time(now), |c| c.last_transition_time.clone());
            Condition {
                type_: verdict.type_.to_owned(),
                status: status.to_owned(),
                reason: verdict.reason,
                message: verdict.message,
                observed_generation: generation,
                last_transition_time: since,
            }
        })
        .collect()
}

/// The status of a condition among others.
pub fn status_of<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a str> {
    conditions.iter().find(|c| c.type_ == type_).map(|c| c.status.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_moves_with_the_status_only() {
        let early = Timestamp::from_second(1000).expect("a time");
        let late = Timestamp::from_second(2000).expect("a time");
        let first = merge(&[], vec![Verdict::new("Ready", false, "Starting", "")], Some(1), early);
        let same = merge(&first, vec![Verdict::new("Ready", false, "Waiting", "")], Some(2), late);
        assert_eq!(same[0].last_transition_time, Time(early));
        assert_eq!(same[0].reason, "Waiting");
        assert_eq!(same[0].observed_generation, Some(2));
        let other = merge(&same, vec![Verdict::new("Ready", true, "Serving", "")], Some(2), late);
        assert_eq!(other[0].last_transition_time, Time(late));
    }
}
