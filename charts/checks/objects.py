"""Every object against the schemas of Kubernetes, the oldest and the newest that is supported, and of the custom resources."""

import functools
import json
import pathlib
import subprocess
import sys

import kubernetes_validate
from kubernetes_validate import utils

from . import KUBERNETES, Chart
from .helm import HELMS, objects, template, without_chance

VALIDATE = pathlib.Path(__file__).parent / "crds/validate.js"
# Where scripts/install-tools has put the validators: beside this Python.
MODULES = pathlib.Path(sys.prefix) / "crds/node_modules"
# Of extraObjects in ci/, which are not the chart's.
FOREIGN = {"BackendTrafficPolicy"}
# The schemas are read from their files for each object, unless they are kept.
utils.schema_contents = functools.cache(utils.schema_contents)


def check(chart: Chart, update: bool):
    """Problems with the objects of each permutation."""
    del update
    seen, custom = {}, {}
    for values in chart.permutations:
        for it in objects(without_chance(template(HELMS[0], chart.directory, values))):
            seen.setdefault(json.dumps(it, sort_keys=True), f"{chart.name}, {values.name}: {it['kind']} {it['metadata']['name']}")
    for text, where in seen.items():
        it = json.loads(text)
        group = it["apiVersion"].partition("/")[0]
        if it["kind"] in FOREIGN:
            continue
        if "." in group and not group.endswith(".k8s.io") or group.startswith("gateway."):
            custom[text] = where
            continue
        for version in KUBERNETES:
            try:
                kubernetes_validate.validate(it, version, strict=True)
            except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
                path = "/".join(map(str, getattr(error, "path", [])))
                yield f"{where}, Kubernetes {version}: {path} {error.message}"
    for where, problems in zip(custom.values(), validated(list(custom)), strict=True):
        yield from (f"{where}: {problem}" for problem in problems)


def validated(texts):
    """Problems with each of these objects of custom resources."""
    if not texts:
        return []
    given = "[" + ",".join(texts) + "]"
    done = subprocess.run(["node", str(VALIDATE), str(MODULES)], input=given, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)
