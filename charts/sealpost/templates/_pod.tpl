{{/* Parts of the relays' pods. */}}

{{/* Where pods run: dict of values, context and component. */}}
{{- define "sealpost.podPlacement" -}}
{{- with .context.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.topologySpreadConstraints }}
topologySpreadConstraints:
{{- range . }}
  {{- $labels := include "sealpost.selector" (list $.context $.component) | fromYaml }}
  {{- $default := dict "labelSelector" (dict "matchLabels" $labels) "matchLabelKeys" (list "pod-template-hash") }}
  - {{ toYaml (hasKey . "labelSelector" | ternary . (merge (deepCopy .) $default)) | nindent 4 | trim }}
{{- end }}
{{- end }}
{{- end }}

{{- define "sealpost.environment" -}}
{{- if or .Values.redis.keys.url .Values.extraEnv }}
env:
  {{- with .Values.redis.keys.url }}
  - name: SEALPOST_STORE_URL
    valueFrom:
      secretKeyRef: { name: {{ $.Values.redis.existingSecret }}, key: {{ . }} }
  {{- end }}
  {{- with .Values.extraEnv }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end }}
{{- with .Values.extraEnvFrom }}
envFrom: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
Ready is a relay that reaches its store and hears of new envelopes; a fail-over of Redis lasts seven seconds. Alive is one whose
process answers: a relay that has lost its store finds it again by itself, and killing it would only drop its streams.
*/}}
{{- define "sealpost.probes" -}}
{{- $ready := "grpc: { port: 8081 }" -}}
{{- $scheme := "HTTP" -}}
{{- if eq (include "sealpost.setting" (list . "tls" "admin")) "server" -}}
{{- /* Probes by gRPC speak no TLS. */ -}}
{{- $scheme = "HTTPS" -}}
{{- $ready = "httpGet: { path: /readyz, port: admin, scheme: HTTPS }" -}}
{{- end -}}
startupProbe:
  {{ $ready }}
  periodSeconds: 1
  timeoutSeconds: 5
  failureThreshold: 120
readinessProbe:
  {{ $ready }}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 3
livenessProbe:
  httpGet: { path: /livez, port: admin, scheme: {{ $scheme }} }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end }}

{{/* Which keys of the store's Secret are files of the relay: a map of the file to the key, or nothing. */}}
{{- define "sealpost.storeFiles" -}}
{{- if .Values.valkey.enabled }}
password: password
{{- else }}
{{- with .Values.redis.keys.password }}
password: {{ . }}
{{- end }}
{{- with .Values.redis.keys.sentinelPassword }}
sentinel-password: {{ . }}
{{- end }}
{{- with .Values.redis.keys.ca }}
ca.crt: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "sealpost.volumes" -}}
- name: config
  configMap: { name: {{ include "sealpost.fullname" . }} }
{{- if ne .Values.tls.mode "plaintext" }}
- name: tls
  secret:
    secretName: {{ include "sealpost.tlsSecret" . }}
    defaultMode: 0440
    items:
      - { key: tls.crt, path: tls.crt }
      - { key: tls.key, path: tls.key }
{{- end }}
{{- with .Values.tls.ticketKeysSecret }}
- name: ticket-keys
  secret: { secretName: {{ . }}, defaultMode: 0440 }
{{- end }}
{{- with include "sealpost.storeFiles" . | fromYaml }}
- name: store
  secret:
    secretName: {{ include "sealpost.storeSecret" $ }}
    defaultMode: 0440
    items:
      {{- range $path, $key := . }}
      - { key: {{ $key }}, path: {{ $path }} }
      {{- end }}
{{- end }}
{{- with .Values.extraVolumes }}{{ toYaml . | nindent 0 }}{{ end }}
{{- end }}
