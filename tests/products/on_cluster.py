"""A run on real `dask scheduler` and `dask worker` processes, one of which is killed: on_cluster.py FOLDER.

Writes FOLDER/worker.nc while a worker is killed and FOLDER/scheduler.nc while the scheduler is; prints what came of it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dask
from distributed import Client

from products.conftest import make_predicted
from xnee.products.store import to_product

COMMAND = [sys.executable, "-m", "dask"]


class KillOnce:
    """Stands in for the model: at its first block kills a process, which it finds in a file, or its own."""

    def __init__(self, folder, victim):
        self.folder, self.victim = str(folder), victim

    def __call__(self, block):
        try:
            os.close(os.open(Path(self.folder) / f"killed-{self.victim}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return block
        pid = os.getpid() if self.victim == "worker" else int((Path(self.folder) / "scheduler.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        time.sleep(60)  # for a scheduler that is gone
        return block


def start(folder):
    """Start a scheduler and two workers on loopback."""
    file = folder / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": (folder / "cluster.log").open("a")}
    words = ["--scheduler-file", str(file), "--host", "127.0.0.1"]
    scheduler = subprocess.Popen([*COMMAND, "scheduler", *words, "--port", "0", "--no-dashboard"], **quiet)
    (folder / "scheduler.pid").write_text(str(scheduler.pid))
    words = [*words, "--no-nanny", "--no-dashboard", "--nthreads", "1", "--death-timeout", "60", "--memory-limit", "0"]
    workers = [subprocess.Popen([*COMMAND, "worker", *words], cwd=folder, **quiet) for _ in range(2)]
    return file, [scheduler, *workers]


def write(folder, victim):
    watch = KillOnce(folder, victim)
    return to_product(make_predicted(chunk=2, watch=watch), folder / f"{victim}.nc", progress=False)


def main(folder):
    folder, told = Path(folder), {}
    dask.config.set({"distributed.comm.timeouts.connect": "3s", "distributed.client.heartbeat": "1s"})
    file, processes = start(folder)
    try:
        for _ in range(600):
            if file.exists():
                break
            time.sleep(0.1)
        client = Client(scheduler_file=str(file), timeout="60s")
        client.wait_for_workers(2, timeout=60)
        write(folder, "worker")
        told["workers left"] = len(client.scheduler_info()["workers"])
        try:
            write(folder, "scheduler")
        except BaseException as error:
            told["scheduler"] = type(error).__name__
    finally:
        for process in processes:
            process.kill()
        print(json.dumps(told), flush=True)  # noqa: T201
        os._exit(0)  # a client without a scheduler takes its time to close


if __name__ == "__main__":
    main(*sys.argv[1:])
