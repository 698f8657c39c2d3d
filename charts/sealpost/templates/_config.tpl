{{/* The relay's configuration: what config says, and what the other values decide. */}}

{{- define "sealpost.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $own := dict
  "relay" (dict "names" (include "sealpost.relayNames" . | fromJsonArray))
  "listen" (dict "address" (printf "%s:8443" .Values.listen) "admin" (printf "%s:8081" .Values.listen))
  "tls" (include "sealpost.tlsConfig" . | fromJson)
  "store" (include "sealpost.storeConfig" . | fromJson)
-}}
{{- include "sealpost.toml" (mergeOverwrite $config $own) | trim -}}
{{- end }}

{{- define "sealpost.tlsConfig" -}}
{{- if eq .Values.tls.mode "plaintext" -}}
{{- dict "mode" "plaintext" | toJson -}}
{{- else -}}
{{- $tls := dict "mode" "files" "certificate" "/run/sealpost/tls/tls.crt" "key" "/run/sealpost/tls/tls.key" -}}
{{- with .Values.tls.ticketKeysSecret }}{{ $_ := set $tls "ticket_keys_file" "/run/sealpost/ticket-keys/ticket-keys" }}{{ end -}}
{{- toJson $tls -}}
{{- end -}}
{{- end }}

{{- define "sealpost.storeConfig" -}}
{{- $store := dict -}}
{{- if .Values.valkey.enabled -}}
{{- $store = dict "url" (printf "redis://sealpost@%s-valkey.%s.svc" (include "sealpost.fullname" .) .Release.Namespace) "password_file" "/run/sealpost/store/password" -}}
{{- else -}}
{{- with .Values.redis.url }}{{ $_ := set $store "url" . }}{{ end -}}
{{- with .Values.redis.keys.password }}{{ $_ := set $store "password_file" "/run/sealpost/store/password" }}{{ end -}}
{{- with .Values.redis.keys.sentinelPassword }}{{ $_ := set $store "sentinel_password_file" "/run/sealpost/store/sentinel-password" }}{{ end -}}
{{- with .Values.redis.keys.ca }}{{ $_ := set $store "ca" "/run/sealpost/store/ca.crt" }}{{ end -}}
{{- end -}}
{{- toJson $store -}}
{{- end }}

{{/* Why `helm test` cannot test from within the cluster, if it cannot: "proxy" or "vouchers". */}}
{{- define "sealpost.untestable" -}}
{{- if eq (include "sealpost.setting" (list . "listen" "proxy_protocol")) "true" -}}
proxy
{{- else if and (eq (include "sealpost.setting" (list . "admission" "mode")) "voucher") (not .Values.test.vouchersSecret) -}}
vouchers
{{- end -}}
{{- end }}

{{/* How long the relay takes to leave, in seconds, with a margin for the last acknowledgements. */}}
{{- define "sealpost.leaving" -}}
{{- $notice := include "sealpost.setting" (list . "drain" "notice_ms") | default "0" | float64 -}}
{{- $deadline := include "sealpost.setting" (list . "drain" "deadline_ms") | default "20000" | float64 -}}
{{- add (divf (addf $notice $deadline) 1000 | ceil | int) 5 -}}
{{- end }}
