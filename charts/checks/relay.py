"""The relay itself is asked: whether each permutation's configuration can be used, and whether a relay and a Valkey that are run as
the chart says carry messages."""

import os
import pathlib
import re
import socket
import subprocess
import tempfile
import time

from . import ROOT, Chart
from .helm import HELMS, NAMESPACE, contents, objects, of_kind, template

BINARY = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug/sealpost"
FILES = "/run/sealpost/"
PATIENCE = 60
# Who runs for real: the name, and what is changed.
RUN = [("default", []), ("default", ['config.store.durability="fsync"']), ("gateway", []), ("volatile", ['config.tls.admin="server"'])]
URL = "redis+cluster://sealpost:secret@redis.data"


def check(chart: Chart, update: bool):
    """Problems that the relay has with what the chart makes for it."""
    del update
    if chart.name != "sealpost":
        return
    for values in chart.permutations:
        rendered = template(HELMS[0], chart.directory, values)
        with tempfile.TemporaryDirectory() as directory:
            config = configuration(rendered, pathlib.Path(directory))
            pod = of_kind(rendered, "Deployment")["spec"]["template"]["spec"]
            has_url = any(it["name"] == "SEALPOST_STORE_URL" for it in pod["containers"][0].get("env", []))
            environment = {"SEALPOST_STORE_URL": URL} if has_url else {}
            command = [BINARY, "check-config", *pod["containers"][0]["args"][1:-1], config]
            done = subprocess.run(command, capture_output=True, text=True, env=environment)
            if done.returncode:
                yield f"{chart.name}, {values.name}: {done.stderr}"
    for name, sets in RUN:
        yield from (f"{chart.name}, {name} {sets}: {problem}" for problem in run(chart, chart.directory / f"ci/{name}-values.yaml", sets))


def configuration(rendered, directory, places=None):
    """Writes the relay's configuration as a pod has it, and the files that it names; gives its path."""
    text = next(it["data"]["sealpost.toml"] for it in objects(rendered) if "sealpost.toml" in it.get("data", {}))
    secrets = {it["metadata"]["name"]: contents(it) for it in objects(rendered) if it["kind"] == "Secret"}
    for volume in of_kind(rendered, "Deployment")["spec"]["template"]["spec"]["volumes"]:
        if not (secret := volume.get("secret")):
            continue
        holds = secrets.get(secret["secretName"], {})
        mounted = directory / volume["name"]
        mounted.mkdir()
        for item in secret.get("items", [{"key": "ticket-keys", "path": "ticket-keys"}]):
            # A Secret that the chart does not make.
            (mounted / item["path"]).write_text(holds.get(item["key"], "a secret"))
    text = text.replace(FILES, f"{directory}/")
    for there, here in (places or {}).items():
        text = text.replace(f'"{there}"', f'"{here}"')
    config = directory / "sealpost.toml"
    config.write_text(text)
    return config


def run(chart, values, sets):
    """Runs Valkey, a relay and the test of the release, as their containers are, on free ports of this machine."""
    rendered = template(HELMS[0], chart.directory, values, *sets)
    children = []
    with tempfile.TemporaryDirectory() as scratch:
        directory = pathlib.Path(scratch)
        redis, clients, admin = free_port(), free_port(), free_port()
        places = {
            "[::]:8443": f"127.0.0.1:{clients}",
            "[::]:8081": f"127.0.0.1:{admin}",
            f"redis://sealpost@{of_kind(rendered, 'StatefulSet')['metadata']['name']}.{NAMESPACE}.svc": f"redis://sealpost@127.0.0.1:{redis}",
        }
        config = configuration(rendered, directory, places)
        log = open(directory / "log", "w")
        try:
            children.append(subprocess.Popen(valkey(rendered, directory, redis), stdout=log, stderr=log))
            until_open(redis)
            if not probe(rendered, redis):
                yield "the readiness probe of Valkey fails"
            children.append(subprocess.Popen([BINARY, "serve", "--config", config], stdout=log, stderr=log, cwd=directory, env={}))
            until_open(clients)
            command = [BINARY, *of_kind(rendered, "Pod")["spec"]["containers"][0]["args"]]
            command = [re.sub(r"^--connect-to=.*", f"--connect-to=127.0.0.1:{clients}", str(it)) for it in command]
            ca = directory / "ca.crt"
            if tls := of_kind(rendered, "Secret", "-tls"):
                ca.write_text(contents(tls)["ca.crt"])
            command = [it.replace(f"{FILES}ca/ca.crt", str(ca)) for it in command]
            done = subprocess.run(command, capture_output=True, text=True, env={}, timeout=PATIENCE)
            if done.returncode:
                yield f"{done.stdout}{done.stderr}{(directory / 'log').read_text()[-3000:]}"
        except TimeoutError as error:
            yield f"{error}: {(directory / 'log').read_text()[-3000:]}"
        finally:
            for child in reversed(children):
                child.terminate()
            for child in children:
                child.wait(PATIENCE)


def valkey(rendered, directory, port):
    """The command of the chart's Valkey, with its places on this machine."""
    pod = of_kind(rendered, "StatefulSet")["spec"]["template"]["spec"]
    config = directory / "valkey.conf"
    config.write_text(of_kind(rendered, "ConfigMap", "-valkey")["data"]["valkey.conf"])
    users = directory / "users.acl"
    users.write_text(contents(of_kind(rendered, "Secret", "-valkey"))["users.acl"])
    (directory / "data").mkdir()
    places = {"/etc/valkey/valkey.conf": config, "/run/valkey/users.acl": users, "/data": directory / "data"}
    return [str(places.get(it, it)) for it in pod["containers"][0]["command"]] + ["--port", str(port)]


def probe(rendered, port):
    """Whether Valkey's readiness probe says that it is; valkey-cli is redis-cli here."""
    container = of_kind(rendered, "StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    command = [it.replace("valkey-cli", f"redis-cli -p {port}") for it in container["readinessProbe"]["exec"]["command"]]
    (variable,) = container["env"]
    password = contents(of_kind(rendered, "Secret", "-valkey"))[variable["valueFrom"]["secretKeyRef"]["key"]]
    return subprocess.run(command, env={"PATH": os.environ["PATH"], variable["name"]: password}).returncode == 0


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until_open(port):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"nobody listens at {port}")
