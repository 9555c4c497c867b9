"""A leader killed, the active controller killed, a rolling restart, each under idempotent load with acks=all."""

import os
import statistics
import time

from cluster import Cluster
from machine import say

ROUNDS = int(os.environ.get("ROUNDS", "3"))
PARTITIONS = 12
TOPIC = ["--prefix", "load", "--topics", 1, "--partitions", PARTITIONS]
# Between two failures, so that the sessions and the time-outs of one are over before the next.
QUIET = 3
AFTER = 12


def load(cluster):
    return cluster.produce("--topic", "load0", "--partitions", PARTITIONS, "--rate", 1000)


def whole(cluster):
    cluster.load("in-sync", *TOPIC)
    cluster.load("leaders", *TOPIC)
    time.sleep(QUIET)


def killed(cluster, victim, controller):
    """Figures of one kill -9."""
    producer = load(cluster)
    time.sleep(1)
    at = cluster.kill(victim)
    figures = {}
    if controller:
        figures["until a topic could be created, ms"] = cluster.load(
            "create-once", "--prefix", f"after-{at}-", "--since", at, without=[victim])["ms"]
    figures["until all leaders moved, ms"] = cluster.load(
        "leaders", *TOPIC, "--without", victim, "--since", at, without=[victim])["ms"]
    time.sleep(max(0.0, AFTER - (time.time() - at / 1000)))
    seen = producer.end()
    figures["longest stall, ms"] = seen["longest_stall_ms"]
    figures["worst partition, ms"] = seen["worst_partition_ms"]
    figures["records refused"] = sum(seen["refused"].values())
    cluster.start(victim)
    whole(cluster)
    return figures


def rolled(cluster):
    producer = load(cluster)
    time.sleep(1)
    start = time.monotonic()
    for node in cluster.ports:
        cluster.stop(node)
        cluster.start(node)
        cluster.load("in-sync", *TOPIC)
    took = time.monotonic() - start
    time.sleep(1)
    seen = producer.end()
    return {
        "all three, s": took,
        "longest stall, ms": seen["longest_stall_ms"],
        "worst partition, ms": seen["worst_partition_ms"],
        "records refused": sum(seen["refused"].values()),
    }


def measure(name):
    rounds = []
    with Cluster(name) as cluster:
        cluster.load("create", *TOPIC)
        whole(cluster)
        for number in range(1, ROUNDS + 1):
            say(f"{name}: round {number} of {ROUNDS}: kill a leader, kill the controller, restart all")
            figures = {}
            for what, values in [
                ("leader killed: ", killed(cluster, cluster.other_than_controller(), False)),
                ("controller killed: ", killed(cluster, cluster.controller(), True)),
                ("rolling restart: ", rolled(cluster)),
            ]:
                figures |= {what + key: value for key, value in values.items()}
            rounds.append(figures)
            say(str({key: round(value) for key, value in figures.items()}))
            whole(cluster)
    return {key: statistics.median(figures[key] for figures in rounds) for key in rounds[0]}


TITLE = f"3 brokers and controllers, RF 3, min.insync 2, {PARTITIONS} partitions, 1,000 records/s of 1 KiB, medians of {ROUNDS}"
