"""What the chart makes it keeps over upgrades, and renews where it must: seen by a server that holds what was installed before."""

import contextlib
import http.server
import json
import pathlib
import shutil
import subprocess
import tempfile
import threading

from cryptography import x509

from . import Chart
from .helm import HELMS, NAMESPACE, RELEASE, contents, objects

KEPT = {"Chart.yaml", "values.yaml", "certificates.yaml", "config.yaml", "rules.yaml"}
NAMES = 'relay.names=["relay.example.org"]'
RESOURCES = [{"name": f"{kind.lower()}s", "namespaced": True, "kind": kind, "verbs": ["get"]} for kind in ("ConfigMap", "Secret")]


def check(chart: Chart, update: bool):
    """Problems with Secrets that change, or do not, from one rendering to the next."""
    del update
    if chart.name != "sealpost":
        return
    for helm in HELMS:
        before = secrets(helm, chart, {}, [])
        again = secrets(helm, chart, before, [])
        for name in before:
            if contents(before[name]) != contents(again[name]):
                yield f"{helm}: an upgrade changes the Secret {name}"
        renamed = secrets(helm, chart, before, [NAMES])
        authority, certificate = f"{RELEASE}-sealpost-ca", f"{RELEASE}-sealpost-tls"
        if contents(before[authority]) != contents(renamed[authority]):
            yield f"{helm}: another name makes another authority"
        old, new = (contents(it[certificate])["tls.crt"] for it in (before, renamed))
        if old == new:
            yield f"{helm}: another name makes no other certificate"
        try:
            parsed = x509.load_pem_x509_certificate(new.encode())
            parsed.verify_directly_issued_by(x509.load_pem_x509_certificate(contents(before[authority])["ca.crt"].encode()))
            hosts = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
            if hosts[0] != "relay.example.org":
                yield f"{helm}: the new certificate is for {hosts}"
        except Exception as error:
            yield f"{helm}: the new certificate is not signed by the authority that was kept: {error}"


def secrets(helm, chart, present, sets):
    """The Secrets that are rendered where these are present."""
    with tempfile.TemporaryDirectory() as directory, server(present) as port:
        # Of the chart as much as makes Secrets: Helm asks the server about each kind.
        copy = pathlib.Path(directory) / "chart"
        shutil.copytree(chart.directory, copy, ignore=lambda _, names: [it for it in names if it.endswith(".yaml") and it not in KEPT])
        config = pathlib.Path(directory) / "kubeconfig"
        cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}
        context = {"name": "c", "context": {"cluster": "c", "user": ""}}
        config.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "clusters": [cluster], "contexts": [context], "current-context": "c"}))
        command = [helm, "template", RELEASE, str(copy), "--namespace", NAMESPACE, "--dry-run=server"]
        command += ["--disable-openapi-validation", "--kubeconfig", str(config)]
        command += [part for it in sets for part in ("--set-json", it)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
    return {it["metadata"]["name"]: it for it in objects(done.stdout) if it["kind"] == "Secret"}


def installed(secret):
    """As it is in the cluster, of this release."""
    annotations = {**secret["metadata"].get("annotations", {}), "meta.helm.sh/release-name": RELEASE, "meta.helm.sh/release-namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {**secret["metadata"], "annotations": annotations}, "data": secret["data"]}


@contextlib.contextmanager
def server(present):
    """As much of Kubernetes's API as Helm asks to look a Secret up."""

    class Api(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.partition("?")[0]
            name = path.removeprefix(f"/api/v1/namespaces/{NAMESPACE}/secrets/")
            status, answer = 200, {
                "/version": {"major": "1", "minor": "37", "gitVersion": "v1.37.0"},
                "/api": {"kind": "APIVersions", "versions": ["v1"]},
                "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
                "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": RESOURCES},
            }.get(path)
            if name in present:
                answer = installed(present[name])
            if answer is None:
                status, answer = 404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api) as it:
        threading.Thread(target=it.serve_forever, daemon=True).start()
        yield it.server_address[1]
        it.shutdown()
