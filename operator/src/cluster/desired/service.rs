//! The services: two headless ones that name the pods, and the one that clients bootstrap from.

use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use odradek_crds::Role;

use super::{
    meta,
    properties::{CONTROLLER_PORT, HTTP_PORT, REPLICATION_PORT},
    role_selector,
};
use crate::{cluster::validate::Validated, names};

/// The services of the cluster.
pub fn services(cluster: &Validated) -> Vec<Service> {
    let clients: Vec<ServicePort> =
        cluster.listeners.iter().map(|listener| port(&listener.name, listener.port)).collect();
    let mut broker_ports = clients.clone();
    broker_ports.push(port("replication", REPLICATION_PORT));
    if cluster.pools.iter().any(|pool| pool.has(Role::Controller)) {
        broker_ports.push(port("controller", CONTROLLER_PORT));
    }
    broker_ports.push(port("http", HTTP_PORT));
    let mut services = vec![
        headless(cluster, names::brokers_service(&cluster.name), Role::Broker, broker_ports),
        bootstrap(cluster, clients),
    ];
    if cluster.controllers.is_some() {
        let ports = vec![port("controller", CONTROLLER_PORT), port("http", HTTP_PORT)];
        services.push(headless(cluster, names::controllers_service(&cluster.name), Role::Controller, ports));
    }
    services
}

/// Names of pods have to resolve before they are ready: that is how they find each other to become
/// ready.
fn headless(cluster: &Validated, name: String, role: Role, ports: Vec<ServicePort>) -> Service {
    Service {
        metadata: meta(cluster, name),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            publish_not_ready_addresses: Some(true),
            selector: Some(role_selector(cluster, role)),
            ports: Some(ports),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

fn bootstrap(cluster: &Validated, ports: Vec<ServicePort>) -> Service {
    Service {
        metadata: meta(cluster, names::bootstrap_service(&cluster.name)),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(role_selector(cluster, Role::Broker)),
            ports: Some(ports),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

fn port(name: &str, number: u16) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: i32::from(number),
        target_port: Some(IntOrString::Int(i32::from(number))),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    }
}
