"""Partitions moved to other brokers by kafka-reassign-partitions while somebody produces. BYTES is what moves."""

import json
import os
import subprocess
import time

import machine
from cluster import Cluster
from machine import say

BYTES = int(os.environ.get("BYTES", str(2 * 2**30)))
PARTITIONS = 12
RECORD = 1024
TITLE = f"4 brokers, RF 3: one replica of each of {PARTITIONS} partitions moves, {BYTES / 2**30:.1f} GiB; 500 records/s elsewhere"


def reassign(cluster, *arguments):
    command = machine.java("org.apache.kafka.tools.reassign.ReassignPartitionsCommand", "--bootstrap-server",
                           cluster.bootstrap(), *arguments)
    done = subprocess.run(command, capture_output=True, text=True, cwd=cluster.home)
    if done.returncode:
        raise SystemExit(f"{cluster.name}: kafka-reassign-partitions failed: {done.stdout}{done.stderr}")
    return done.stdout


def plan(cluster):
    """Every partition's last replica goes to the broker that has none of it."""
    described = cluster.load("replicas", "--prefix", "big", "--topics", 1, "--partitions", PARTITIONS)["replicas"]
    partitions = []
    for partition, replicas in sorted(described["big0"].items(), key=lambda entry: int(entry[0])):
        new = next(node for node in cluster.ports if node not in replicas)
        partitions.append({"topic": "big0", "partition": int(partition), "replicas": replicas[:-1] + [new]})
    return {"version": 1, "partitions": partitions}


def produce_quietly(cluster, seconds):
    producer = cluster.produce("--topic", "load0", "--partitions", 6, "--rate", 500)
    if seconds:
        time.sleep(seconds)
        return producer.end()
    return producer


def measure(name):
    figures = {}
    with Cluster(name, brokers=4) as cluster:
        cluster.load("create", "--prefix", "big", "--topics", 1, "--partitions", PARTITIONS)
        cluster.load("create", "--prefix", "load", "--topics", 1, "--partitions", 6)
        say(f"{name}: writing {BYTES / 2**30 / 3:.2f} GiB three times")
        # One replica of three moves: what moves is what one replica of all partitions holds.
        out = subprocess.run(
            machine.java("org.apache.kafka.tools.ProducerPerformance", "--topic", "big0", "--num-records",
                         str(BYTES // RECORD), "--record-size", str(RECORD), "--throughput", "-1", "--producer-props",
                         f"bootstrap.servers={cluster.bootstrap()}", "acks=all", "linger.ms=5", "batch.size=131072"),
            capture_output=True, text=True, check=True)
        say(out.stdout.strip().splitlines()[-1])
        cluster.load("in-sync", "--prefix", "big", "--topics", 1, "--partitions", PARTITIONS)
        figures["produce p99 before, ms"] = produce_quietly(cluster, 10)["p99_ms"]
        (cluster.home / "plan.json").write_text(json.dumps(plan(cluster)))
        producer, before, start = produce_quietly(cluster, 0), cluster.cpu(), time.monotonic()
        reassign(cluster, "--reassignment-json-file", "plan.json", "--execute")
        asked = time.monotonic()
        while "still in progress" in (said := reassign(cluster, "--reassignment-json-file", "plan.json", "--verify")):
            if time.monotonic() - start > 600:
                raise SystemExit(f"{name}: not done within 600 s: {said}; logs: {cluster.keep()}")
        figures["reassignment, s"] = time.monotonic() - asked
        after = cluster.cpu()
        seen = producer.end()
        figures["produce p99 meanwhile, ms"] = seen["p99_ms"]
        figures["longest stall meanwhile, ms"] = seen["longest_stall_ms"]
        figures["records refused meanwhile"] = sum(seen["refused"].values())
        figures["CPU s of all brokers meanwhile"] = sum(after[node] - before[node] for node in after)
        where = plan_of(cluster)
        wanted = {entry["partition"]: entry["replicas"] for entry in json.loads((cluster.home / "plan.json").read_text())["partitions"]}
        if where != wanted:
            raise SystemExit(f"{name}: replicas are {where}, not {wanted}")
        say(f"{name}: {figures}")
    return figures


def plan_of(cluster):
    described = cluster.load("replicas", "--prefix", "big", "--topics", 1, "--partitions", PARTITIONS)["replicas"]
    return {int(partition): replicas for partition, replicas in described["big0"].items()}
