"""One permutation of the chart's values through the life of a release, step by step."""

import contextlib
import dataclasses
import time

from . import policies, references, world
from .cluster import Cluster, Refused, until
from .metrics import Metrics
from .release import NAME, Failed, Release, Watch, owned

# Changes nothing but the configuration.
CHANGE = ["--set", "config.streams.max_life_secs=1234"]


@dataclasses.dataclass(frozen=True)
class Scenario:
    chart: str
    values: str
    # Which Helm.
    helm: str = "helm"
    # Whether it is upgraded and rolled back too, or only installed and uninstalled.
    whole: bool = False

    @property
    def name(self):
        return f"{self.values}{'-helm3' if self.helm == 'helm3' else ''}{'-loadtest' if self.chart == 'sealpost-loadtest' else ''}"


@dataclasses.dataclass
class Step:
    what: str
    ok: bool
    seconds: float
    detail: str


class Trial:
    def __init__(self, cluster: Cluster, metrics: Metrics, charts, scenario: Scenario):
        self.cluster, self.metrics, self.charts, self.scenario, self.steps = cluster, metrics, charts, scenario, []

    def step(self, what, action):
        """Runs a step, and remembers how it went; the next ones are tried all the same."""
        started = time.monotonic()
        try:
            ok, detail = True, action()
        except Failed as failed:
            ok, detail = False, str(failed)
        except Exception as error:
            ok, detail = False, f"{type(error).__name__}: {error}"
        self.steps.append(Step(what, ok, time.monotonic() - started, detail or ""))
        return ok

    def run(self):
        of = self.scenario
        self.release = Release(self.cluster, self.charts / of.chart, of.values, f"try-{of.name}")
        self.step("the API server would take every object, without a warning", lambda: f"{self.release.dry_run(of.helm)} objects")
        if not self.step("install, and wait until all is ready", self.install):
            self.steps[-1].detail += "; " + self.release.why_not()
        elif of.chart == "sealpost":
            self.relays()
        else:
            self.generators()
        return self

    def relays(self):
        self.step("pods run, and are spread over zones", self.placed)
        self.step("all that objects name is there", self.named)
        self.step("the Services lead to every relay", self.endpoints)
        objects = self.release.objects()
        if objects["PersistentVolumeClaim"]:
            self.step("the volume is bound", self.volume)
        if objects["PodDisruptionBudget"]:
            self.step("the disruption budget lets one relay go, and no second", self.evict)
        if objects["HorizontalPodAutoscaler"]:
            self.step("the autoscaler adds relays by streams, and is slow to take them away", self.autoscale)
        if self.scenario.whole:
            self.step("an upgrade that changes nothing replaces nothing", self.upgrade_nothing)
            self.step("an upgrade that changes a setting replaces relays one by one, and keeps what is secret", self.upgrade)
            self.step("a rollback brings the old relays back, as carefully", self.roll_back)
        if self.scenario.values == "default":
            self.step("another name makes another certificate of the same authority", self.rename)
            if self.scenario.helm == "helm3":
                self.step("Helm 4 takes over what Helm 3 has installed", self.take_over)
            self.step("the number of relays, once somebody else has set it, is handed over to an autoscaler: none goes", self.hand_over)
        self.step("helm test: its pod is admitted and scheduled (kwok runs nothing)", self.test)
        if objects["NetworkPolicy"]:
            self.step("network policies let through what must come through, and no more", self.policies)
        self.step("uninstall leaves only what must stay", self.uninstall)
        if objects["PersistentVolumeClaim"] and self.scenario.whole:
            self.step("installed again, it has its volume again", lambda: self.again(objects))

    def generators(self):
        """The chart of the load test: a Job, and another one by each upgrade."""
        self.step("generators run", self.running)
        self.step("all that objects name is there", self.named)
        self.step("an upgrade runs the test again", self.repeat)
        self.step("uninstall leaves only what must stay", self.uninstall)

    # What the steps do. Each fails, or says what it saw.

    def install(self):
        self.release.helm("install", by=self.scenario.helm)
        return f"{len(self.release.names() - self.release.brought)} objects in the namespace"

    def placed(self):
        pods, relays = self.release.objects()["Pod"], self.release.pods().values()
        if missing := [name for name, pod in pods.items() if not world.ready(pod)]:
            raise Failed(f"not ready: {missing}")
        zones = [world.NODES[pod["spec"]["nodeName"]]["zone"] for pod in relays]
        counts = [zones.count(zone) for zone in "abc"]
        if max(counts) - min(counts) > 1:
            raise Failed(f"relays per zone: {counts}")
        return f"{len(pods)} pods; relays per zone: {counts}"

    def named(self):
        problems, looked = references.dangling(self.release.objects())
        if problems:
            raise Failed("; ".join(problems))
        return f"{looked} names"

    def endpoints(self):
        def reached():
            objects = self.release.objects()
            relays, found = self.release.pods(objects), {}
            for piece in objects["EndpointSlice"].values():
                ports = [port["port"] for port in piece["ports"] or []]
                ready = {it["targetRef"]["name"] for it in piece["endpoints"] or [] if it["conditions"].get("ready")}
                if ports and ready == set(relays):
                    found[piece["metadata"]["labels"]["kubernetes.io/service-name"]] = ports[0]
            wanted = {name: 8081 if name.endswith("-admin") else 8443 for name in objects["Service"] if not name.endswith("-valkey")}
            told = ", ".join(f"{name} to port {port}" for name, port in sorted(found.items()))
            return f"{told}, of {len(relays)} pods" if found == wanted else None

        return until("every Service leads to all relays", reached, patience=20)

    def volume(self):
        claim = self.release.one("PersistentVolumeClaim")
        if claim["status"]["phase"] != "Bound":
            raise Failed(f"{claim['metadata']['name']} is {claim['status']['phase']}")
        return f"{claim['metadata']['name']}, class {claim['spec']['storageClassName']}"

    def evict(self):
        self.release.settle()
        relays = self.release.pods()

        def counted():
            budget = self.release.one("PodDisruptionBudget")
            status = budget.get("status", {})
            seen = status.get("observedGeneration") == budget["metadata"]["generation"] and len(self.release.pods()) == len(relays)
            return seen and status["expectedPods"] == status["currentHealthy"] == len(relays) and status["disruptionsAllowed"] == 1

        until("the budget counts all relays, and lets one go", counted, patience=30)
        answers = []
        for name in sorted(relays)[:2]:
            eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": self.release.namespace}}
            try:
                self.cluster.ask("POST", f"/api/v1/namespaces/{self.release.namespace}/pods/{name}/eviction", eviction)
                answers.append(201)
            except Refused as refused:
                answers.append(refused.status)
        if answers != [201, 429]:
            raise Failed(f"of {len(relays)} relays, two evictions at once were answered {answers}")
        until("the relay that went is replaced, and the budget lets one go again", counted, patience=60)
        return f"{len(relays)} relays: the first eviction was allowed, the second refused"

    def autoscale(self):
        spec = self.release.one("HorizontalPodAutoscaler")["spec"]
        goal = next(it["pods"]["target"]["averageValue"] for it in spec["metrics"] if it["type"] == "Pods")
        # The API server writes 20000 as 20k.
        goal, least = int(goal.replace("k", "000")), spec["minReplicas"]

        def condition(kind):
            found = self.release.one("HorizontalPodAutoscaler")["status"].get("conditions", [])
            return next(((it["status"], it["reason"]) for it in found if it["type"] == kind), (None, None))

        until("the autoscaler has its metrics", lambda: condition("ScalingActive")[0] == "True", patience=60)
        until("there are as many relays as at least", lambda: len(self.release.pods()) == least, patience=60)
        streams = self.metrics.streams[self.release.namespace] = (least + 2) * goal
        until(f"there are {least + 2} relays", lambda: self.release.one("HorizontalPodAutoscaler")["status"]["desiredReplicas"] == least + 2)
        self.release.settle()
        self.metrics.streams[self.release.namespace] = 0
        until("the autoscaler waits before it takes relays away", lambda: condition("AbleToScale")[1] == "ScaleDownStabilized", patience=60)
        return f"{least} to {least + 2} relays at {streams} streams; then AbleToScale is ScaleDownStabilized"

    def upgrade_nothing(self):
        before = self.release.objects()
        self.release.helm("upgrade", by=self.scenario.helm)
        self.release.same_pods(before, "relay")
        self.release.same_pods(before, "valkey")
        return self.release.same_secrets(before)

    def upgrade(self):
        self.before = before = self.release.objects()
        with Watch(self.release) as watch:
            self.release.helm("upgrade", *CHANGE, by=self.scenario.helm)
        if kept := set(self.release.pods(before)) & set(self.release.pods()):
            raise Failed(f"these relays were not replaced: {sorted(kept)}")
        self.release.same_pods(before, "valkey")
        return f"{watch.verdict()}; {self.release.same_secrets(before)}"

    def roll_back(self):
        with Watch(self.release) as watch:
            self.release.helm("rollback", "1", by=self.scenario.helm)
        versions = [{pod["metadata"]["labels"]["pod-template-hash"] for pod in pods.values()}
                    for pods in (self.release.pods(self.before), self.release.pods())]
        if versions[0] != versions[1]:
            raise Failed(f"the relays are of another version than before: {versions}")
        self.release.same_pods(self.before, "valkey")
        return f"{watch.verdict()}; {self.release.same_secrets(self.before)}"

    def rename(self):
        before, changes = self.release.objects(), f"{NAME}-sealpost-tls"
        self.release.helm("upgrade", "--set", "relay.names={relay.example.org}", by=self.scenario.helm)
        after = self.release.objects()["Secret"][changes]["data"]
        if after["tls.crt"] == before["Secret"][changes]["data"]["tls.crt"]:
            raise Failed("the certificate is the same")
        if after["ca.crt"] != before["Secret"][changes]["data"]["ca.crt"]:
            raise Failed("the authority is another")
        return self.release.same_secrets(before, but=[changes])

    def hand_over(self):
        """A number that Helm has set is 1 when it lets go, until the autoscaler looks, and most relays would leave. So somebody else changes
        it first: then Helm's server-side apply leaves it alone. Helm 3's own way of applying does not."""
        self.release.helm("upgrade", "--set", "replicas=3", by=self.scenario.helm)
        self.release.settle()
        self.cluster.run("kubectl", "scale", "--namespace", self.release.namespace, f"deployment/{NAME}-sealpost", "--replicas=4")
        self.release.settle()
        self.metrics.streams[self.release.namespace] = 40_000
        with Watch(self.release) as watch:
            values = "autoscaling.kind=hpa,autoscaling.minReplicas=2"
            self.release.helm("upgrade", "--server-side=true", "--set", values, by="helm")
        return watch.verdict()

    def take_over(self):
        before = self.release.objects()
        self.release.helm("upgrade", by="helm")
        self.release.settle()
        return self.release.same_secrets(before, but=[f"{NAME}-sealpost-tls"])

    def test(self):
        self.release.helm("test", "--timeout", "60s", by=self.scenario.helm)
        tests = self.release.pods(component="test")
        return f"{len(tests)} pod" if tests else "there is none with these values"

    def policies(self):
        [labels] = [it["metadata"]["labels"] for it in self.cluster.list("/api/v1/namespaces") if it["metadata"]["name"] == self.release.namespace]
        problems, looked = policies.check(self.release.objects(), labels, list(self.release.pods(component="test").values()))
        if problems:
            raise Failed("; ".join(problems))
        return f"{looked} ways, as the policies are written (nothing enforces them here)"

    def uninstall(self):
        before, objects = self.release.objects(), {}
        stays = {("PersistentVolumeClaim", name) for name in before["PersistentVolumeClaim"]}
        # cert-manager's Secret is not the chart's.
        stays |= {("Secret", name) for name, it in before["Secret"].items() if it["type"] == "kubernetes.io/tls" and not owned(it)}
        self.release.helm("uninstall", by=self.scenario.helm)

        def left():
            nonlocal objects
            objects = self.release.objects()
            return self.release.names(objects) - self.release.brought

        def too_much():
            # The pod of the test is kept for its log, as Helm does with what a hook made.
            return {(kind, name) for kind, name in left() - stays
                    if "helm.sh/hook" not in objects[kind].get(name, {"metadata": {}})["metadata"].get("annotations", {})}

        with contextlib.suppress(TimeoutError):
            until("all is gone", lambda: not too_much(), patience=60)
        if found := too_much():
            raise Failed(f"left: {sorted(found)}")
        return f"left: {', '.join(f'{kind} {name}' for kind, name in sorted(left())) or 'nothing'}"

    def again(self, before):
        self.release.helm("install", by=self.scenario.helm)
        was, now = before["PersistentVolumeClaim"], self.release.objects()["PersistentVolumeClaim"]
        for name, claim in was.items():
            if now[name]["metadata"]["uid"] != claim["metadata"]["uid"] or now[name]["status"]["phase"] != "Bound":
                raise Failed(f"{name} is another claim than before")
        self.release.helm("uninstall", by=self.scenario.helm)
        return ", ".join(now)

    def running(self):
        job = self.release.one("Job")
        wanted = job["spec"]["completions"]
        pods = until("all generators run", lambda: [it for it in self.jobs_pods(job) if world.ready(it)][wanted - 1:] and self.jobs_pods(job))
        indices = sorted(int(pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"]) for pod in pods)
        if indices != list(range(wanted)):
            raise Failed(f"generators are numbered {indices}")
        return f"{wanted} pods of {job['metadata']['name']}, numbered from 0"

    def jobs_pods(self, job):
        return [pod for pod in self.release.objects()["Pod"].values()
                if pod["metadata"]["labels"].get("batch.kubernetes.io/controller-uid") == job["metadata"]["uid"]]

    def repeat(self):
        first = self.release.one("Job")["metadata"]["name"]
        self.release.helm("upgrade", by=self.scenario.helm)
        until("the first Job is gone", lambda: first not in self.release.objects()["Job"], patience=60)
        return self.running()
