{{/* Values that contradict each other are refused here, all at once, each with what to do. The schema refuses what is malformed. */}}

{{- define "sealpost.refuse" -}}
{{- $found := list -}}
{{- range list "sealpost.refusalsOfStore" "sealpost.refusalsOfValkey" "sealpost.refusalsOfTls" "sealpost.refusalsOfConfig" "sealpost.refusalsOfScaling" "sealpost.refusalsOfTraffic" -}}
{{- range include . $ | splitList "\n" }}{{ with trim . }}{{ $found = append $found . }}{{ end }}{{ end -}}
{{- end -}}
{{- with $found }}{{ fail (printf "\n\nThese values cannot be used:\n- %s\n" (join "\n- " .)) }}{{ end -}}
{{- end }}

{{- define "sealpost.refusalsOfStore" }}
{{- with .Values.redis }}
{{- $keys := compact (values .keys) }}
{{- if $.Values.valkey.enabled }}
{{- if or .url .existingSecret $keys }}
valkey.enabled is true, and redis says where another store is. Set valkey.enabled to false, or take redis out.
{{- end }}
{{- else if not (or .url .keys.url) }}
There is no store: valkey.enabled is false, and neither redis.url nor redis.keys.url is set. Set redis.url, as in redis://sealpost@redis.example:6379, or valkey.enabled to true.
{{- end }}
{{- if and .url .keys.url }}
redis.url and redis.keys.url both say where the store is. Take one of them out.
{{- end }}
{{- if and $keys (not .existingSecret) }}
redis.keys names keys of a Secret, and redis.existingSecret does not say of which.
{{- end }}
{{- if and .existingSecret (not $keys) }}
redis.existingSecret is set, and nothing of it is used: say in redis.keys which of its keys hold what.
{{- end }}
{{- if regexMatch "^[^/]*//[^/@]*:[^/@]*@" .url }}
redis.url holds a password, and everybody who may read ConfigMaps would see it. Put it into a Secret, and name that and its key in redis.existingSecret and redis.keys.password.
{{- end }}
{{- if and .url (not (regexMatch "^rediss?(\\+sentinel|\\+cluster)?://." .url)) }}
redis.url does not begin with redis://, redis+sentinel:// or redis+cluster://, or with rediss in place of redis for TLS. The embedded store is for one relay, not for this chart.
{{- end }}
{{- if and .keys.ca .url (not (hasPrefix "rediss" .url)) }}
redis.keys.ca is for TLS, and redis.url goes without: write rediss in place of redis, or take redis.keys.ca out.
{{- end }}
{{- end }}
{{- if and .Values.valkey.enabled (hasPrefix "replicas:" (include "sealpost.setting" (list . "store" "durability"))) }}
config.store.durability counts replicas, and the chart's Valkey has none: set it to fsync or memory, or use a Redis of your own (valkey.enabled false, redis.url).
{{- end }}
{{- end }}

{{- define "sealpost.refusalsOfValkey" }}
{{- $limit := dig "limits" "memory" "" .Values.valkey.resources | toString }}
{{- if and .Values.valkey.enabled $limit }}
{{- if gt (mul 2 (include "sealpost.bytes" .Values.valkey.maxmemory)) (include "sealpost.bytes" $limit | int64) }}
valkey.maxmemory is {{ .Values.valkey.maxmemory }}, and valkey.resources.limits.memory is {{ $limit }}: a rewrite of its file may need twice what it holds, and it would be killed. Raise the limit or lower valkey.maxmemory.
{{- end }}
{{- end }}
{{- end }}

{{/* A size in bytes, in Redis's units or Kubernetes's. */}}
{{- define "sealpost.bytes" -}}
{{- $units := dict "kb" 1024 "mb" 1048576 "gb" 1073741824 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 -}}
{{- mulf (regexFind "^[0-9.]+" . | float64) (get $units (regexFind "[A-Za-z]+$" .) | default 1) | int64 -}}
{{- end }}

{{- define "sealpost.refusalsOfTls" }}
{{- with .Values.tls }}
{{- if and (eq .mode "existingSecret") (not .existingSecret) }}
tls.mode is existingSecret, and tls.existingSecret names none: name a Secret with tls.crt and tls.key.
{{- end }}
{{- if and .existingSecret (ne .mode "existingSecret") }}
tls.existingSecret is set, and tls.mode is {{ .mode }}: set tls.mode to existingSecret, or take tls.existingSecret out.
{{- end }}
{{- if and (eq .mode "certManager") (not .certManager.issuerRef) }}
tls.mode is certManager, and tls.certManager.issuerRef names nobody who signs, as in {name: letsencrypt, kind: ClusterIssuer}.
{{- end }}
{{- if and .certManager.issuerRef (ne .mode "certManager") }}
tls.certManager.issuerRef is set, and tls.mode is {{ .mode }}: set tls.mode to certManager, or take tls.certManager out.
{{- end }}
{{- if and (eq .mode "plaintext") (or .ticketKeysSecret .caKey (get $.Values.config "tls")) }}
tls.mode is plaintext, so tls.ticketKeysSecret, tls.caKey and config.tls would not be used: take them out.
{{- end }}
{{- end }}
{{- if and (eq .Values.tls.mode "certManager") (not .Values.relay.names) }}
tls.mode is certManager, and relay.names is empty: name the hosts by which clients reach the relay.
{{- end }}
{{- end }}

{{/* Settings with a value of their own. */}}
{{- define "sealpost.ownedSettings" -}}
relay:
  names: relay.names
listen:
  address: service.port, which clients use; the relay's own port is 8443
  admin: nothing else; it is port 8081
tls:
  mode: tls.mode
  certificate: tls.mode
  key: tls.mode
  directory: tls.mode
  ticket_keys_file: tls.ticketKeysSecret
  admin_client_ca: networkPolicy.adminFrom
store:
  url: redis.url, or redis.keys.url
  password_file: redis.keys.password
  sentinel_password_file: redis.keys.sentinelPassword
  ca: redis.keys.ca
{{- end }}

{{- define "sealpost.refusalsOfConfig" }}
{{- range $section, $settings := include "sealpost.ownedSettings" . | fromYaml }}
{{- range $key, $instead := $settings }}
{{- if hasKey (get $.Values.config $section | default dict) $key }}
config.{{ $section }}.{{ $key }} is decided by {{ $instead }}: take it out of config.
{{- end }}
{{- end }}
{{- end }}
{{- if eq (include "sealpost.setting" (list . "tls" "admin")) "mutual" }}
config.tls.admin is mutual, and the kubelet's probes show no certificate: set it to server, and say in networkPolicy.adminFrom who else may ask.
{{- end }}
{{- if and .Values.test.vouchersSecret (ne (include "sealpost.setting" (list . "admission" "mode")) "voucher") }}
test.vouchersSecret is set, and config.admission.mode is not voucher: set that, or take test.vouchersSecret out.
{{- end }}
{{- $needed := include "sealpost.leaving" . | int }}
{{- with .Values.terminationGracePeriodSeconds }}
{{- if lt (int .) $needed }}
terminationGracePeriodSeconds is {{ int . }}, and relays take up to {{ $needed }} s to leave (config.drain.notice_ms and deadline_ms, and 5 s): they would be killed. Raise it or take it out, or lower config.drain.
{{- end }}
{{- end }}
{{- end }}

{{- define "sealpost.refusalsOfScaling" }}
{{- with .Values.autoscaling }}
{{- if and (ne .kind "keda") (or .keda.serverAddress .keda.query) }}
autoscaling.kind is {{ .kind }}, and autoscaling.keda is set: one of them scales, so set autoscaling.kind to keda, or take autoscaling.keda out.
{{- end }}
{{- if and (eq .kind "keda") .streamsPerRelay (not .keda.serverAddress) }}
autoscaling.kind is keda, and autoscaling.keda.serverAddress does not say where Prometheus is, as in http://prometheus.monitoring:9090.
{{- end }}
{{- if ne .kind "none" }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
autoscaling.minReplicas is more than autoscaling.maxReplicas.
{{- end }}
{{- if not (or .streamsPerRelay .cpuPercent) }}
autoscaling has nothing to go by: set autoscaling.streamsPerRelay or autoscaling.cpuPercent.
{{- end }}
{{- if and .cpuPercent (not (dig "requests" "cpu" "" $.Values.resources)) }}
autoscaling.cpuPercent is a share of resources.requests.cpu, which is not set: set it, or autoscaling.cpuPercent to null.
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "sealpost.refusalsOfTraffic" }}
{{- if and .Values.grpcRoute.enabled (not .Values.grpcRoute.parentRefs) }}
grpcRoute.enabled is true, and grpcRoute.parentRefs names no Gateway, as in [{name: public, namespace: gateways}].
{{- end }}
{{- $hosts := include "sealpost.only" (list .Values.relay.names "hosts") | fromJsonArray }}
{{- if and .Values.grpcRoute.enabled (not (or $hosts .Values.grpcRoute.hostnames)) }}
grpcRoute.enabled is true, and there is no host name: set relay.names.
{{- end }}
{{- if and .Values.ingress.enabled (not (or $hosts .Values.ingress.hostnames)) }}
ingress.enabled is true, and there is no host name: set relay.names.
{{- end }}
{{- if and .Values.service.nodePort (eq .Values.service.type "ClusterIP") }}
service.nodePort is set, and service.type is ClusterIP: set service.type to NodePort or LoadBalancer, or take service.nodePort out.
{{- end }}
{{- if and (ne .Values.service.type "LoadBalancer") (or .Values.service.loadBalancerClass .Values.service.loadBalancerSourceRanges) }}
service.loadBalancerClass and service.loadBalancerSourceRanges are for service.type LoadBalancer, and it is {{ .Values.service.type }}.
{{- end }}
{{- if and .Values.service.externalTrafficPolicy (eq .Values.service.type "ClusterIP") }}
service.externalTrafficPolicy is set, and with service.type ClusterIP nothing comes from outside: set service.type, or take it out.
{{- end }}
{{- if and (ne .Values.metrics.monitor "none") .Values.networkPolicy.enabled (not .Values.networkPolicy.adminFrom) }}
metrics.monitor is {{ .Values.metrics.monitor }}, and networkPolicy lets no Prometheus reach the metrics: say in networkPolicy.adminFrom where it is, as in [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}].
{{- end }}
{{- end }}
