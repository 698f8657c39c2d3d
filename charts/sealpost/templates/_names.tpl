{{/* What objects are called, and by what they are found. */}}

{{- define "sealpost.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "sealpost.fullname" -}}
{{- $name := include "sealpost.name" . -}}
{{- $whole := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $whole .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* What never changes of a component's labels: list of the context and the component. */}}
{{- define "sealpost.selector" -}}
app.kubernetes.io/name: {{ include "sealpost.name" (index . 0) }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "sealpost.labels" -}}
{{ include "sealpost.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "sealpost.serviceAccountName" -}}
{{- $default := ternary (include "sealpost.fullname" .) "default" .Values.serviceAccount.create -}}
{{- default $default .Values.serviceAccount.name -}}
{{- end }}

{{/* An image by its digest, or else by its tag: list of the image and the default tag. */}}
{{- define "sealpost.image" -}}
{{- $image := index . 0 -}}
{{- $tag := default (index . 1) $image.tag -}}
{{- printf "%s:%s%s" $image.repository $tag (empty $image.digest | ternary "" (printf "@%s" $image.digest)) -}}
{{- end }}

{{/* The names by which clients reach the relay, as a JSON list: those that were given, then the Service's. */}}
{{- define "sealpost.relayNames" -}}
{{- $names := .Values.relay.names -}}
{{- $own := or (empty $names) (has .Values.tls.mode (list "selfSigned" "plaintext")) -}}
{{- if not (kindIs "invalid" .Values.relay.serviceNames) }}{{ $own = .Values.relay.serviceNames }}{{ end -}}
{{- if $own -}}
{{- $service := include "sealpost.fullname" . -}}
{{- $inNamespace := printf "%s.%s" $service .Release.Namespace -}}
{{- $names = concat $names (list (printf "%s.svc" $inNamespace) $inNamespace $service) -}}
{{- end -}}
{{- uniq $names | toJson -}}
{{- end }}

{{/* Of a list of names, as a JSON list, the "hosts" or the "addresses": list of names and which. */}}
{{- define "sealpost.only" -}}
{{- $found := list -}}
{{- range index . 0 -}}
{{- $isAddress := or (contains ":" .) (regexMatch "^[0-9.]+$" .) -}}
{{- if eq $isAddress (eq (index $ 1) "addresses") }}{{ $found = append $found . }}{{ end -}}
{{- end -}}
{{- toJson $found -}}
{{- end }}

{{- define "sealpost.servicePort" -}}
{{- .Values.service.port | default (ternary 80 443 (eq .Values.tls.mode "plaintext")) -}}
{{- end }}

{{/* The Secret of the certificate. */}}
{{- define "sealpost.tlsSecret" -}}
{{- if eq .Values.tls.mode "existingSecret" }}{{ .Values.tls.existingSecret }}{{ else }}{{ include "sealpost.fullname" . }}-tls{{ end -}}
{{- end }}

{{/* The Secret with what is secret of the store, if there is one. */}}
{{- define "sealpost.storeSecret" -}}
{{- if .Values.valkey.enabled }}{{ .Values.valkey.existingSecret | default (printf "%s-valkey" (include "sealpost.fullname" .)) }}{{ else }}{{ .Values.redis.existingSecret }}{{ end -}}
{{- end }}

{{/* What config says of a setting, or nothing: list of the context, the section, the key. */}}
{{- define "sealpost.setting" -}}
{{- $section := get (index . 0).Values.config (index . 1) | default dict -}}
{{- if hasKey $section (index . 2) }}{{ get $section (index . 2) }}{{ end -}}
{{- end }}

{{- define "sealpost.adminScheme" -}}
{{- ternary "https" "http" (eq (include "sealpost.setting" (list . "tls" "admin")) "server") -}}
{{- end }}
