"""How long plans of what moves take, how much they copy beside the least possible, and how even it gets."""

import os
import subprocess

import machine


def run():
    subprocess.run([machine.ROOT / "e2e/own-target", machine.TARGET], check=True)
    subprocess.run(["cargo", "run", "--release", "-q", "--locked", "-p", "odradek-placement", "--example", "plan_times"],
                   cwd=machine.ROOT, env={**os.environ, "CARGO_TARGET_DIR": str(machine.TARGET)}, check=True)
