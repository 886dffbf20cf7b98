import io

import pytest


@pytest.fixture(scope="session")
def drawn():
    """Draw a figure to its last pixel, so that what only comes up there comes up; give it back."""

    def render(figure):
        with io.BytesIO() as file:
            figure.savefig(file, dpi=40)
            assert file.tell() > 1000
        return figure

    return render


@pytest.fixture(scope="session")
def panels():
    """Panels of a figure by title, without colour bars and empty places."""

    def by_title(figure):
        titles = [
            axis.get_title() or axis.get_title(loc="left") for axis in figure.axes if axis.get_label() != "<colorbar>"
        ]
        return {title: axis for title, axis in zip(titles, figure.axes, strict=False) if axis.axison}

    return by_title
