//! Outcomes as people read them.

use std::fmt::Write;

use crate::plan::Outcome;

/// The outcomes, one after the other.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        // Writing to a String cannot fail.
        let _ = one(outcome, &mut text);
    }
    text
}

fn one(outcome: &Outcome, text: &mut String) -> std::fmt::Result {
    write!(text, "{} {}/{}: ", outcome.kind, outcome.namespace, outcome.name)?;
    match (outcome.refusals.len(), outcome.steps.len()) {
        (0, 0) => write!(text, "nothing to do")?,
        (0, 1) => write!(text, "1 step")?,
        (0, many) => write!(text, "{many} steps")?,
        (1.., _) => write!(text, "refused, nothing would be changed")?,
    }
    if !outcome.pending.is_empty() {
        write!(text, "; {} pods would be made anew", outcome.pending.len())?;
    }
    if let Some(hash) = &outcome.hash {
        write!(text, "; hash {hash}")?;
    }
    writeln!(text)?;
    for note in &outcome.notes {
        writeln!(text, "  note: {note}")?;
    }
    for refusal in &outcome.refusals {
        writeln!(text, "  {}: {}: {}", refusal.reason, refusal.field, refusal.message)?;
    }
    for (at, step) in outcome.steps.iter().enumerate() {
        write!(text, "  {}. {}", at + 1, step.step)?;
        if let Some(target) = &step.target {
            write!(text, " {target}")?;
        }
        if let Some(broker) = step.broker {
            write!(text, " (node {broker})")?;
        }
        writeln!(text, ": {}", step.reason)?;
        if let Some(why) = &step.blocked_by {
            writeln!(text, "     waits: {why}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use odradek_crds::PlannedStep;

    use super::*;
    use crate::plan::Told;

    #[test]
    fn people_read_it() {
        let step = |step: &str, broker, blocked_by: Option<&str>| PlannedStep {
            step: step.to_owned(),
            target: Some("Pod/demo-broker-a-0".to_owned()),
            broker,
            reason: "its template changed".to_owned(),
            blocked_by: blocked_by.map(str::to_owned),
        };
        let outcome = |steps, refusals| Outcome {
            kind: "KafkaCluster",
            namespace: "kafka".to_owned(),
            name: "demo".to_owned(),
            steps,
            refusals,
            ..Outcome::default()
        };
        let told = Told { reason: "InvalidSpec".into(), field: "spec.x".into(), message: "too much".into() };
        let rolling = Outcome {
            hash: Some("00ff".to_owned()),
            pending: vec!["demo-broker-a-0".to_owned()],
            notes: vec!["a note".to_owned()],
            ..outcome(vec![step("Update", None, None), step("RollPod", Some(0), Some("that"))], vec![])
        };
        let outcomes = [outcome(vec![], vec![]), rolling, outcome(vec![], vec![told])];
        assert_eq!(outcomes.iter().map(Outcome::code).collect::<Vec<_>>(), [0, 1, 2]);
        insta::assert_snapshot!(table(&outcomes));
    }
}
