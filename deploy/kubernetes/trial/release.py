"""A release of a chart in a namespace of its own: what is done to it by Helm, and what there is of it then."""

import threading

from . import references, world
from .cluster import Cluster, until

NAME = "relay"
# What Kubernetes itself puts into a namespace.
OF_KUBERNETES = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}


class Failed(Exception):
    """A step has not led to what it should have."""


class Release:
    def __init__(self, cluster: Cluster, chart, values, namespace):
        self.cluster, self.chart, self.namespace = cluster, chart, namespace
        self.values = chart / f"ci/{values}-values.yaml"
        world.namespace(cluster, namespace)
        self.brought = self.names()

    def helm(self, verb, *more, by="helm", patience=180):
        """Helm with this release; with its chart and values, where the verb takes them."""
        arguments = [verb, NAME, *([self.chart, "--values", self.values] if verb in ("install", "upgrade", "template") else [])]
        arguments += ["--namespace", self.namespace, *more]
        if verb in ("install", "upgrade", "rollback", "uninstall"):
            arguments += ["--wait", "--timeout", f"{patience}s"]
        said, complained = self.cluster.run(by, *arguments)
        # Both Helms say warnings of the API server, and their own, on standard error.
        if told := [line for line in complained.splitlines() if "warn" in line.lower() or line.startswith("W")]:
            raise Failed(f"helm {verb} warns: {' / '.join(told)}")
        return said

    def dry_run(self, by):
        """How many objects the API server would take; it fails on any that it refuses or warns of."""
        rendered = self.helm("template", "--kube-version", self.cluster.version, by=by)
        said, complained = self.cluster.run("kubectl", "apply", "--dry-run=server", "--warnings-as-errors", "--namespace", self.namespace,
                                            "--filename", "-", "--output", "name", input=rendered)
        if complained:
            raise Failed(complained.strip())
        return len(said.split())

    def objects(self):
        """All objects of the namespace: per kind, by name."""
        return references.everything(self.cluster, self.namespace)

    def names(self, objects=None):
        return {(kind, name) for kind, items in (objects or self.objects()).items() for name in items} | OF_KUBERNETES

    def pods(self, objects=None, component="relay"):
        """Pods that are not on their way out, by name."""
        return {name: pod for name, pod in (objects or self.objects())["Pod"].items()
                if pod["metadata"]["labels"].get("app.kubernetes.io/component") == component and "deletionTimestamp" not in pod["metadata"]}

    def one(self, kind):
        """The only object of a kind."""
        [it] = self.cluster.list(references.PATHS[kind].format(f"namespaces/{self.namespace}"))
        return it

    def settle(self):
        """Waits until Deployments have what they shall have, and all that shall go is gone."""
        def settled():
            objects = self.objects()
            for it in objects["Deployment"].values():
                status, wanted = it.get("status", {}), it["spec"]["replicas"]
                if it["metadata"]["generation"] != status.get("observedGeneration"):
                    return False
                if not wanted == status.get("replicas") == status.get("updatedReplicas") == status.get("availableReplicas"):
                    return False
            return all("deletionTimestamp" not in pod["metadata"] for pod in objects["Pod"].values())

        until("the rollout is done", settled)

    def same_pods(self, before, component):
        was, now = self.pods(before, component), self.pods(component=component)
        if {name: pod["metadata"]["uid"] for name, pod in was.items()} != {name: pod["metadata"]["uid"] for name, pod in now.items()}:
            raise Failed(f"{component}: there were {sorted(was)}, and now there are {sorted(now)}")

    def same_secrets(self, before, but=()):
        """Says which Secrets of the release are as they were; it fails if one is not."""
        now, own = self.objects()["Secret"], [name for name, it in before["Secret"].items() if owned(it) and name not in but]
        for name in own:
            if now.get(name, {}).get("data") != before["Secret"][name]["data"]:
                raise Failed(f"the Secret {name} has changed")
        return f"the same Secrets: {', '.join(own)}" if own else "no Secrets of the chart"

    def why_not(self):
        """Some of what the cluster says of a release that did not come up."""
        events = self.cluster.list(f"/api/v1/namespaces/{self.namespace}/events")
        return "; ".join(sorted({f"{it['involvedObject']['kind']}: {it['message']}" for it in events if it["type"] == "Warning"})[:3])


def owned(object):
    """Whether it is of the release."""
    return object["metadata"].get("labels", {}).get("app.kubernetes.io/instance") == NAME


class Watch(threading.Thread):
    """Looks how many relays serve, again and again, while a block runs and until its rollout is done."""

    def __init__(self, release: Release):
        super().__init__(daemon=True)
        self.release, self.over = release, threading.Event()
        self.path = f"/api/v1/namespaces/{release.namespace}/pods?labelSelector=app.kubernetes.io/component=relay"
        self.wanted = release.one("Deployment")["spec"]["replicas"]
        self.unavailable = release.one("Deployment")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"]
        self.ready, self.there = [], []

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, problem, *_):
        try:
            if not problem:
                self.release.settle()
        finally:
            self.over.set()
            self.join()

    def run(self):
        while not self.over.wait(0.1):
            pods = [pod for pod in self.release.cluster.list(self.path) if "deletionTimestamp" not in pod["metadata"]]
            self.ready.append(len(list(filter(world.ready, pods))))
            self.there.append(len(pods))

    def verdict(self):
        """Says how few relays were ready; it fails if they were fewer than the strategy says. How many were there is told only: the limit
        is for what the Deployment asks for, and a pod that it has ceased to ask for is seen for a moment more."""
        least = min(self.ready)
        if least < self.wanted - self.unavailable:
            raise Failed(f"of {self.wanted} relays only {least} were ready at a time")
        return f"of {self.wanted} relays never less than {least} ready, and up to {max(self.there)} there"
