"""One broker: throughput, CPU and memory under Kafka's own performance tools.

CPU is what the broker's process used (user and system); memory is its resident set. Neither broker syncs each write:
both leave that to the operating system, which is Kafka's default. MEGABYTES and ROUNDS change the size of a run.
"""

import os
import re
import statistics
import subprocess
import time

import machine
from cluster import Cluster
from machine import say

MEGABYTES = int(os.environ.get("MEGABYTES", "512"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
RECORD = 1024
TITLE = f"1 broker, {MEGABYTES} MiB of 1 KiB records, medians of {ROUNDS} rounds, no fsync a write on either side"


def tool(name, *arguments):
    done = subprocess.run(machine.java(*arguments), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{arguments[0]} against {name} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def one_round(name):
    settings = {"default.replication.factor": 1, "min.insync.replicas": 1, "offsets.topic.replication.factor": 1}
    with Cluster(name, brokers=1, **settings) as broker:
        figures = {"start to Metadata, ms": broker.started[1] * 1000}
        time.sleep(2)
        pid = broker.processes[1].pid
        figures["memory idle, MiB"] = machine.resident(pid)
        address = broker.bootstrap()
        tool(name, "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", address, "--create", "--topic", "bench",
             "--partitions", "6")
        before = machine.cpu_seconds(pid)
        out = tool(name, "org.apache.kafka.tools.ProducerPerformance", "--topic", "bench", "--num-records",
                   str(MEGABYTES * 2**20 // RECORD), "--record-size", str(RECORD), "--throughput", "-1", "--producer-props",
                   f"bootstrap.servers={address}", "acks=all", "linger.ms=5", "batch.size=131072")
        last = out.strip().splitlines()[-1]
        figures["produce acks=all, MB/s"] = float(re.search(r"\(([\d.]+) MB/sec\)", last)[1])
        figures["produce p99, ms"] = float(re.search(r"([\d.]+) ms 99th", last)[1])
        gigabytes = MEGABYTES / 1024
        figures["CPU s a GiB produced"] = (machine.cpu_seconds(pid) - before) / gigabytes
        before = machine.cpu_seconds(pid)
        out = tool(name, "org.apache.kafka.tools.ConsumerPerformance", "--bootstrap-server", address, "--topic", "bench",
                   "--messages", str(MEGABYTES * 2**20 // RECORD), "--timeout", "60000")
        row = [line for line in out.splitlines() if re.match(r"\d{4}-", line)][-1].split(", ")
        figures["consume, MB/s"] = float(row[3])
        figures["CPU s a GiB consumed"] = (machine.cpu_seconds(pid) - before) / gigabytes
        figures["memory after, MiB"] = machine.resident(pid)
        return figures


def measure_both():
    rounds = {"kafka": [], "odradek": []}
    for number in range(1, ROUNDS + 1):
        for name in rounds:
            say(f"round {number} of {ROUNDS}, {name}")
            rounds[name].append(one_round(name))
    return {name: {key: statistics.median(figures[key] for figures in all_) for key in all_[0]} for name, all_ in rounds.items()}
