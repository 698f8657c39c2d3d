"""Who may reach whom by the NetworkPolicies of a namespace. There is no network here that enforces them, so they are read as one would."""

import ipaddress

from .references import select


def reaches(objects, labels, one, other, port):
    """Whether a pod may connect to a named port of another pod of the same namespace, which has these labels."""
    policies = objects["NetworkPolicy"].values()
    inward = [it["spec"] for it in policies if "Ingress" in it["spec"]["policyTypes"] and selected(it, other)]
    outward = [it["spec"] for it in policies if "Egress" in it["spec"]["policyTypes"] and selected(it, one)]
    number = next(it["containerPort"] for container in other["spec"]["containers"] for it in container["ports"] if it["name"] == port)

    def allows(rule, peers, far):
        ports = [it["port"] for it in rule.get("ports", [])]
        return (not ports or port in ports or number in ports) and (not rule.get(peers) or any(is_peer(it, far, labels) for it in rule[peers]))

    return (not inward or any(allows(rule, "from", one) for spec in inward for rule in spec.get("ingress", []))) and (
        not outward or any(allows(rule, "to", other) for spec in outward for rule in spec.get("egress", [])))


def selected(policy, pod):
    return bool(select({"": pod}, policy["spec"].get("podSelector")))


def is_peer(peer, pod, labels):
    if block := peer.get("ipBlock"):
        address = ipaddress.ip_address(pod["status"]["podIP"])
        return address in ipaddress.ip_network(block["cidr"]) and all(address not in ipaddress.ip_network(it) for it in block.get("except", []))
    # Without a namespaceSelector, it is the policy's own namespace.
    in_namespace = "namespaceSelector" not in peer or bool(select({"": {"metadata": {"labels": labels}}}, peer["namespaceSelector"]))
    return in_namespace and bool(select({"": pod}, peer.get("podSelector")))


def check(objects, labels, tests):
    """Sentences on who reaches what it should not, or does not reach what it should; and how many ways were looked at."""
    def of(component):
        return [pod for pod in objects["Pod"].values() if pod["metadata"]["labels"].get("app.kubernetes.io/component") == component]

    stranger = {"metadata": {"labels": {}}, "status": {"podIP": "192.0.2.1"}, "spec": {"containers": []}}
    wanted = [("helm test", tests, "relay", "clients", True), ("a relay", of("relay"), "valkey", "valkey", True),
              ("helm test", tests, "valkey", "valkey", False), ("a strange pod", [stranger], "valkey", "valkey", False)]
    problems, looked = [], 0
    for who, ones, component, port, may in wanted:
        for one in ones[:1]:
            for other in of(component)[:1]:
                looked += 1
                if reaches(objects, labels, one, other, port) != may:
                    problems.append(f"{who} {'does not reach' if may else 'reaches'} the port {port} of {component}")
    return problems, looked
