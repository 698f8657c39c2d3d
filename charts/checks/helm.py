"""Charts rendered by Helm, with what it makes by chance taken out."""

import base64
import functools
import re
import subprocess

import yaml

HELMS = ("helm", "helm3")
RELEASE, NAMESPACE = "demo", "relays"
# What a chart makes by chance, or by the clock.
CHANCE = [
    (r"^(  (?:(?:ca|tls)\.(?:crt|key)|password|users\.acl): )\S+$", r"\1TUFERQ=="),
    (r"(--start-at=)\S+", r"\1MADE"),
]


class Refused(Exception):
    """Helm does not render these values, and says why."""


@functools.cache
def template(helm, directory, values=None, *sets):
    """The objects as text."""
    command = [helm, "template", RELEASE, str(directory), "--namespace", NAMESPACE]
    command += ["--values", str(values)] if values else []
    done = run(command + [part for it in sets for part in ("--set-json", it)])
    # Helm 4 puts an empty line behind each object.
    return re.sub(r"\n+---\n", "\n---\n", done).rstrip("\n") + "\n"


def notes(directory, values):
    """What a person reads after the installation. Helm 3 tells that only to who has a cluster."""
    done = run(["helm", "install", RELEASE, str(directory), "--namespace", NAMESPACE, "--dry-run=client", "--values", str(values)])
    return done.partition("NOTES:\n")[2].rstrip("\n") + "\n"


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Refused(done.stderr)
    return done.stdout


def without_chance(text):
    for found, put in CHANCE:
        text = re.sub(found, put, text, flags=re.MULTILINE)
    return text


@functools.cache
def objects(text):
    return [it for it in yaml.load_all(text, yaml.CSafeLoader) if it]


def of_kind(text, kind, suffix=""):
    """The one object of a kind, by the end of its name."""
    return next((it for it in objects(text) if it["kind"] == kind and it["metadata"]["name"].endswith(suffix)), None)


def contents(secret):
    """What a Secret holds."""
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
