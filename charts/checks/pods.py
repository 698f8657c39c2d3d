"""What is asked of every pod: that it is admitted where Pod Security is `restricted`, and that it is run as one would a service."""

import json

from . import Chart
from .helm import HELMS, objects, template

# https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, of 1.37.
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret", "name"}
HOST = ("hostNetwork", "hostPID", "hostIPC", "hostUsers")


def check(chart: Chart, update: bool):
    """Problems with the pods of each permutation."""
    del update
    for values in chart.permutations:
        found = {(it["kind"], it["metadata"]["name"]): it for it in objects(template(HELMS[0], chart.directory, values))}
        where = f"{chart.name}, {values.name}"
        for (kind, name), it in found.items():
            if it["metadata"].get("namespace") is None:
                yield f"{where}: {kind} {name} has no namespace"
            if pod := template_of(it):
                said = [*restricted(pod), *well_run(pod), *mounts(it), *selected(it)]
                yield from (f"{where}: {kind} {name}: {problem}" for problem in said)
        yield from (f"{where}: {problem}" for problem in fits_together(found))


def template_of(it):
    if it["kind"] == "Pod":
        return it
    return it.get("spec", {}).get("template") if it["kind"] in ("Deployment", "StatefulSet", "Job") else None


def restricted(pod):
    spec = pod["spec"]
    of_pod = spec.get("securityContext", {})
    for key in HOST:
        if key in spec:
            yield f"{key} is set"
    for volume in spec.get("volumes", []):
        if kinds := set(volume) - VOLUMES:
            yield f"the volume {volume['name']} is of kind {kinds}"
    for container in spec.get("initContainers", []) + spec["containers"]:
        own = container.get("securityContext", {})
        both = {**of_pod, **own}
        if both.get("runAsNonRoot") is not True or both.get("runAsUser", 0) == 0:
            yield f"{container['name']} may run as root"
        if both.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{container['name']} is not confined by seccomp"
        if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
            yield f"{container['name']} may gain privileges"
        if own.get("capabilities", {}).get("drop") != ["ALL"] or own["capabilities"].get("add"):
            yield f"{container['name']} has capabilities"
        # Not asked by `restricted`.
        if own.get("readOnlyRootFilesystem") is not True:
            yield f"{container['name']} may write to its root"
        for port in container.get("ports", []):
            if "hostPort" in port:
                yield f"{container['name']} has a port of the host"


def well_run(pod):
    spec = pod["spec"]
    if spec.get("automountServiceAccountToken") is not False:
        yield "it gets a token of its service account"
    if spec.get("enableServiceLinks") is not False:
        yield "it gets variables of other services"
    lasts = spec.get("restartPolicy", "Always") == "Always"
    for container in spec["containers"]:
        resources = container.get("resources", {})
        if not {"cpu", "memory"} <= set(resources.get("requests", {})) or "memory" not in resources.get("limits", {}):
            yield f"{container['name']} has no requests, or no limit of memory"
        if "cpu" in resources.get("limits", {}):
            yield f"{container['name']} is throttled"
        image = container["image"]
        if "@sha256:" not in image and (":" not in image or image.endswith(":latest")):
            yield f"{container['name']} has no fixed image: {image}"
        if lasts and not {"readinessProbe", "livenessProbe"} <= set(container):
            yield f"{container['name']} has no probes"
        if lasts and json.dumps(container["livenessProbe"], sort_keys=True) == json.dumps(container["readinessProbe"], sort_keys=True):
            yield f"{container['name']} is killed when it is not ready"


def mounts(it):
    """Volumes that nobody mounts, and mounts of no volume."""
    pod = template_of(it)["spec"]
    volumes = {volume["name"] for volume in pod.get("volumes", [])}
    volumes |= {claim["metadata"]["name"] for claim in it["spec"].get("volumeClaimTemplates", [])}
    mounted = {mount["name"] for container in pod["containers"] for mount in container.get("volumeMounts", [])}
    yield from (f"the volume {name} is not there, or not mounted" for name in volumes ^ mounted)


def selected(it):
    """A selector that does not find the pods that it is for."""
    if it["kind"] in ("Deployment", "StatefulSet"):
        labels = it["spec"]["template"]["metadata"]["labels"]
        if not it["spec"]["selector"]["matchLabels"].items() <= labels.items():
            yield "its selector does not select its pods"


def fits_together(found):
    """Services, budgets and policies select pods, and ports have the names that they are called by."""
    pods = [(name, template_of(it)) for (kind, name), it in found.items() if template_of(it) and kind in ("Deployment", "StatefulSet")]
    for (kind, name), it in found.items():
        spec = it.get("spec", {})
        selector = {
            "Service": spec.get("selector"),
            "PodDisruptionBudget": spec.get("selector", {}).get("matchLabels") if kind == "PodDisruptionBudget" else None,
            "NetworkPolicy": spec.get("podSelector", {}).get("matchLabels") if kind == "NetworkPolicy" else None,
        }.get(kind)
        if selector is None:
            continue
        chosen = [pod for _, pod in pods if selector.items() <= pod["metadata"]["labels"].items()]
        if len(chosen) != 1:
            yield f"{kind} {name} selects the pods of {len(chosen)} workloads"
            continue
        ports = {port["name"] for container in chosen[0]["spec"]["containers"] for port in container.get("ports", [])}
        used = {port["targetPort"] for port in spec.get("ports", [])} if kind == "Service" else set()
        if kind == "NetworkPolicy":
            used = {port["port"] for rule in spec.get("ingress", []) for port in rule["ports"]}
        yield from (f"{kind} {name}: there is no port {port}" for port in used - ports)
    for (kind, name), it in found.items():
        if kind == "StatefulSet" and ("Service", it["spec"]["serviceName"]) not in found:
            yield f"StatefulSet {name} has no Service"
        if kind == "Deployment" and ("HorizontalPodAutoscaler", name) in found and "replicas" in it["spec"]:
            yield f"Deployment {name} sets the number of replicas, as its autoscaler does"
