"""What a cluster has before the chart comes, and what others in it do: nodes, volumes, rights, Secrets that users bring, kinds of other
projects, and the deeds of a cloud, of cert-manager and of KEDA."""

import base64
import threading
import time

from .build import definitions
from .cluster import Cluster, Refused, until

# Zones, and nodes that only relays may use, as some permutations want them.
NODES = {f"node-{zone}{at}": {"zone": zone, "labels": {"pool": pool, "disk": "ssd"}, "only": pool == "relays"}
         for zone in "abc" for at, pool in ((1, "load"), (2, "relays"), (3, "relays"))}
# Groups of other projects: these let a namespace's admin use their kinds.
GROUPS = ["monitoring.coreos.com", "gateway.networking.k8s.io", "gateway.envoyproxy.io", "cert-manager.io", "keda.sh"]
# What the permutations of the chart say that the user has made before: the name of a Secret and its keys.
BROUGHT = {
    "relay-certificate": ["tls.crt", "tls.key", "ca.crt"],
    "relay-ticket-keys": ["ticket-keys"],
    "redis": ["password", "relay-password", "sentinel-password", "url", "ca.crt"],
    "valkey-users": ["password", "users.acl"],
    "vouchers-for-tests": ["vouchers"],
    "registry": [".dockerconfigjson"],
    "sealpost-tls": ["ca.crt"],
    "vouchers": ["0"],
}
# As many volumes of each class as there are releases, for they are kept.
VOLUMES = 32
LEVELS = ("enforce", "warn", "audit")


def furnish(cluster: Cluster):
    """Makes what belongs to no namespace."""
    for name, node in NODES.items():
        labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": node["zone"], "kubernetes.io/os": "linux"} | node["labels"]
        taints = [{"key": "dedicated", "value": "relays", "effect": "NoSchedule"}] if node["only"] else []
        cluster.create("/api/v1/nodes", apiVersion="v1", kind="Node", metadata={"name": name, "labels": labels}, spec={"taints": taints})
    for name, default in (("standard", "true"), ("fast", "false")):
        cluster.create("/apis/storage.k8s.io/v1/storageclasses", apiVersion="storage.k8s.io/v1", kind="StorageClass",
                       metadata={"name": name, "annotations": {"storageclass.kubernetes.io/is-default-class": default}},
                       provisioner="kubernetes.io/no-provisioner", volumeBindingMode="WaitForFirstConsumer")
        for number in range(VOLUMES):
            cluster.create("/api/v1/persistentvolumes", apiVersion="v1", kind="PersistentVolume", metadata={"name": f"{name}-{number}"},
                           spec={"capacity": {"storage": "20Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": name,
                                 "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": f"/nowhere/{name}-{number}"}})
    cluster.create("/apis/scheduling.k8s.io/v1/priorityclasses", apiVersion="scheduling.k8s.io/v1", kind="PriorityClass",
                   metadata={"name": "important"}, value=1000)
    cluster.create("/apis/rbac.authorization.k8s.io/v1/clusterroles", apiVersion="rbac.authorization.k8s.io/v1", kind="ClusterRole",
                   metadata={"name": "other-kinds", "labels": {"rbac.authorization.k8s.io/aggregate-to-admin": "true"}},
                   rules=[{"apiGroups": GROUPS, "resources": ["*"], "verbs": ["*"]}])
    files = [argument for file in definitions() for argument in ("--filename", file)]
    # Some are too large for an annotation that holds them once more, as a client-side apply would make it.
    cluster.run("kubectl", "apply", "--server-side", *files, user="admin")
    cluster.run("kubectl", "wait", "--for=condition=Established", "--timeout=60s", *files, user="admin")
    until("all nodes are ready", lambda: len([node for node in cluster.list("/api/v1/nodes") if ready(node)]) == len(NODES))


def ready(object):
    return any(it["type"] == "Ready" and it["status"] == "True" for it in object.get("status", {}).get("conditions", []))


def namespace(cluster: Cluster, name):
    """A namespace under the restricted level, for whose installer nothing is outside of it."""
    levels = {f"pod-security.kubernetes.io/{it}": "restricted" for it in LEVELS}
    cluster.create("/api/v1/namespaces", apiVersion="v1", kind="Namespace", metadata={"name": name, "labels": levels})
    cluster.create(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}/rolebindings", apiVersion="rbac.authorization.k8s.io/v1",
                   kind="RoleBinding", metadata={"name": "installer"}, subjects=[{"kind": "User", "name": "installer"}],
                   roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"})
    for secret, keys in BROUGHT.items():
        kind = {"registry": "kubernetes.io/dockerconfigjson", "relay-certificate": "kubernetes.io/tls"}.get(secret, "Opaque")
        data = {key: base64.b64encode(b"{}").decode() for key in keys}
        cluster.create(f"/api/v1/namespaces/{name}/secrets", apiVersion="v1", kind="Secret", metadata={"name": secret}, type=kind, data=data)
    accounts = f"/api/v1/namespaces/{name}/serviceaccounts"
    until("the namespace has its ServiceAccount", lambda: any(it["metadata"]["name"] == "default" for it in cluster.list(accounts)))


class Others(threading.Thread):
    """Gives load balancers an address, Certificates their Secret, and ScaledObjects their least number of pods, as a cloud, cert-manager
    and KEDA do."""

    def __init__(self, cluster: Cluster):
        super().__init__(daemon=True)
        self.cluster = cluster

    def run(self):
        while True:
            try:
                self._balancers()
                self._certificates()
                self._scaled()
            except (OSError, Refused):
                # Somebody else was quicker, or the end has come.
                pass
            time.sleep(0.3)

    def _balancers(self):
        for service in self.cluster.list("/api/v1/services"):
            if service["spec"]["type"] == "LoadBalancer" and not service["status"]["loadBalancer"]:
                of = service["metadata"]
                status = {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}}}
                self.cluster.ask("PATCH", f"/api/v1/namespaces/{of['namespace']}/services/{of['name']}/status", status,
                                 kind="application/merge-patch+json")

    def _certificates(self):
        for certificate in self.cluster.list("/apis/cert-manager.io/v1/certificates"):
            if ready(certificate):
                continue
            of, name = certificate["metadata"], certificate["spec"]["secretName"]
            data = {key: base64.b64encode(b"{}").decode() for key in BROUGHT["relay-certificate"]}
            try:
                self.cluster.create(f"/api/v1/namespaces/{of['namespace']}/secrets", apiVersion="v1", kind="Secret", metadata={"name": name},
                                    type="kubernetes.io/tls", data=data)
            except Refused as refused:
                if refused.status != 409:
                    raise
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            condition = {"type": "Ready", "status": "True", "reason": "Ready", "message": "", "lastTransitionTime": now}
            self.cluster.ask("PATCH", f"/apis/cert-manager.io/v1/namespaces/{of['namespace']}/certificates/{of['name']}/status",
                             {"status": {"conditions": [condition]}}, kind="application/merge-patch+json")

    def _scaled(self):
        for scaled in self.cluster.list("/apis/keda.sh/v1alpha1/scaledobjects"):
            namespace, target, least = scaled["metadata"]["namespace"], scaled["spec"]["scaleTargetRef"]["name"], scaled["spec"]["minReplicaCount"]
            scale = f"/apis/apps/v1/namespaces/{namespace}/deployments/{target}/scale"
            if self.cluster.ask("GET", scale)["spec"].get("replicas", 0) < least:
                self.cluster.ask("PATCH", scale, {"spec": {"replicas": least}}, kind="application/merge-patch+json")
