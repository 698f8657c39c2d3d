"""What each permutation renders, as it was looked at last, by both versions of Helm."""

import difflib

from . import Chart, settle
from .helm import HELMS, Refused, notes, run, template, without_chance


def check(chart: Chart, update: bool):
    """Problems with what a chart renders; with `update` that is what is expected from now on."""
    golden = chart.directory / "tests/golden"
    names = set()
    for values in chart.permutations:
        name = values.name.removesuffix("-values.yaml")
        names |= {f"{name}.yaml", f"{name}.txt"}
        try:
            rendered = {helm: without_chance(template(helm, chart.directory, values)) for helm in HELMS}
            told = notes(chart.directory, values)
            for helm in HELMS:
                run([helm, "lint", "--strict", "--quiet", str(chart.directory), "--values", str(values)])
        except Refused as refused:
            yield f"{chart.name}, {name}: {refused}"
            continue
        if len(set(rendered.values())) > 1:
            yield f"{chart.name}, {name}: {' and '.join(HELMS)} differ:\n{difference(*rendered.values())}"
        expected = golden / f"{name}.yaml"
        before = expected.read_text() if expected.exists() else ""
        yield from settle(expected, rendered["helm"], update, f"is not what is rendered:\n{difference(before, rendered['helm'])}")
        yield from settle(golden / f"{name}.txt", told, update, "is not what NOTES.txt says")
    for file in golden.glob("*"):
        if file.name not in names:
            yield f"{file}: there are no such values in ci/"


def difference(before, after):
    return "".join(list(difflib.unified_diff(before.splitlines(True), after.splitlines(True), n=1))[:40])
