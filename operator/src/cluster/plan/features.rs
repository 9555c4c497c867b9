//! `metadata.version` is raised when the spec says so, once every pod runs the release that reads it.

use super::{Action, Step, order::Stale};
use crate::cluster::{observe::Observed, validate::Validated, version::to_raise};

/// The step that raises it.
pub(super) fn raise(cluster: &Validated, observed: &Observed, stale: &Stale<'_>) -> Option<Step> {
    let level = to_raise(cluster, observed)?;
    let waits = match &observed.may_raise {
        _ if !stale.batches.is_empty() || stale.unsettled.is_some() => {
            Some("the pods that are not made from the present template go first".to_owned())
        }
        Some(Ok(())) => None,
        Some(Err(why)) => Some(why.clone()),
        None => Some("the active controller is asked first".to_owned()),
    };
    let reason = "spec.metadataVersion is above what the cluster has; it is never lowered again";
    Some(Step { action: Action::UpdateFeatures(level), reason: reason.to_owned(), blocked_by: waits })
}

#[cfg(test)]
mod tests {
    use super::super::plan;
    use super::*;
    use crate::cluster::fixtures::{all_there, asked, valid, with_new_revisions, with_view};

    #[test]
    fn a_level_is_raised_once_every_pod_reads_it() {
        let valid = valid("metadataVersion: 4.1-IV1");
        let has = |level, may_raise: Option<Result<(), &str>>| Observed {
            may_raise: may_raise.map(|answer| answer.map_err(str::to_owned)),
            ..with_view(all_there(&valid), |view| view.metadata_version = level)
        };
        let step = |observed: Observed| {
            let steps = plan(&valid, &asked(&valid, observed)).expect("a plan").steps;
            steps.into_iter().find(|step| matches!(step.action, Action::UpdateFeatures(_)))
        };
        let waits = |observed| step(observed).expect("the step").blocked_by.unwrap_or_default();
        assert_eq!(step(has(Some(27), None)), None, "it is there");
        assert_eq!(step(has(None, None)), None, "nobody can say what is there");
        assert_eq!(waits(has(Some(26), Some(Ok(())))), "");
        assert_eq!(
            waits(has(Some(26), Some(Err("Broker 2 only supports versions 26-26")))),
            "Broker 2 only supports versions 26-26"
        );
        assert!(waits(has(Some(26), None)).contains("asked first"));
        let rolling = with_new_revisions(has(Some(26), Some(Ok(()))));
        assert!(waits(rolling).contains("go first"));
    }
}
