//! CEL rules of the schemas, as `x-kubernetes-validations`.

use serde_json::{Value, json};

/// One CEL rule with the message that a person sees when it fails.
pub fn rule(rule: &str, message: &str) -> Value {
    json!([{ "rule": rule, "message": message }])
}

/// Several CEL rules on one value, each with its message.
pub fn rules(rules: &[(&str, &str)]) -> Value {
    rules.iter().map(|(rule, message)| json!({ "rule": rule, "message": message })).collect()
}
