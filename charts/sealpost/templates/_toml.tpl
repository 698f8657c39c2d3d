{{/*
The relay's configuration as TOML, of a map of sections. Helm reads numbers as float64, so whole ones are written as such and not as
1e+06. JSON's strings and lists of strings are TOML's.
*/}}
{{- define "sealpost.toml" -}}
{{- range $section, $settings := . }}
[{{ $section }}]
{{- range $key, $value := $settings }}
{{ $key }} = {{ include "sealpost.tomlValue" $value }}
{{- end }}
{{ end }}
{{- end }}

{{- define "sealpost.tomlValue" -}}
{{- if kindIs "slice" . -}}
[{{ range $at, $value := . }}{{ if $at }}, {{ end }}{{ include "sealpost.tomlValue" $value }}{{ end }}]
{{- else if kindIs "string" . -}}
{{ toRawJson . }}
{{- else if and (kindIs "float64" .) (eq (floor .) .) -}}
{{ int64 . }}
{{- else -}}
{{ . }}
{{- end -}}
{{- end }}
