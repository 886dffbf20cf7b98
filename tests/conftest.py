"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

_SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real towers and grids; only the project's own machines have it."""
    if not (_SHARED / "data").is_dir():
        pytest.skip("needs the real files in ../shared, which a user's clone does not have")
    return _SHARED
