import os
import subprocess
import sys

import pytest

from xnee.cluster import QueueSpec, job_script, start_cluster

SLURM = {"system": "slurm", "jobs": 4, "cores": 16, "memory": "64GB", "walltime": "04:00:00"}


def test_a_slurm_script_asks_for_what_was_said():
    pytest.importorskip("dask_jobqueue", reason="needs the extra cluster")
    script = job_script(QueueSpec(**SLURM, queue="normal", account="forest", directives=("--exclusive",)))
    lines = script.splitlines()
    for wanted in ("-J xnee", "-p normal", "-A forest", "-n 1", "--cpus-per-task=16", "-t 04:00:00", "--exclusive"):
        assert f"#SBATCH {wanted}" in lines, wanted
    assert any(line.startswith("#SBATCH --mem=6") for line in lines)
    assert lines.index("export OMP_NUM_THREADS=1") < len(lines) - 1
    command = lines[-1]
    assert "tcp://scheduler:8786" in command
    assert "--nthreads 1 " in command
    assert "--nworkers 16 " in command


def test_a_pbs_script_asks_for_the_same():
    pytest.importorskip("dask_jobqueue", reason="needs the extra cluster")
    script = job_script(QueueSpec(**SLURM | {"system": "pbs"}, queue="normal", account="forest"))
    for wanted in ("-N xnee", "-q normal", "-A forest", "-l select=1:ncpus=16:mem=60GB", "-l walltime=04:00:00"):
        assert f"#PBS {wanted}" in script, wanted
    assert "export MKL_NUM_THREADS=1" in script


@pytest.mark.slow
def test_jobs_that_a_queue_starts_predict(tmp_path):
    """A queue of one line: sbatch runs the script it is given."""
    pytest.importorskip("dask_jobqueue", reason="needs the extra cluster")
    queue = tmp_path / "bin" / "sbatch"
    queue.parent.mkdir()
    # as the real one it keeps a copy: the script is removed once it is handed in
    queue.write_text(
        '#!/bin/bash\ncp "$1" job.sh\nsetsid bash job.sh > job.log 2>&1 &\necho "Submitted batch job $!"\n'
    )
    (tmp_path / "bin" / "scancel").write_text(
        '#!/bin/bash\nkill -- "-$1" 2>/dev/null || kill "$1" 2>/dev/null || true\n'
    )
    for file in queue.parent.iterdir():
        file.chmod(0o755)
    program = tmp_path / "program.py"
    program.write_text(
        "from distributed import Client\n"
        "from xnee.cluster import QueueSpec, start_cluster\n"
        "if __name__ == '__main__':\n"
        "    spec = QueueSpec(system='slurm', cores=1, memory='1GB')\n"
        "    with start_cluster(spec) as cluster, Client(cluster) as client:\n"
        "        client.wait_for_workers(1, timeout=60)\n"
        "        print('threads', list(client.nthreads().values()), 'sum', client.submit(sum, [1, 2, 3]).result())\n"
    )
    path = os.pathsep.join([str(queue.parent), os.environ["PATH"]])
    done = subprocess.run(
        [sys.executable, program],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
    )
    assert "threads [1] sum 6" in done.stdout, done.stderr[-2000:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"system": "lsf"}, "a cluster is 'slurm' or 'pbs', got 'lsf'"),
        ({"jobs": 0}, "1 or more jobs of 1 or more cores, got jobs=0, cores=16"),
        ({"cores": 0}, "1 or more jobs of 1 or more cores"),
        ({"memory": "64"}, "memory is a number with a unit, as in '64GB', got '64'"),
        ({"walltime": "4h"}, "walltime is hours:minutes:seconds, as in '04:00:00', got '4h'"),
    ],
)
def test_words_that_cannot_be_right_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        QueueSpec(**SLURM | change)


def test_a_missing_library_is_named_with_the_way_out(monkeypatch):
    for name in ("dask_jobqueue", "dask_jobqueue.pbs", "dask_jobqueue.slurm"):
        monkeypatch.setitem(sys.modules, name, None)
    for ask in (job_script, start_cluster):
        with pytest.raises(ModuleNotFoundError, match=r'need dask-jobqueue.*pip install "xnee\[cluster\]"'):
            ask(QueueSpec(**SLURM))


@pytest.mark.parametrize(("system", "submit"), [("slurm", "sbatch"), ("pbs", "qsub")])
def test_a_queue_that_is_not_there_is_not_waited_for(monkeypatch, system, submit):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match=f"{system} hands jobs in with {submit}, which is not found here"):
        start_cluster(QueueSpec(system=system))
