//! Keys of where this process listens, and what it tells others.

use std::collections::BTreeMap;

use super::address;
use super::key::{Check, Class, Key, Kind, fixed, per_broker};
use super::node::NodeSettings;
use super::problems::Problems;
use super::values::Values;

/// All of them.
#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    per_broker("listeners", Kind::List, Some("PLAINTEXT://:9092"), Check::Any, Class::Honoured),
    fixed("advertised.listeners", Kind::List, None, Check::Any, Class::Honoured),
    per_broker("listener.security.protocol.map", Kind::String, Some("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"), Check::Any, Class::Honoured),
    fixed("inter.broker.listener.name", Kind::String, None, Check::Any, Class::Honoured),
    fixed("security.inter.broker.protocol", Kind::String, Some("PLAINTEXT"), Check::OneOf(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]), Class::Honoured),
    fixed("controller.listener.names", Kind::List, None, Check::Any, Class::Honoured),
    fixed("early.start.listeners", Kind::List, None, Check::Any, Class::NoEffect { why: "the controllers' listener always opens first" }),
];

/// What is spoken on a listener below Kafka's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityProtocol {
    /// Kafka's protocol and nothing else.
    Plaintext,
}

impl SecurityProtocol {
    /// As it is written in listener.security.protocol.map and told in registrations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
        }
    }
}

/// A name and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// In capitals, as Kafka compares them.
    pub name: String,
    /// A name or an address; empty: every interface.
    pub host: String,
    /// 0: any free port.
    pub port: u16,
    /// What is spoken there.
    pub protocol: SecurityProtocol,
}

/// Where this process listens, and what it tells others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerSettings {
    /// Sockets for clients and brokers. Empty for a controller alone.
    pub broker: Vec<Listener>,
    /// Sockets for controllers and for the brokers that follow them. Empty for a broker alone.
    pub controller: Vec<Listener>,
    /// What clients and brokers are told, one for each of `broker`. A port of 0 is the one that was bound.
    pub advertised: Vec<Listener>,
    /// Where other controllers and brokers reach this controller, as `advertised.listeners` or `listeners` says; empty
    /// and 0 for a broker alone.
    pub controller_endpoint: (String, u16),
    /// The listener where the other brokers fetch.
    pub inter_broker: String,
}

/// Reads keys of listeners; `hostname` is asked only when an address to advertise is needed.
pub(super) fn read(
    values: &Values,
    node: &NodeSettings,
    hostname: &dyn Fn() -> String,
    problems: &mut Problems,
) -> ListenerSettings {
    let controller_names: Vec<String> =
        values.list("controller.listener.names").iter().map(|name| name.to_ascii_uppercase()).collect();
    let protocols = protocol_map(values, &controller_names, problems);
    let all = parse_list("listeners", values, problems);
    reject_repeats("listeners", &all, true, values, problems);

    let mut settings = ListenerSettings {
        broker: vec![],
        controller: vec![],
        advertised: vec![],
        controller_endpoint: (String::new(), 0),
        inter_broker: String::new(),
    };
    for (name, host, port) in all {
        let Some(protocol) = protocol_of(&name, "listeners", &protocols, values, problems) else { continue };
        let listener = Listener { name, host, port, protocol };
        if controller_names.contains(&listener.name) {
            settings.controller.push(listener);
        } else {
            settings.broker.push(listener);
        }
    }
    check_roles(values, node, &controller_names, &settings, problems);
    if let Some(listener) = settings.controller.first() {
        // What is wrong with them is told where they are read for brokers.
        let told = values.list("advertised.listeners").into_iter().filter_map(|text| address::listener(text).ok());
        let told = told.into_iter().find(|(name, _, _)| *name == listener.name).map(|(_, host, port)| (host, port));
        let (host, port) = told.unwrap_or_else(|| (listener.host.clone(), listener.port));
        let any = matches!(host.as_str(), "" | "0.0.0.0" | "::" | "0:0:0:0:0:0:0:0");
        settings.controller_endpoint = (if any { hostname() } else { host }, port);
    }
    if node.broker {
        advertise(values, &controller_names, &mut settings, hostname, problems);
        settings.inter_broker = inter_broker(values, &settings, problems);
    }
    settings
}

fn check_roles(
    values: &Values,
    node: &NodeSettings,
    controller_names: &[String],
    settings: &ListenerSettings,
    problems: &mut Problems,
) {
    if controller_names.is_empty() {
        let what = "must be set: the name of the controllers' listener, CONTROLLER for example";
        problems.errors.push(values.problem("controller.listener.names", what));
        return;
    }
    // What could not be read was told; what follows from its absence is no second problem.
    if problems.blames("listeners") {
        return;
    }
    let names = controller_names.join(", ");
    if node.controller && settings.controller.is_empty() {
        let what = format!("must hold a listener for controllers ({names}), as process.roles holds controller");
        problems.errors.push(values.problem("listeners", what));
    }
    if node.broker && settings.broker.is_empty() {
        let what = format!("must hold a listener for clients beside {names}, as process.roles holds broker");
        problems.errors.push(values.problem("listeners", what));
    }
    if !node.controller && !settings.controller.is_empty() {
        let what = format!("must not hold {names}: process.roles does not hold controller");
        problems.errors.push(values.problem("listeners", what));
    }
    if !node.broker && node.controller && !settings.broker.is_empty() {
        let what = format!("must hold {names} only: process.roles does not hold broker");
        problems.errors.push(values.problem("listeners", what));
    }
}

fn advertise(
    values: &Values,
    controller_names: &[String],
    settings: &mut ListenerSettings,
    hostname: &dyn Fn() -> String,
    problems: &mut Problems,
) {
    let key = "advertised.listeners";
    let told = parse_list(key, values, problems);
    reject_repeats(key, &told, false, values, problems);
    let explicit = values.text(key).is_some();
    let mut by_name: BTreeMap<String, (String, u16)> =
        told.into_iter().map(|(name, host, port)| (name, (host, port))).collect();
    for listener in &settings.broker {
        let (host, port) = match by_name.remove(&listener.name) {
            Some(told) => told,
            None if explicit => continue,
            None => (listener.host.clone(), listener.port),
        };
        let source = if explicit { key } else { "listeners" };
        if matches!(host.as_str(), "0.0.0.0" | "::" | "0:0:0:0:0:0:0:0") {
            let what = format!(
                "{}://{host} cannot be told to clients, it is no address that they can reach: set \
                 advertised.listeners={}://<a name or address of this host>:{port}",
                listener.name, listener.name
            );
            problems.errors.push(values.problem(source, what));
            continue;
        }
        let host = if host.is_empty() { hostname() } else { host };
        settings.advertised.push(Listener { host, port, ..listener.clone() });
    }
    if problems.blames("listeners") {
        return;
    }
    for name in by_name.into_keys().filter(|name| !controller_names.contains(name)) {
        let what = format!("{name} is not in listeners: add it there, or remove it here");
        problems.errors.push(values.problem(key, what));
    }
    if explicit && settings.advertised.is_empty() && !problems.blames(key) {
        problems.errors.push(values.problem(key, "must hold at least one listener of listeners for clients"));
    }
}

fn inter_broker(values: &Values, settings: &ListenerSettings, problems: &mut Problems) -> String {
    let by_name = "inter.broker.listener.name";
    let by_protocol = "security.inter.broker.protocol";
    if values.is_given(by_name) && values.is_given(by_protocol) {
        let what = format!("only one of {by_name} and {by_protocol} may be set");
        problems.errors.push(values.problem(by_protocol, what));
    }
    let (key, name) = match values.text(by_name) {
        Some(name) => (by_name, name),
        None => (by_protocol, values.text(by_protocol).unwrap_or("PLAINTEXT")),
    };
    let name = name.to_ascii_uppercase();
    let known = settings.advertised.iter().any(|listener| listener.name == name);
    if !known && !problems.blames("listeners") && !problems.blames("advertised.listeners") {
        let names: Vec<_> = settings.advertised.iter().map(|listener| listener.name.as_str()).collect();
        let what = format!(
            "brokers would fetch from the listener {name}, which is not advertised: set inter.broker.listener.name to \
             one of {}",
            names.join(", ")
        );
        problems.errors.push(values.problem(key, what));
    }
    name
}

fn protocol_map(values: &Values, controller_names: &[String], problems: &mut Problems) -> BTreeMap<String, String> {
    let key = "listener.security.protocol.map";
    let mut map = BTreeMap::new();
    for item in values.list(key) {
        match item.split_once(':') {
            Some((name, protocol)) if !name.trim().is_empty() => {
                map.insert(name.trim().to_ascii_uppercase(), protocol.trim().to_ascii_uppercase());
            }
            _ => problems.errors.push(values.problem(key, format!("{item:?} must be NAME:PROTOCOL"))),
        }
    }
    if !values.is_given(key) {
        // As in Kafka: controllers speak plain text when nothing else was said.
        for name in controller_names {
            map.entry(name.clone()).or_insert_with(|| "PLAINTEXT".to_owned());
        }
    }
    map
}

fn protocol_of(
    name: &str,
    key: &str,
    protocols: &BTreeMap<String, String>,
    values: &Values,
    problems: &mut Problems,
) -> Option<SecurityProtocol> {
    let what = match protocols.get(name).map(String::as_str) {
        Some("PLAINTEXT") => return Some(SecurityProtocol::Plaintext),
        Some(known @ ("SSL" | "SASL_PLAINTEXT" | "SASL_SSL")) => {
            format!("{name} would speak {known}, which is not served yet: use a listener that speaks PLAINTEXT")
        }
        Some(other) => format!("{name} would speak {other}, which is no security protocol: PLAINTEXT is one"),
        None => format!("nothing says what {name} speaks: add {name}:PLAINTEXT to listener.security.protocol.map"),
    };
    problems.errors.push(values.problem(key, what));
    None
}

fn parse_list(key: &str, values: &Values, problems: &mut Problems) -> Vec<(String, String, u16)> {
    let mut list = Vec::new();
    for item in values.list(key) {
        match address::listener(item) {
            Ok(listener) => list.push(listener),
            Err(what) => problems.errors.push(values.problem(key, format!("{item:?} {what}"))),
        }
    }
    list
}

fn reject_repeats(key: &str, list: &[(String, String, u16)], ports: bool, values: &Values, problems: &mut Problems) {
    for (at, (name, host, port)) in list.iter().enumerate() {
        for (other, other_host, other_port) in &list[..at] {
            if name == other {
                problems.errors.push(values.problem(key, format!("{name} is there twice: give each listener a name")));
            }
            // An IPv4 and an IPv6 address may share a port.
            let apart = host.contains(':') != other_host.contains(':') && !host.is_empty() && !other_host.is_empty();
            if ports && port == other_port && *port != 0 && !apart {
                let what = format!("{name} and {other} both use port {port}: give each listener a port of its own");
                problems.errors.push(values.problem(key, what));
            }
        }
    }
}
