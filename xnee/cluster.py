"""Workers from the queue of a computing centre, SLURM or PBS, by a few words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from shutil import which
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from dask_jobqueue.core import JobQueueCluster

__all__ = ["QueueSpec", "check_queue", "job_script", "start_cluster"]

System = Literal["slurm", "pbs"]
_PROLOGUE = ("export OMP_NUM_THREADS=1", "export OPENBLAS_NUM_THREADS=1", "export MKL_NUM_THREADS=1")
"""A worker has one core, and libraries that start threads of their own would only get in each other's way."""


@dataclass(frozen=True, kw_only=True)
class QueueSpec:
    """What is asked of a queue.

    Parameters
    ----------
    system
        ``"slurm"`` or ``"pbs"``.
    jobs
        Jobs to submit, each on one node.
    cores
        Cores of a job. Each becomes a worker process of one thread.
    memory
        Of a job, all its workers together: ``"64GB"``. A worker needs what `xnee.plan` says with ``threads=1``.
    walltime
        Hours, minutes and seconds after which the queue ends a job: ``"04:00:00"``.
    queue, account
        Partition or queue, and who pays, as the centre names them.
    directives
        More lines of the head of the job script, without ``#SBATCH`` or ``#PBS``.
    interface
        Network between the nodes, ``"ib0"``, where there are several.

    Raises
    ------
    ValueError
        If a value cannot be right.

    Examples
    --------
    >>> QueueSpec(system="slurm", jobs=4, cores=16, memory="64GB").workers
    64
    """

    system: System
    jobs: int = 1
    cores: int = 1
    memory: str = "4GB"
    walltime: str = "01:00:00"
    queue: str | None = None
    account: str | None = None
    directives: tuple[str, ...] = ()
    interface: str | None = None

    def __post_init__(self) -> None:
        """Check values."""
        if self.system not in ("slurm", "pbs"):
            msg = (
                f"a cluster is 'slurm' or 'pbs', got {self.system!r}. For another, start a distributed.Client yourself."
            )
            raise ValueError(msg)
        if self.jobs < 1 or self.cores < 1:
            msg = f"a cluster needs 1 or more jobs of 1 or more cores, got jobs={self.jobs}, cores={self.cores}."
            raise ValueError(msg)
        if not re.fullmatch(r"\d+(\.\d+)? ?[kMGT]i?B", self.memory):
            msg = f"memory is a number with a unit, as in '64GB', got {self.memory!r}."
            raise ValueError(msg)
        if not re.fullmatch(r"(\d+-)?\d{1,3}:[0-5]\d:[0-5]\d", self.walltime):
            msg = f"walltime is hours:minutes:seconds, as in '04:00:00', got {self.walltime!r}."
            raise ValueError(msg)

    @property
    def workers(self) -> int:
        """Worker processes in all."""
        return self.jobs * self.cores


def job_script(spec: QueueSpec, *, scheduler: str = "tcp://scheduler:8786") -> str:
    """Write the script that is handed to the queue, without handing it in.

    Parameters
    ----------
    spec
        What is asked of the queue.
    scheduler
        Address that workers call.

    Returns
    -------
    str
        A shell script.

    Raises
    ------
    ModuleNotFoundError
        If dask-jobqueue is not installed.

    Examples
    --------
    >>> spec = QueueSpec(system="slurm", cores=16, memory="64GB", queue="normal")
    >>> [line for line in job_script(spec).splitlines() if "-p " in line]  # doctest: +SKIP
    ['#SBATCH -p normal']
    """
    job: Any = _classes(spec.system)[1]
    script: str = job(scheduler=scheduler, name="xnee", **_words(spec)).job_script()
    return script


def start_cluster(spec: QueueSpec) -> JobQueueCluster:
    """Ask a queue for workers.

    The scheduler runs here, for as long as the cluster is open; jobs come as the queue lets them, and work begins with
    the first. What a job that the queue ends had in work is done by another.

    Parameters
    ----------
    spec
        What is asked of the queue.

    Returns
    -------
    dask_jobqueue.core.JobQueueCluster
        To be used in a ``with``, and given to ``distributed.Client``.

    Raises
    ------
    ModuleNotFoundError
        If dask-jobqueue is not installed.
    FileNotFoundError
        If no jobs can be handed in from here.

    Examples
    --------
    >>> from distributed import Client
    >>> spec = QueueSpec(system="slurm", jobs=4, cores=16, memory="64GB", walltime="04:00:00", queue="normal")
    >>> with start_cluster(spec) as cluster, Client(cluster):  # doctest: +SKIP
    ...     cube.nee.predict(model).nee.to_product("nee.zarr")
    """
    kind = _classes(spec.system)[0]
    check_queue(spec)
    cluster: JobQueueCluster = kind(**_words(spec), scheduler_options={"dashboard_address": None})
    cluster.scale(jobs=spec.jobs)  # type: ignore[no-untyped-call]
    return cluster


def check_queue(spec: QueueSpec) -> None:
    """Refuse a queue that no jobs can be handed in to: workers would be waited for without end or word.

    Parameters
    ----------
    spec
        What is asked of the queue.

    Raises
    ------
    FileNotFoundError
        If the command that hands jobs in is not on this machine.
    """
    submit = {"slurm": "sbatch", "pbs": "qsub"}[spec.system]
    if which(submit) is None:
        msg = f"{spec.system} hands jobs in with {submit}, which is not found here. Start where the queue is."
        raise FileNotFoundError(msg)


def _classes(system: str) -> tuple[Any, Any]:
    try:
        from dask_jobqueue.pbs import PBSCluster, PBSJob
        from dask_jobqueue.slurm import SLURMCluster, SLURMJob
    except ModuleNotFoundError as error:
        msg = 'workers from a queue need dask-jobqueue, which is not installed: pip install "xnee[cluster]".'
        raise ModuleNotFoundError(msg) from error
    if system == "slurm":
        return SLURMCluster, SLURMJob
    return PBSCluster, PBSJob


def _words(spec: QueueSpec) -> dict[str, Any]:
    """Say the same in the words of dask-jobqueue."""
    return {
        "cores": spec.cores,
        "processes": spec.cores,
        "memory": spec.memory,
        "walltime": spec.walltime,
        "queue": spec.queue,
        "account": spec.account,
        "interface": spec.interface,
        "job_name": "xnee",
        "job_extra_directives": list(spec.directives),
        "job_script_prologue": list(_PROLOGUE),
        # a worker that has not heard of its scheduler for this long gives its node back
        "death_timeout": 300,
    }
