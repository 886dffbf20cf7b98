import json

import numpy as np
import pytest
import xarray as xr

from xnee.models.storage import load_model


def test_saved_and_loaded_predicts_the_same(fitted, tmp_path):
    loaded = load_model(fitted.save(tmp_path / "model"))
    x = np.random.default_rng(0).normal(10, 5, (4, 20, 2))
    for pft in ("DBF", "MF"):
        np.testing.assert_array_equal(loaded.predict_series(pft, x), fitted.predict_series(pft, x))
    assert loaded.fingerprint == fitted.fingerprint
    assert repr(loaded) == repr(fitted)
    xr.testing.assert_allclose(loaded.scores, fitted.scores)


def test_a_model_is_never_overwritten(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    with pytest.raises(FileExistsError, match="never overwritten"):
        fitted.save(tmp_path / "model")


def test_a_missing_parent_is_refused(fitted, tmp_path):
    with pytest.raises(OSError, match="existing, writable folder"):
        fitted.save(tmp_path / "no" / "model")


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a model is a folder with model\.json"):
        load_model(tmp_path)


def edit(folder, change):
    card = json.loads((folder / "model.json").read_text())
    change(card)
    (folder / "model.json").write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda card: card.update(format=99), "format 99 is newer than this xnee reads"),
        (lambda card: card.pop("window"), "cannot be read: 'window'"),
        (lambda card: card["ensembles"][0]["approach"]["network"].update(hidden=7), "the settings ask for"),
        (
            lambda card: card["ensembles"][0]["approach"]["network"].update(layers=2),
            "unexpected keyword argument 'layers'",
        ),
        (lambda card: card["ensembles"][0].update(target_mean=3.0), "gives fingerprint"),
        (lambda card: card.update(format=1), "format 1 is older than what this xnee reads"),
        (lambda card: card["ensembles"].pop(), "it has networks for"),
        (lambda card: card["ensembles"][0]["inputs"].update(drivers=["TEMP", "PAR"]), r"read \('TEMP', 'PAR'\)"),
    ],
)
def test_a_damaged_card_is_refused(fitted, tmp_path, change, message):
    folder = fitted.save(tmp_path / "model")
    edit(folder, change)
    with pytest.raises(ValueError, match=message):
        load_model(folder)


def test_a_truncated_file_is_refused(fitted, tmp_path):
    folder = fitted.save(tmp_path / "model")
    weights = folder / "weights-DBF.safetensors"
    weights.write_bytes(weights.read_bytes()[:50])
    with pytest.raises(ValueError, match=r"cannot be read.*Save it again"):
        load_model(folder)


def test_a_missing_file_is_named(fitted, tmp_path):
    folder = fitted.save(tmp_path / "model")
    (folder / "weights-DBF.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"weights-DBF.safetensors is missing"):
        load_model(folder)
