"""Who trains the stacks: a dask cluster, processes of this machine, or this process itself."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory
from threading import Thread
from types import TracebackType
from typing import Any

from xnee.models.ensembles import cores
from xnee.models.search.folds import Material
from xnee.models.search.plan import Stack, work
from xnee.models.search.space import Space
from xnee.models.search.stacks import Result, run_stack
from xnee.models.search.store import read_material, read_result, write_material, write_result

__all__ = ["Crew", "main"]

_log = logging.getLogger(__name__)
_SMALL = 15.0
"""Seconds of work (see `plan.work`) for which processes, each of which has torch to import, are not worth it."""
_TRIES = 3
"""Times that a stack is given out before its worker's end counts as an error."""


class Crew:
    """Trains stacks with whatever there is; results come as they are ready.

    Stacks are independent, small tensors inside: one thread a stack and one stack a core. Processes rather than
    threads, because calls on small tensors are as short as Python's lock between them is long: two threads train
    two stacks of 60 networks of 8 units in the time of one after the other.

    Parameters
    ----------
    material, space, seed, device
        As of `run_stack`.
    folder
        Where results are kept, or None.
    workers
        Processes of this machine; by default one a core.
    """

    def __init__(
        self, material: Material, space: Space, *, seed: int, device: str, folder: Path | None, workers: int | None
    ) -> None:
        self.material, self.space, self.seed, self.device = material, space, seed, device
        self.folder, self.workers = folder, workers
        self._processes: list[_Process] = []
        self._exchange: Path | None = None
        self._scratch: TemporaryDirectory[str] | None = None

    def __enter__(self) -> Crew:
        """Begin; processes start when there is work for them, and stay for the next."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the processes, whatever they are doing, and remove what they were told."""
        for one in self._processes:
            one.kill()
        if self._scratch is not None:
            self._scratch.cleanup()

    def found(self, stacks: Sequence[Stack]) -> dict[Stack, Result]:
        """Read the results that an earlier run left.

        Parameters
        ----------
        stacks
            All that there are to train.

        Returns
        -------
        dict
            By stack; those that are lacking or damaged are not in it.
        """
        results = {stack: read_result(self.folder, stack) for stack in stacks} if self.folder else {}
        return {stack: result for stack, result in results.items() if result is not None}

    def run(self, stacks: Sequence[Stack]) -> Iterator[tuple[Stack, Result]]:
        """Train stacks.

        Parameters
        ----------
        stacks
            In the order in which they are begun.

        Yields
        ------
        tuple of Stack and Result
            As they finish; each is on disk before it is given.
        """
        if not stacks:
            return
        client = _client()
        if client is not None:
            yield from self._on_cluster(client, stacks)
            return
        small = sum(work(self.space, self.material, stack) for stack in stacks) < _SMALL
        count = min(self.workers or (1 if small else cores()), len(stacks))
        if count == 1 or self.device != "cpu":
            _log.info("%d stacks in this process", len(stacks))
            yield from self._here(stacks)
        else:
            _log.info("%d stacks in %d processes of one thread each", len(stacks), count)
            yield from self._in_processes(stacks, count)

    def _here(self, stacks: Sequence[Stack]) -> Iterator[tuple[Stack, Result]]:
        for stack in stacks:
            result = run_stack(self.material, self.space, stack, seed=self.seed, device=self.device)
            yield stack, self._kept(stack, result)

    def _kept(self, stack: Stack, result: Result) -> Result:
        if self.folder is not None:
            write_result(self.folder, stack, result)
        return result

    def _on_cluster(self, client: Any, stacks: Sequence[Stack]) -> Iterator[tuple[Stack, Result]]:
        """Send the windows once, then only numbers of stacks; a task that is lost with its worker goes again."""
        from distributed import as_completed

        _log.info("%d stacks on the cluster %s", len(stacks), client.scheduler_info().get("address", ""))
        tries = dict.fromkeys((stack.name for stack in stacks), 1)
        waiting = {}

        def submit(some: Sequence[Stack]) -> list[Any]:
            material = client.scatter(self.material, broadcast=True, hash=False)
            futures = [
                client.submit(
                    run_stack, material, self.space, stack, seed=self.seed, device=self.device, pure=False, priority=-n
                )
                for n, stack in enumerate(some)
            ]
            waiting.update({future.key: stack for future, stack in zip(futures, some, strict=True)})
            return futures

        done = as_completed(submit(stacks))  # type: ignore[no-untyped-call]
        for future in done:
            stack = waiting.pop(future.key)
            try:
                result = future.result()
            except Exception as error:
                tries[stack.name] += 1
                if not _lost(error) or tries[stack.name] > _TRIES:
                    raise
                done.update(submit([stack]))  # type: ignore[no-untyped-call]
                continue
            yield stack, self._kept(stack, result)

    def _in_processes(self, stacks: Sequence[Stack], count: int) -> Iterator[tuple[Stack, Result]]:
        if self._exchange is None:
            self._scratch = TemporaryDirectory(prefix="xnee-search-")
            self._exchange = self.folder or Path(self._scratch.name)
            (self._exchange / "stacks").mkdir(exist_ok=True)
            write_material(self._exchange, self.material)
        words = {"space": asdict(self.space), "seed": self.seed}
        self._processes += [_Process(self._exchange, words) for _ in range(count - len(self._processes))]
        todo, done = deque(stacks), Queue[tuple[Stack, str]]()
        for one in self._processes:
            Thread(target=one.feed, args=(todo, done), daemon=True).start()
        for _ in stacks:
            stack, problem = done.get()
            result = None if problem else read_result(self._exchange, stack)
            if result is None:
                msg = f"stack {stack.name} could not be trained: {problem or 'its result is not there'}"
                raise RuntimeError(msg)
            yield stack, result


class _Process:
    """One process that trains stacks, and the thread that feeds it."""

    def __init__(self, folder: Path, words: dict[str, Any]) -> None:
        self.folder, self.words = folder, words
        self.process: subprocess.Popen[str] | None = None
        self.over = False

    def _start(self) -> subprocess.Popen[str]:
        # the same package as here, however it came onto the path; one thread, whatever the user's shell says
        path = os.pathsep.join(entry for entry in sys.path if entry)
        environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "xnee.models.search.workers", str(self.folder), json.dumps(self.words)]
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=environment,
            process_group=0,  # Ctrl-C is for the parent, which stops them: not for imports of theirs
        )

    def feed(self, todo: deque[Stack], done: Queue[tuple[Stack, str]]) -> None:
        """Give out one stack after the other until none is left."""
        while not self.over:
            try:
                stack = todo.popleft()
            except IndexError:
                break
            try:
                done.put((stack, self._train(stack)))
            except OSError as error:  # no process can be started; who waits must hear of it
                done.put((stack, str(error)))

    def _train(self, stack: Stack) -> str:
        """Have one stack trained; give what went wrong, or nothing."""
        for _ in range(_TRIES):
            self.process = self.process or self._start()
            if self.over:
                self._bury()
                return "stopped"
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            with suppress(BrokenPipeError):
                self.process.stdin.write(json.dumps(asdict(stack)) + "\n")
                self.process.stdin.flush()
                answer = self.process.stdout.readline()
                if answer:
                    return str(json.loads(answer))
            code = self._bury()
        return f"its process ended {_TRIES} times (last exit status {code}); is there memory enough?"

    def _bury(self) -> int:
        process, self.process = self.process, None
        if process is None:  # the other thread was faster
            return 0
        process.kill()
        for pipe in (process.stdin, process.stdout):
            with suppress(BrokenPipeError):
                assert pipe is not None
                pipe.close()
        return process.wait()

    def kill(self) -> None:
        """End the process."""
        self.over = True
        self._bury()


def _lost(error: Exception) -> bool:
    """Whether a task failed because of its worker, not because of itself."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"CancelledError", "FutureCancelledError", "FuturesCancelledError", "KilledWorker"})


def _client() -> Any:
    """Give the active client of a cluster, or nothing."""
    if "distributed" not in sys.modules:  # then there is no cluster, and importing it takes a second
        return None
    from distributed import get_client

    try:
        return get_client()
    except ValueError:
        return None


def main(folder: str, words: str) -> None:
    """Train the stacks that are named on standard input, one a line, until it ends; used by `Crew` only.

    Parameters
    ----------
    folder
        With the windows; results are written there.
    words
        Space and seed, as JSON.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asked ends this one
    import torch

    torch.set_num_threads(1)
    settings = json.loads(words)
    space, material = Space(**settings["space"]), read_material(Path(folder) / "windows.npz")
    for line in sys.stdin:
        row = json.loads(line)
        stack = Stack(row["name"], row["epochs"], tuple((fold, number) for fold, number in row["jobs"]))
        problem = ""
        try:
            write_result(Path(folder), stack, run_stack(material, space, stack, seed=settings["seed"]))
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        try:
            sys.stdout.write(json.dumps(problem) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            os._exit(0)  # who asked is gone; the result is kept


if __name__ == "__main__":
    main(*sys.argv[1:])
