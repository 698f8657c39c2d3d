{{/* What each generator is told, as a JSON list: its share of the rate and of the mailboxes. */}}
{{- define "loadtest.arguments" -}}
{{- $count := .Values.generators -}}
{{- $arguments := list "run" .Values.scenario "--quiet" "--json=-" (printf "--steady=%s" .Values.steady) -}}
{{- $begin := now | mustDateModify (printf "%ds" (int .Values.startAfterSeconds)) -}}
{{- $arguments = append $arguments (printf "--start-at=%s" (dateInZone "2006-01-02T15:04:05Z" $begin "UTC")) -}}
{{- with .Values.rate }}{{ $arguments = append $arguments (printf "--rate=%v" (divf . $count)) }}{{ end -}}
{{- with .Values.mailboxes }}{{ $arguments = append $arguments (printf "--mailboxes=%d" (div . $count)) }}{{ end -}}
{{- range $key, $value := .Values.set }}{{ $arguments = append $arguments (printf "--set=%s=%s" $key (toRawJson $value)) }}{{ end -}}
{{- range .Values.relays }}{{ $arguments = append $arguments (printf "--relay=%s" .) }}{{ end -}}
{{- range .Values.metrics }}{{ $arguments = append $arguments (printf "--metrics=%s" .) }}{{ end -}}
{{- with .Values.relayName }}{{ $arguments = append $arguments (printf "--relay-name=%s" .) }}{{ end -}}
{{- if .Values.plaintext }}{{ $arguments = append $arguments "--plaintext" }}{{ end -}}
{{- if .Values.caSecret }}{{ $arguments = append $arguments "--ca=/run/sealpost/ca/ca.crt" }}{{ end -}}
{{- if .Values.vouchersSecret }}{{ $arguments = append $arguments "--vouchers=/run/sealpost/vouchers/$(JOB_COMPLETION_INDEX)" }}{{ end -}}
{{- toJson $arguments -}}
{{- end }}

{{- define "loadtest.refuse" -}}
{{- if not .Values.relays }}{{ fail "relays names nobody to test: set it to the relays' URL, as in [https://sealpost.sealpost.svc]." }}{{ end -}}
{{- range .Values.relays -}}
{{- if and (hasPrefix "http://" .) (not $.Values.plaintext) }}{{ fail (printf "%s goes without TLS: write https://, or set plaintext to true if you mean it." .) }}{{ end -}}
{{- if and (hasPrefix "https://" .) $.Values.plaintext }}{{ fail (printf "plaintext is true, and %s is by TLS: write http:// in relays, or set plaintext to false." .) }}{{ end -}}
{{- end -}}
{{- with .Values.mailboxes -}}
{{- if mod . $.Values.generators }}{{ fail (printf "%d mailboxes cannot be shared by %d generators: choose a multiple." (int .) (int $.Values.generators)) }}{{ end -}}
{{- end -}}
{{- end }}
