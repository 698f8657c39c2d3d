"""What objects of the release name, and whether it is there: Secrets and ConfigMaps with their keys, Services and their ports, pods that
selectors mean. The API server takes names of what does not exist; only a kubelet, a Gateway or Prometheus would notice."""

from .cluster import Cluster

# Kinds of which the installer's release may have objects, and where the API has them.
PATHS = {
    "Pod": "/api/v1/{}/pods", "Service": "/api/v1/{}/services", "Secret": "/api/v1/{}/secrets", "ConfigMap": "/api/v1/{}/configmaps",
    "PersistentVolumeClaim": "/api/v1/{}/persistentvolumeclaims", "ServiceAccount": "/api/v1/{}/serviceaccounts",
    "Deployment": "/apis/apps/v1/{}/deployments", "ReplicaSet": "/apis/apps/v1/{}/replicasets", "StatefulSet": "/apis/apps/v1/{}/statefulsets",
    "Job": "/apis/batch/v1/{}/jobs", "PodDisruptionBudget": "/apis/policy/v1/{}/poddisruptionbudgets",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/{}/horizontalpodautoscalers",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/{}/networkpolicies", "Ingress": "/apis/networking.k8s.io/v1/{}/ingresses",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/{}/endpointslices",
    "Role": "/apis/rbac.authorization.k8s.io/v1/{}/roles", "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/{}/rolebindings",
    "ServiceMonitor": "/apis/monitoring.coreos.com/v1/{}/servicemonitors", "PodMonitor": "/apis/monitoring.coreos.com/v1/{}/podmonitors",
    "PrometheusRule": "/apis/monitoring.coreos.com/v1/{}/prometheusrules",
    "GRPCRoute": "/apis/gateway.networking.k8s.io/v1/{}/grpcroutes",
    "Certificate": "/apis/cert-manager.io/v1/{}/certificates", "ScaledObject": "/apis/keda.sh/v1alpha1/{}/scaledobjects",
}


def everything(cluster: Cluster, namespace):
    """All objects of these kinds in a namespace: per kind, by name."""
    found = {}
    for kind, path in PATHS.items():
        items = cluster.list(path.format(f"namespaces/{namespace}"))
        found[kind] = {item["metadata"]["name"]: item for item in items}
    return found


def dangling(objects):
    """Sentences about what is named and is not there; and how many names were looked at."""
    problems, looked = [], 0
    for problem in every_reference(objects):
        looked += 1
        if problem:
            problems.append(problem)
    return problems, looked


def every_reference(objects):
    for name, pod in objects["Pod"].items():
        yield from of_pod(f"Pod {name}", pod, objects)
    for kind in ("NetworkPolicy", "PodDisruptionBudget", "PodMonitor"):
        for name, it in objects[kind].items():
            selector = it["spec"].get("podSelector" if kind == "NetworkPolicy" else "selector")
            chosen = select(objects["Pod"], selector)
            yield None if chosen else f"{kind} {name} selects no pod: {selector}"
            yield from ports_of_pods(f"{kind} {name}", it, chosen)
    for name, it in objects["Service"].items():
        chosen = select(objects["Pod"], {"matchLabels": it["spec"].get("selector", {})})
        yield None if chosen else f"Service {name} selects no pod"
        for port in it["spec"].get("ports", []):
            yield from named_port(f"Service {name}", port["targetPort"], chosen)
    for name, it in objects["ServiceMonitor"].items():
        chosen = select(objects["Service"], it["spec"]["selector"])
        yield None if chosen else f"ServiceMonitor {name} selects no Service"
        for endpoint in it["spec"]["endpoints"]:
            there = {port.get("name") for service in chosen for port in service["spec"]["ports"]}
            yield None if endpoint["port"] in there else f"ServiceMonitor {name}: no Service has a port {endpoint['port']}"
    for name, it in objects["GRPCRoute"].items():
        for rule in it["spec"]["rules"]:
            for backend in rule["backendRefs"]:
                yield service_port(f"GRPCRoute {name}", objects, backend["name"], "port", backend["port"])
    for name, it in objects["Ingress"].items():
        for rule in it["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                [(key, port)] = path["backend"]["service"]["port"].items()
                yield service_port(f"Ingress {name}", objects, path["backend"]["service"]["name"], "name" if key == "name" else "port", port)
    for kind in ("ScaledObject", "HorizontalPodAutoscaler"):
        for name, it in objects[kind].items():
            target = it["spec"]["scaleTargetRef"]
            yield None if target["name"] in objects[target.get("kind", "Deployment")] else f"{kind} {name}: there is no {target}"
    for name, it in objects["StatefulSet"].items():
        service = it["spec"].get("serviceName")
        yield None if service in objects["Service"] else f"StatefulSet {name}: there is no Service {service}"


def of_pod(who, pod, objects):
    spec = pod["spec"]
    yield None if spec["serviceAccountName"] in objects["ServiceAccount"] else f"{who}: no ServiceAccount {spec['serviceAccountName']}"
    for secret in spec.get("imagePullSecrets", []):
        yield keys(who, objects, "Secret", secret["name"], [])
    for volume in spec.get("volumes", []):
        for kind, at, name in (("Secret", "secret", "secretName"), ("ConfigMap", "configMap", "name")):
            if source := volume.get(at):
                if not source.get("optional"):
                    yield keys(who, objects, kind, source[name], [it["key"] for it in source.get("items", [])])
        if claim := volume.get("persistentVolumeClaim"):
            of = objects["PersistentVolumeClaim"].get(claim["claimName"])
            bound = of and of["status"]["phase"] == "Bound"
            yield None if bound else f"{who}: the claim {claim['claimName']} is not bound"
    volumes = {it["name"] for it in spec.get("volumes", [])}
    for container in spec["containers"] + spec.get("initContainers", []):
        for mount in container.get("volumeMounts", []):
            yield None if mount["name"] in volumes else f"{who}: no volume {mount['name']}"
        for variable in container.get("env", []):
            for kind, at in (("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")):
                if source := variable.get("valueFrom", {}).get(at):
                    yield keys(who, objects, kind, source["name"], [source["key"]])
        for source in container.get("envFrom", []):
            for kind, at in (("Secret", "secretRef"), ("ConfigMap", "configMapRef")):
                if at in source:
                    yield keys(who, objects, kind, source[at]["name"], [])
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            for how in container.get(probe, {}).values():
                if isinstance(how, dict) and "port" in how:
                    yield from named_port(f"{who}, {probe}", how["port"], [pod])


def keys(who, objects, kind, name, wanted):
    if name not in objects[kind]:
        return f"{who}: there is no {kind} {name}"
    missing = [key for key in wanted if key not in objects[kind][name].get("data", {})]
    return f"{who}: the {kind} {name} has no {missing}" if missing else None


def select(among, selector):
    """Of objects by name, those that a selector with matchLabels means; an empty one means all."""
    wanted = (selector or {}).get("matchLabels", {}).items()
    return [it for it in among.values() if wanted <= it["metadata"].get("labels", {}).items()]


def ports_of_pods(who, object, pods):
    for rule in object["spec"].get("ingress", []):
        for port in rule.get("ports", []):
            yield from named_port(who, port["port"], pods)
    for endpoint in object["spec"].get("podMetricsEndpoints", []):
        yield from named_port(who, endpoint["port"], pods)


def named_port(who, port, pods):
    """A port by number may be any; by name or by number, every pod must say it."""
    for pod in pods:
        there = [it for container in pod["spec"]["containers"] for it in container.get("ports", [])]
        found = any(port in (it.get("name"), it["containerPort"]) for it in there)
        yield None if found else f"{who}: the pod {pod['metadata']['name']} has no port {port}"


def service_port(who, objects, name, key, port):
    service = objects["Service"].get(name)
    if not service:
        return f"{who}: there is no Service {name}"
    return None if any(it.get(key) == port for it in service["spec"]["ports"]) else f"{who}: the Service {name} has no port {port}"
