"""The same bytes from threads, processes, one worker or many; and how the model gets there."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import cloudpickle
import dask
import numpy as np
import pytest
import xarray as xr

from xnee.pft import PFTS
from xnee.prediction import parcel, predict
from xnee.prediction.parcel import Parcel


@pytest.fixture
def stored(cube, tmp_path) -> Path:
    ds = cube(lat=8, lon=6).drop_vars("pft").assign_coords(pft=np.array(PFTS, dtype=object))
    ds.to_zarr(tmp_path / "cube.zarr", zarr_format=3, consolidated=False)
    return tmp_path / "cube.zarr"


def test_content_travels_once_and_is_built_once():
    class Heavy:
        built = 0

        def __init__(self, size):
            self.size = size

        def __reduce__(self):
            return rebuild, (self.size,)

    def rebuild(size):
        Heavy.built += 1
        return Heavy(size)

    here = Parcel(Heavy(3))
    data = [pickle.dumps(here) for _ in range(3)]
    there = [pickle.loads(one) for one in data]
    assert there[0] is there[1] is there[2]
    assert len({id(one.content) for one in there}) == 1
    assert pickle.loads(pickle.dumps(there[0])) is there[0]  # it travels on


def test_a_process_keeps_few_contents(monkeypatch):
    monkeypatch.setattr(parcel, "_unpacked", type(parcel._unpacked)())
    for size in range(10):
        pickle.loads(pickle.dumps(Parcel([size])))
    assert len(parcel._unpacked) == parcel._KEPT


def test_the_graph_holds_one_model_and_no_tensor(stored, fitted):
    predicted = predict(xr.open_zarr(stored, consolidated=False, chunks=None), fitted, tile=2)
    graph = dict(predicted["NEE"].data.__dask_graph__())
    assert sum("xnee-work" in str(key) for key in graph) == 1
    data, model = cloudpickle.dumps(graph), cloudpickle.dumps(fitted)
    assert len(model) < len(data) < 3 * len(model) + 100_000
    assert b"_rebuild_tensor" not in data  # how torch pickles one


@pytest.mark.parametrize("chunks", [{}, None])
def test_threads_give_the_bytes_of_one(stored, fitted, chunks):
    predicted = predict(xr.open_zarr(stored, consolidated=False, chunks=chunks), fitted, tile=4)
    with dask.config.set(scheduler="synchronous"):
        whole = predicted.compute()
    with dask.config.set(scheduler="threads", num_workers=3):
        xr.testing.assert_identical(predicted.compute(), whole)


PROGRAM = """
import json, sys
from hashlib import sha256
import xarray as xr
import xnee
from distributed import Client, LocalCluster


def main():
    store, model, workers, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    cube = xr.open_zarr(store, consolidated=False, chunks=None)
    cluster = LocalCluster(n_workers=workers, threads_per_worker=threads, processes=True, dashboard_address=None)
    with cluster, Client(cluster) as client:
        predicted = xnee.predict(cube, xnee.load_model(model), tile=2)
        values = predicted[["NEE", "NEE_std"]].compute()
        persisted = xnee.predict(client.persist(cube.chunk(lat=4, lon=3)), xnee.load_model(model), tile=4)
        again = persisted["NEE"].compute()
    digests = [sha256(values[name].to_numpy().tobytes()).hexdigest() for name in ("NEE", "NEE_std")]
    print(json.dumps([*digests, sha256(again.to_numpy().tobytes()).hexdigest()]))


if __name__ == "__main__":
    main()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "threads"), [(1, 1), (2, 2)])
def test_a_cluster_of_processes_gives_the_same_bytes(stored, fitted, tmp_path, workers, threads):
    from hashlib import sha256

    here = predict(xr.open_zarr(stored, consolidated=False), fitted).compute()
    fitted.save(tmp_path / "model")
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, tmp_path / "program.py", stored, tmp_path / "model", str(workers), str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    nee, std = (sha256(here[name].to_numpy().tobytes()).hexdigest() for name in ("NEE", "NEE_std"))
    assert json.loads(done.stdout.splitlines()[-1]) == [nee, std, nee]
