// Validates objects of custom resources: validate.js MODULES < OBJECTS, a JSON list; prints a JSON list of problems for each.
//
// The packages hold validators made of the resources' own schemas. These know nothing of fields that they do not ask for; a server drops
// such fields, or refuses them. So each object is looked at through a proxy that notes what is asked, and the rest is a problem.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const modules = process.argv[2];
const monitoring = "prometheus-operator/_schemas/ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoringV1";
const schemas = {
  "cert-manager.io/v1 Certificate": "cert-manager/_schemas/ComGithubCertManagerCertManagerPkgApisCertmanagerV1Certificate",
  "gateway.networking.k8s.io/v1 GRPCRoute": "gateway-api/_schemas/IoK8sSigsGatewayApiApisV1GRPCRoute",
  "keda.sh/v1alpha1 ScaledObject": "keda/_schemas/ComGithubKedacoreKedaV2ApisKedaV1alpha1ScaledObject",
  "monitoring.coreos.com/v1 PodMonitor": `${monitoring}PodMonitor`,
  "monitoring.coreos.com/v1 PrometheusRule": `${monitoring}PrometheusRule`,
  "monitoring.coreos.com/v1 ServiceMonitor": `${monitoring}ServiceMonitor`,
};

function watched(value, path, asked) {
  if (value === null || typeof value !== "object") return value;
  return new Proxy(value, {
    get(target, key) {
      const found = target[key];
      if (typeof key === "symbol" || !Object.hasOwn(target, key)) return found;
      asked.add(`${path}/${key}`);
      return watched(found, `${path}/${key}`, asked);
    },
  });
}

function* leaves(value, path = "") {
  for (const [key, inner] of Object.entries(value ?? {})) {
    yield `${path}/${key}`;
    if (typeof inner === "object") yield* leaves(inner, `${path}/${key}`);
  }
}

const results = [];
for (const object of JSON.parse(readFileSync(0, "utf8"))) {
  const schema = schemas[`${object.apiVersion} ${object.kind}`];
  if (!schema) {
    results.push(["there is no schema for it"]);
    continue;
  }
  const { validate } = await import(pathToFileURL(`${modules}/@kubernetes-models/${schema}.js`));
  const asked = new Set();
  const fits = validate(watched(object, "", asked));
  const problems = fits ? [] : validate.errors.map((error) => `${error.instancePath} ${error.keyword} ${JSON.stringify(error.params)}`);
  for (const path of leaves(object)) {
    if (!asked.has(path)) problems.push(`${path} is no field`);
  }
  results.push(problems);
}
console.log(JSON.stringify(results));
