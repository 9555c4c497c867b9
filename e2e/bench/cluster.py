"""Three brokers that are controllers too, of Apache Kafka 4.4.0 or of Odradek, with the same settings, and their load."""

import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import tempfile
import time

import machine
from machine import say

# What kafka-server-start and kafka-run-class give the JVM when nobody says otherwise.
JVM = ["-Xms1g", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
       "-XX:+ExplicitGCInvokesConcurrent"]
# Segments and indexes stay open.
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
CLUSTER_ID = "YmVuY2gtY2x1c3Rlci0wMQ"


class Cluster:
    def __init__(self, name, brokers=3, **more):
        self.name = name
        self.home = pathlib.Path(tempfile.mkdtemp(prefix=f"bench-{name}-"))
        self.ports = {node: (machine.free_port(), machine.free_port()) for node in range(1, brokers + 1)}
        self.processes = {}
        voters = ",".join(f"{node}@127.0.0.1:{controller}" for node, (_, controller) in self.ports.items())
        for node, (port, controller) in self.ports.items():
            folder = self.home / str(node)
            folder.mkdir()
            settings = {
                "process.roles": "broker,controller", "node.id": node,
                "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
                "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
                "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
                "controller.listener.names": "CONTROLLER", "controller.quorum.voters": voters,
                "log.dirs": folder / "data", "default.replication.factor": 3, "min.insync.replicas": 2,
                "offsets.topic.replication.factor": 3, "group.initial.rebalance.delay.ms": 0, **more,
            }
            if name == "odradek":
                settings["odradek.cluster.id"] = CLUSTER_ID
            (folder / "server.properties").write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
            if name == "kafka":
                command = machine.java("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", "server.properties")
                subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for node in self.ports:
            self.start(node, wait=False)
        # Seconds until each answered.
        self.started = {node: self.wait(node) for node in self.ports}

    def start(self, node, wait=True):
        folder = self.home / str(node)
        if self.name == "kafka":
            command = machine.java("kafka.Kafka", "server.properties", heap="1g", options=JVM)
        else:
            command = [str(machine.BROKER), "--config", "server.properties"]
        with open(folder / "output", "ab") as output:
            self.processes[node] = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
        if wait:
            self.wait(node)

    def wait(self, node):
        return machine.wait_metadata(self.ports[node][0], self.processes[node], within=120)

    def kill(self, node):
        """SIGKILL; milliseconds of the epoch just before."""
        at = time.time_ns() // 10**6
        self.processes[node].kill()
        self.processes[node].wait()
        return at

    def stop(self, node, within=300):
        """SIGTERM; seconds until the process ended."""
        start = time.monotonic()
        self.processes[node].terminate()
        self.processes[node].wait(within)
        return time.monotonic() - start

    def bootstrap(self, *without):
        return ",".join(f"127.0.0.1:{port}" for node, (port, _) in self.ports.items() if node not in without)

    def cpu(self):
        return {node: machine.cpu_seconds(process.pid) for node, process in self.processes.items()}

    def memory(self):
        return {node: machine.resident(process.pid) for node, process in self.processes.items()}

    def controller(self):
        return self.load("controller")["id"]

    def other_than_controller(self):
        controller = self.controller()
        return next(node for node in self.ports if node != controller)

    def load(self, *arguments, without=(), timeout=400):
        command = [machine.LOAD, "--bootstrap", self.bootstrap(*without), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
        if done.returncode:
            raise SystemExit(f"{self.name}: odradek-load {' '.join(map(str, arguments))}: {done.stderr}\nlogs: {self.keep()}")
        return json.loads(done.stdout)

    def produce(self, *arguments):
        return Produce(self, arguments)

    def keep(self):
        self.kept = True
        return self.home

    def end(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
        if not getattr(self, "kept", False) and not os.environ.get("KEEP"):
            shutil.rmtree(self.home)

    def __enter__(self):
        say(f"{self.name}: {len(self.ports)} brokers")
        return self

    def __exit__(self, *_):
        self.end()


class Produce:
    """`odradek-load produce` in the background, from the first acknowledgement of every partition on."""

    def __init__(self, cluster, arguments):
        command = [machine.LOAD, "--bootstrap", cluster.bootstrap(), "produce", *map(str, arguments)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline().strip() != "ready":
            raise SystemExit(f"{cluster.name}: the producer did not come up; logs: {cluster.keep()}")

    def end(self):
        out, _ = self.process.communicate(timeout=120)
        return json.loads(out)
