"""Many partitions: create, rest, fail over, restart, leave."""

import os
import statistics
import time

from cluster import Cluster
from machine import say

PARTITIONS = int(os.environ.get("PARTITIONS", "10000"))
TOPICS = max(1, PARTITIONS // 1000)
TOPIC = ["--prefix", "many", "--topics", TOPICS, "--partitions", PARTITIONS // TOPICS]
REST = 20


def rest(cluster, figures, when):
    time.sleep(5)
    before = cluster.cpu()
    time.sleep(REST)
    after = cluster.cpu()
    figures[f"{when}: CPU s a minute, a broker"] = statistics.mean(after[n] - before[n] for n in after) * 60 / REST
    figures[f"{when}: memory a broker, MiB"] = statistics.mean(cluster.memory().values())
    say(f"{cluster.name}: {figures}")


def measure(name):
    figures = {}
    # Every leader that moves is told apart from one that moved back by itself.
    with Cluster(name, **{"auto.leader.rebalance.enable": "false"}) as cluster:
        created = cluster.load("create", *TOPIC)
        figures["create, s"] = created["led_ms"] / 1000
        cluster.load("in-sync", *TOPIC, "--within", 300)
        rest(cluster, figures, "at rest")

        victim = cluster.other_than_controller()
        say(f"{name}: kill -9 of broker {victim}")
        at = cluster.kill(victim)
        moved = cluster.load("leaders", *TOPIC, "--without", victim, "--since", at, "--within", 300, without=[victim])
        figures["killed: until all leaders moved, s"] = moved["ms"] / 1000
        at = time.time_ns() // 10**6
        cluster.start(victim)
        figures["restart after kill -9: until in sync, s"] = cluster.load(
            "in-sync", *TOPIC, "--since", at, "--within", 300)["ms"] / 1000

        # All leaders on one broker: the others leave in turn and come back.
        keeper = cluster.controller()
        others = [node for node in cluster.ports if node != keeper]
        for node in others:
            cluster.stop(node)
            cluster.start(node)
            cluster.load("in-sync", *TOPIC, "--within", 300)
        led = cluster.load("led", *TOPIC)["led"]
        leaver = int(max(led, key=led.get))
        say(f"{name}: controlled shutdown of broker {leaver}, leaders: {led}")
        at = time.time_ns() // 10**6
        cluster.processes[leaver].terminate()
        moved = cluster.load("leaders", *TOPIC, "--without", leaver, "--since", at, "--within", 300, without=[leaver])
        figures["shutdown: until its leaders moved, s"] = moved["ms"] / 1000
        cluster.processes[leaver].wait(300)
        figures["shutdown: until it ended, s"] = time.time() - at / 1000
        figures["shutdown: leaders it had"] = led[str(leaver)]
        at = time.time_ns() // 10**6
        cluster.start(leaver)
        figures["restart after a clean stop: until in sync, s"] = cluster.load(
            "in-sync", *TOPIC, "--since", at, "--within", 300)["ms"] / 1000
        say(f"{cluster.name}: {figures}")
    return figures


TITLE = f"3 brokers and controllers, RF 3, min.insync 2, {PARTITIONS} partitions in {TOPICS} topics"
