"""What a metrics server and a Prometheus adapter tell the autoscaler, as aggregated APIs: how many streams and how much of a CPU each
relay has. How much, the trial says."""

import http.server
import json
import re
import ssl
import subprocess
import threading
import time
import urllib.parse

from .cluster import SERVER_NAME, Cluster, free_port, until

# The one name by which there is a number of streams; docs/metrics.md has it.
STREAMS = "sealpost_streams_open"
VERSIONS = {"metrics.k8s.io": "v1beta1", "custom.metrics.k8s.io": "v1beta2"}
RESOURCES = {
    "metrics.k8s.io": {"name": "pods", "singularName": "", "namespaced": True, "kind": "PodMetrics", "verbs": ["get", "list"]},
    "custom.metrics.k8s.io": {"name": f"pods/{STREAMS}", "singularName": "", "namespaced": True, "kind": "MetricValueList", "verbs": ["get"]},
}


class Metrics:
    """Per namespace: how many streams its relays have together, shared evenly, and how many thousandths of a CPU each uses."""

    def __init__(self, cluster: Cluster):
        self.cluster, self.streams, self.cpu = cluster, {}, {}

    def start(self):
        port, key, certificate = free_port(), self.cluster.scratch / "metrics.key", self.cluster.scratch / "metrics.crt"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
                        "-days", "1", "-keyout", key, "-out", certificate], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server = http.server.ThreadingHTTPServer((SERVER_NAME, port), type("Handler", (Handler,), {"metrics": self}))
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.cluster.create("/api/v1/namespaces/kube-system/services", apiVersion="v1", kind="Service", metadata={"name": "metrics"},
                            spec={"type": "ExternalName", "externalName": "localhost"})
        for group, version in VERSIONS.items():
            self.cluster.create("/apis/apiregistration.k8s.io/v1/apiservices", apiVersion="apiregistration.k8s.io/v1", kind="APIService",
                                metadata={"name": f"{version}.{group}"},
                                spec={"group": group, "version": version, "groupPriorityMinimum": 100, "versionPriority": 100,
                                      "insecureSkipTLSVerify": True, "service": {"namespace": "kube-system", "name": "metrics", "port": port}})
        until("the API server knows the metrics", self._known)

    def _known(self):
        services = self.cluster.list("/apis/apiregistration.k8s.io/v1/apiservices")
        there = {it["spec"].get("group"): it["status"]["conditions"][0]["status"] for it in services if it.get("status", {}).get("conditions")}
        return all(there.get(group) == "True" for group in VERSIONS)

    def answer(self, path, query):
        """What is at a path, or nothing."""
        if found := re.fullmatch(r"/apis/([\w.]+)/(\w+)", path):
            group, version = found.groups()
            if VERSIONS.get(group) == version:
                return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{group}/{version}", "resources": [RESOURCES[group]]}
        if found := re.fullmatch(r"/apis/metrics.k8s.io/v1beta1/namespaces/([\w-]+)/pods", path):
            namespace = found[1]
            items = [{"metadata": {"name": pod["metadata"]["name"], "namespace": namespace, "labels": pod["metadata"]["labels"]}}
                     | {"timestamp": now(), "window": "30s", "containers": [
                         {"name": it["name"], "usage": {"cpu": f"{self.cpu.get(namespace, 10)}m", "memory": "64Mi"}}
                         for it in pod["spec"]["containers"]]} for pod in self._pods(namespace, query)]
            return {"kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": items}
        if found := re.fullmatch(rf"/apis/custom.metrics.k8s.io/v1beta2/namespaces/([\w-]+)/pods/\*/{STREAMS}", path):
            namespace = found[1]
            pods = self._pods(namespace, query)
            items = [{"describedObject": {"kind": "Pod", "apiVersion": "/v1", "namespace": namespace, "name": pod["metadata"]["name"]},
                      "metric": {"name": STREAMS}, "timestamp": now(), "value": str(self.streams.get(namespace, 0) // len(pods))} for pod in pods]
            return {"kind": "MetricValueList", "apiVersion": "custom.metrics.k8s.io/v1beta2", "metadata": {}, "items": items}
        return None

    def _pods(self, namespace, query):
        selector = urllib.parse.urlencode({"labelSelector": query.get("labelSelector", [""])[0]})
        pods = self.cluster.list(f"/api/v1/namespaces/{namespace}/pods?{selector}")
        return [pod for pod in pods if pod["status"].get("phase") == "Running"]


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Handler(http.server.BaseHTTPRequestHandler):
    metrics = None

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        answer = self.metrics.answer(urllib.parse.unquote(url.path), urllib.parse.parse_qs(url.query))
        body = json.dumps(answer or {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404}).encode()
        self.send_response(200 if answer else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
