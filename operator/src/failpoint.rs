//! Points at which a test kills the operator: between the parts of a reconcile, before and after every kind of step.
//!
//! Without the feature `failpoints`, which no released image has, a point is nothing. With it, `POST /failpoints/NAME`
//! arms one, and the process ends without another word when it next comes there; a process that starts has none armed.

/// Points between the parts of reconciles and of deletions.
pub const PARTS: [&str; 13] = [
    "cluster/observed",
    "cluster/guarded",
    "cluster/told",
    "cluster/carried-out",
    "roll/leased",
    "leave/leased",
    "finalize/sets-deleted",
    "finalize/claims-deleted",
    "topic/observed",
    "topic/guarded",
    "topic/told",
    "topic/finalize/begun",
    "topic/finalize/deleted",
];

/// Steps of clusters; each has the points `step/before/STEP` and `step/after/STEP`.
pub const STEPS: [&str; 19] = [
    "Create",
    "Update",
    "Recreate",
    "Remove",
    "ExpandClaim",
    "RollPod",
    "RollZone",
    "Leave",
    "Unregister",
    "MarkClaim",
    "ElectLeaders",
    "MoveReplicas",
    "Unthrottle",
    "RenewLease",
    "ReleaseLease",
    "AddVoter",
    "RemoveVoter",
    "ConfigureBrokers",
    "UpdateFeatures",
];

/// Steps of topics; each has the points `topic/before/STEP` and `topic/after/STEP`.
pub const TOPIC_STEPS: [&str; 4] = ["create", "grow", "configure", "reassign"];

/// Every point there is.
pub fn names() -> Vec<String> {
    let around = |at: &'static str, steps: &'static [&'static str]| {
        steps.iter().flat_map(move |step| ["before", "after"].map(|when| format!("{at}/{when}/{step}")))
    };
    let parts = PARTS.iter().map(|part| (*part).to_owned());
    parts.chain(around("step", &STEPS)).chain(around("topic", &TOPIC_STEPS)).collect()
}

#[cfg(feature = "failpoints")]
static ARMED: std::sync::Mutex<Option<String>> = std::sync::Mutex::new(None);

/// The exit code of a process that came to the armed point.
#[cfg(feature = "failpoints")]
const EXIT_CODE: i32 = 86;

/// Arms a point, and disarms the one before it.
#[cfg(feature = "failpoints")]
pub fn arm(name: &str) -> Result<(), String> {
    if !names().iter().any(|known| known == name) {
        return Err(format!("no failpoint is called {name:?}: {}", names().join(", ")));
    }
    *ARMED.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(name.to_owned());
    Ok(())
}

/// A point. `name` is put together only where there are failpoints at all.
#[inline]
pub fn at(name: impl FnOnce() -> String) {
    #[cfg(feature = "failpoints")]
    {
        let armed = ARMED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if armed.as_ref().is_some_and(|armed| *armed == name()) {
            eprintln!("failpoint {}", armed.as_deref().unwrap_or_default());
            std::process::exit(EXIT_CODE);
        }
    }
    #[cfg(not(feature = "failpoints"))]
    let _ = name;
}

/// A point between the parts of something.
pub fn part(name: &'static str) {
    at(|| name.to_owned());
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    fn sources(folder: &Path, text: &mut String) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                sources(&path, text);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("failpoint.rs") {
                text.push_str(&fs::read_to_string(&path).expect("a source"));
            }
        }
    }

    /// What stands between each `before` and the next `after`.
    fn between<'a>(text: &'a str, before: &'a str, after: &'a str) -> impl Iterator<Item = &'a str> {
        text.split(before).skip(1).filter_map(move |rest| rest.split_once(after).map(|(found, _)| found))
    }

    #[test]
    fn every_part_is_somewhere_once_and_every_step_is_listed() {
        let mut text = String::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut text);
        let mut parts: Vec<&str> = between(&text, "failpoint::part(\"", "\"").collect();
        parts.sort_unstable();
        let mut listed = PARTS.to_vec();
        listed.sort_unstable();
        assert_eq!(parts, listed);
        let verbs = |file: &str| -> BTreeSet<String> {
            let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("a source");
            let body = between(&text, "pub fn verb(&self)", "\n    }").next().expect("the verbs").to_owned();
            between(&body, "=> \"", "\"").map(str::to_owned).collect()
        };
        assert_eq!(verbs("src/cluster/plan/action.rs"), STEPS.map(str::to_owned).into());
        assert_eq!(verbs("src/topic/plan.rs"), TOPIC_STEPS.map(str::to_owned).into());
    }
}
