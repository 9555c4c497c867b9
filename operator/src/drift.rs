//! What somebody else changed in an object that the operator keeps in shape, and who it was. Pure.

use serde_json::Value;

use crate::{
    apply::{Object, contains},
    names::{APPLIED_ANNOTATION, MANAGER},
};

/// The change that somebody made by hand, as a sentence; nothing where the wanted object itself is another one now.
///
/// Who it was stands in `metadata.managedFields` (Kubernetes, Server-Side Apply: field management).
pub fn drift(object: &Object, live: &Value) -> Option<String> {
    let hash = |value: &Value| value["metadata"]["annotations"][APPLIED_ANNOTATION].clone();
    if hash(&object.value) != hash(live) {
        return None;
    }
    let path = first_difference(live, &object.value)?;
    let field = path.join(".");
    let who = managers(live, &path);
    Some(match who.as_slice() {
        [] => format!("{field} was changed by somebody else"),
        who => format!("{field} was changed by {}", who.join(" and ")),
    })
}

/// The path of the first wanted field that the live object lacks or has otherwise. It ends at a list.
fn first_difference(live: &Value, wanted: &Value) -> Option<Vec<String>> {
    let wanted = wanted.as_object()?;
    for (key, wanted) in wanted {
        let found = live.get(key).unwrap_or(&Value::Null);
        // As one field, with the rules that hold for it.
        let alone = |value: &Value| Value::Object([(key.clone(), value.clone())].into_iter().collect());
        if contains(&alone(found), &alone(wanted))
            || (found.is_null() && contains(&alone(&Value::Null), &alone(wanted)))
        {
            continue;
        }
        let mut path = vec![key.clone()];
        if found.is_object()
            && let Some(rest) = first_difference(found, wanted)
        {
            path.extend(rest);
        }
        return Some(path);
    }
    None
}

/// Whoever else owns the field at a path, or something within it.
fn managers(live: &Value, path: &[String]) -> Vec<String> {
    let entries = live["metadata"]["managedFields"].as_array();
    let mut found: Vec<String> = entries
        .into_iter()
        .flatten()
        .filter(|entry| entry["manager"] != MANAGER && owns(&entry["fieldsV1"], path))
        .filter_map(|entry| entry["manager"].as_str().map(str::to_owned))
        .collect();
    found.dedup();
    found
}

fn owns(fields: &Value, path: &[String]) -> bool {
    match path.split_first() {
        None => true,
        Some((first, rest)) => match fields.get(format!("f:{first}")) {
            // Owned as a whole.
            Some(Value::Object(inner)) if inner.is_empty() => true,
            Some(inner) => owns(inner, rest),
            None => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object() -> Object {
        let map = json!({ "metadata": { "name": "m" }, "data": { "a": "1", "b": "2" } });
        let map: k8s_openapi::api::core::v1::ConfigMap = serde_json::from_value(map).expect("a map");
        Object::of(&map).expect("serialises")
    }

    fn live(data: &Value, managed: &Value) -> Value {
        let mut live = object().value;
        live["data"] = data.clone();
        live["metadata"]["managedFields"] = managed.clone();
        live
    }

    #[test]
    fn who_changed_what_is_told() {
        let managed = json!([
            { "manager": "odradek-operator", "fieldsV1": { "f:data": { "f:a": {}, "f:b": {} } } },
            { "manager": "kubectl-edit", "fieldsV1": { "f:data": { "f:b": {} } } },
        ]);
        let told = |data: Value| drift(&object(), &live(&data, &managed));
        assert_eq!(told(json!({ "a": "1", "b": "2" })), None);
        assert_eq!(told(json!({ "a": "1", "b": "3" })).as_deref(), Some("data.b was changed by kubectl-edit"));
        // Who takes a field away owns nothing of it afterwards.
        assert_eq!(told(json!({ "b": "2" })).as_deref(), Some("data.a was changed by somebody else"));
    }

    #[test]
    fn a_new_spec_is_nobodys_drift() {
        let mut other = live(&json!({ "a": "0" }), &json!([]));
        other["metadata"]["annotations"][APPLIED_ANNOTATION] = json!("of before");
        assert_eq!(drift(&object(), &other), None);
    }
}
