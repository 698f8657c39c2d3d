"""The checks of the charts; charts/check runs them."""

import dataclasses
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CHARTS = ROOT / "charts"
# The oldest and the newest Kubernetes that is supported, and that there are schemas for.
KUBERNETES = ("1.29", "1.37")


@dataclasses.dataclass(frozen=True)
class Chart:
    """One of the charts."""

    name: str

    @property
    def directory(self):
        return CHARTS / self.name

    @property
    def permutations(self):
        """Files of values, each for one way to install it."""
        return sorted((self.directory / "ci").glob("*-values.yaml"))


def settle(file, text, update, problem):
    """Whether a file holds this text; with `update` it does afterwards."""
    if file.exists() and file.read_text() == text:
        return
    if update:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    else:
        yield f"{file.relative_to(ROOT)} {problem}: charts/check --update writes it anew"
