"""Where things are, and what a process costs."""

import os
import pathlib
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("ODRADEK_CACHE") or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "odradek")
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or CACHE / "target")
BROKER = TARGET / "release" / "odradek-broker"
LOAD = TARGET / "release" / "odradek-load"
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
began = time.monotonic()


def say(text):
    print(f"bench [{time.monotonic() - began:5.0f} s]: {text}", file=sys.stderr, flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident(pid):
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 2**20


def jars():
    return subprocess.run([ROOT / "e2e/clients/kafka-jars"], capture_output=True, text=True, check=True).stdout.strip()


def java(*arguments, heap="512m", options=()):
    return ["java", f"-Xmx{heap}", *options, "-cp", f"{jars()}/*", *arguments]


def build(*binaries):
    """Release builds of what a part needs, from this checkout."""
    packages = {"odradek-broker": ["-p", "odradek-server"], "odradek-load": ["-p", "odradek-e2e", "--features", "load"]}
    subprocess.run([ROOT / "e2e/own-target", TARGET], check=True)
    for binary in binaries:
        say(f"building {binary} (release)")
        subprocess.run(["cargo", "build", "--release", "-q", "--locked", *packages[binary], "--bin", binary],
                       cwd=ROOT, env={**os.environ, "CARGO_TARGET_DIR": str(TARGET)}, check=True)


METADATA = b"\x00\x03\x00\x01\x00\x00\x00\x01\x00\x05bench\x00\x00\x00\x01\x00\x01x"
METADATA = len(METADATA).to_bytes(4, "big") + METADATA


def wait_metadata(port, process, within=60):
    """Seconds until the first Metadata answer that names a broker."""
    start = time.monotonic()
    while time.monotonic() - start < within:
        if process.poll() is not None:
            raise SystemExit(f"the broker ended with {process.returncode}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
                peer.sendall(METADATA)
                size = int.from_bytes(peer.recv(4), "big")
                answer = b""
                while len(answer) < size:
                    part = peer.recv(size - len(answer))
                    if not part:
                        break
                    answer += part
                if len(answer) >= 8 and int.from_bytes(answer[4:8], "big") >= 1:
                    return time.monotonic() - start
        except OSError:
            pass
        time.sleep(0.002)
    raise SystemExit(f"no Metadata answer within {within} s")
