//! Keys of what this process is.

use std::time::Duration;

use super::key::{Check, Class, Key, Kind, fixed};
use super::problems::Problems;
use super::values::Values;

/// All of them.
#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    fixed("node.id", Kind::Int, None, Check::AtLeast(0), Class::Honoured),
    fixed("broker.id", Kind::Int, Some("-1"), Check::Any, Class::Honoured),
    fixed("process.roles", Kind::List, None, Check::EachOf(&["broker", "controller"]), Class::Honoured),
    fixed("broker.rack", Kind::String, None, Check::Any, Class::Honoured),
    fixed("broker.heartbeat.interval.ms", Kind::Int, Some("2000"), Check::Any, Class::Honoured),
    fixed("broker.session.timeout.ms", Kind::Int, Some("9000"), Check::Any, Class::Honoured),
    fixed("initial.broker.registration.timeout.ms", Kind::Int, Some("60000"), Check::Any, Class::Honoured),
    fixed("controlled.shutdown.enable", Kind::Boolean, Some("true"), Check::Any, Class::Honoured),
    fixed("server.max.startup.time.ms", Kind::Long, Some("9223372036854775807"), Check::AtLeast(0), Class::NoEffect { why: "start-up has no time limit of its own" }),
];

/// What this process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSettings {
    /// `node.id`: unique in the cluster, controllers included.
    pub id: i32,
    /// `process.roles` holds `broker`.
    pub broker: bool,
    /// `process.roles` holds `controller`.
    pub controller: bool,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// `broker.heartbeat.interval.ms`.
    pub heartbeat_interval: Duration,
    /// `broker.session.timeout.ms`: a broker that was not heard of for this long is fenced.
    pub session_timeout: Duration,
    /// `initial.broker.registration.timeout.ms`: give up when no controller took the registration for this long.
    pub registration_timeout: Duration,
    /// `controlled.shutdown.enable`: hand leaders over before leaving.
    pub controlled_shutdown: bool,
}

impl NodeSettings {
    pub(super) fn read(values: &Values, problems: &mut Problems) -> Self {
        let roles = values.list("process.roles");
        if roles.is_empty() {
            let what = "must be set: broker, controller, or broker,controller for both in one process";
            problems.errors.push(values.problem("process.roles", what));
        } else if (1..roles.len()).any(|at| roles[..at].contains(&roles[at])) {
            problems.errors.push(values.problem("process.roles", "names a role twice"));
        }
        let heartbeat = values.unsigned("broker.heartbeat.interval.ms");
        let session = values.unsigned("broker.session.timeout.ms");
        if heartbeat == 0 || heartbeat.saturating_mul(2) > session {
            let what = format!(
                "must be more than 0 and at most half of broker.session.timeout.ms={session}, or a broker is fenced \
                 because of one lost heartbeat"
            );
            let name = "broker.heartbeat.interval.ms";
            let blamed = if values.is_given(name) { name } else { "broker.session.timeout.ms" };
            problems.errors.push(if blamed == name {
                values.problem(name, what)
            } else {
                let what = format!("must be at least twice broker.heartbeat.interval.ms={heartbeat}");
                values.problem(blamed, what)
            });
        }
        Self {
            id: node_id(values, problems),
            broker: roles.contains(&"broker"),
            controller: roles.contains(&"controller"),
            rack: values.text("broker.rack").map(str::to_owned),
            heartbeat_interval: Duration::from_millis(heartbeat),
            session_timeout: Duration::from_millis(session),
            registration_timeout: Duration::from_millis(values.unsigned("initial.broker.registration.timeout.ms")),
            controlled_shutdown: values.flag("controlled.shutdown.enable"),
        }
    }
}

/// `node.id`, or `broker.id` as it was called before there were controllers.
fn node_id(values: &Values, problems: &mut Problems) -> i32 {
    let id = values.integer("node.id");
    let old = values.given("broker.id").and_then(|_| values.integer("broker.id")).filter(|old| *old != -1);
    match (id, old) {
        (Some(id), Some(old)) if id != old => {
            let what = format!("differs from node.id={id}: remove broker.id, node.id is today's name");
            problems.errors.push(values.problem("broker.id", what));
        }
        (None, Some(old)) if old < 0 => problems.errors.push(values.problem("broker.id", "must be at least 0")),
        (None, None) if !problems.blames("node.id") && !problems.blames("broker.id") => {
            let what = "must be set: a number of 0 or more that no other broker and no other controller has";
            problems.errors.push(values.problem("node.id", what));
        }
        _ => {}
    }
    i32::try_from(id.or(old).unwrap_or(0)).unwrap_or(0)
}
