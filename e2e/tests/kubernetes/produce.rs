//! Real clients at the in-cluster bootstrap address.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use odradek_e2e::kubernetes::{Clients, compare, in_namespace};

#[test]
fn clients_produce_and_consume() -> Result<()> {
    in_namespace("produce", |namespace| {
        namespace.demo_cluster()?;
        namespace.orders_topic()?;
        let clients = Clients::start(namespace)?;
        let mut acknowledged = clients.produce_now("orders", 0, 3000)?.acknowledged;
        compare(3000, &acknowledged, &clients.read_all("orders")?)?;

        let first = clients.read_group("readers", "orders", 3000)?;
        let keys: BTreeSet<&String> = first.iter().map(|record| &record.key).collect();
        ensure!(keys.len() == 3000, "the group read {} different records of 3000", keys.len());

        // The group goes on where it committed.
        acknowledged.extend(clients.produce_now("orders", 3000, 100)?.acknowledged);
        let second = clients.read_group("readers", "orders", 100)?;
        ensure!(second.iter().all(|record| !keys.contains(&record.key)), "the group read a record again");
        ensure!(second.len() == 100, "the group read {} more records", second.len());
        compare(3100, &acknowledged, &clients.read_all("orders")?)
    })
}
