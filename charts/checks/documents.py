"""What the charts say of themselves: comments of values.yaml, the schema, the table of README.md, and copies of other files."""

import json
import re
import tomllib

import yaml

from . import ROOT, Chart, settle

COPIES = {
    "deploy/prometheus/rules.yaml": "files/rules.yaml",
    "deploy/grafana/sealpost.json": "files/dashboard.json",
    "deploy/redis/standalone-fsync.conf": "files/valkey/standalone-fsync.conf",
    "deploy/redis/standalone-memory.conf": "files/valkey/standalone-memory.conf",
    "deploy/redis/users.acl": "files/valkey/users.acl",
}
BEGIN, END = "<!-- written by charts/check --update -->\n", "<!-- until here -->\n"
# What is more exact than the type of the example. The relay checks all of it when it starts.
EXACTLY = {
    "tls.min_version": {"enum": ["1.3", "1.2"]},
    "tls.admin": {"enum": ["off", "server", "mutual"]},
    "store.durability": {"pattern": "^(memory|fsync|replicas:[1-9][0-9]*)$"},
    "store.durability_check": {"enum": ["refuse", "warn"]},
    "admission.mode": {"enum": ["open", "voucher"]},
    "telemetry.log_format": {"enum": ["human", "json"]},
}


def check(chart: Chart, update: bool):
    """Problems with the documents of a chart; with `update`, what can be written is written first."""
    if chart.name == "sealpost":
        for original, copy in COPIES.items():
            yield from settle(chart.directory / copy, (ROOT / original).read_text(), update, f"is not {original}")
    values_text = (chart.directory / "values.yaml").read_text()
    values, told = yaml.safe_load(values_text), comments(values_text)
    file = chart.directory / "values.schema.json"
    schema = json.loads(file.read_text())
    if "config" in schema["properties"]:
        schema["properties"]["config"] = config_schema()
    yield from describe(schema, values, told, "")
    yield from settle(file, dump(schema), update, "does not say what values.yaml and the relay's settings do")
    readme = chart.directory / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    yield from settle(readme, before + BEGIN + table(schema, values) + END + after, update, "has not the values of values.yaml")


def comments(text):
    """The comment above each key of values.yaml, by the key's path."""
    told, path, lines = {}, [], []
    for line in text.splitlines():
        if found := re.match(r"( *)# (.*)", line):
            lines.append(found[2])
        elif found := re.match(r"( *)(\w+):", line):
            depth = len(found[1]) // 2
            path = path[:depth] + [found[2]]
            told[".".join(path)] = " ".join(lines)
            lines = []
        else:
            lines = []
    return told


def describe(schema, values, told, path):
    """Gives each value of the schema its comment, and finds what one of the two has alone."""
    properties = schema.get("properties", {})
    for key, of_key in properties.items():
        where = f"{path}.{key}" if path else key
        if where == "config" or where == "global":
            of_key.setdefault("description", "")
        elif key not in (values or {}):
            yield f"values.yaml: {where} is missing, and values.schema.json has it"
            continue
        if where != "global" and told.get(where):
            of_key["description"] = told[where]
        # What is empty by default is Kubernetes's or another's own.
        if values.get(key) and "properties" in of_key and where != "config":
            if of_key.get("additionalProperties") is not False:
                yield f"values.schema.json: {where} takes unknown keys"
            yield from describe(of_key, values[key], told, where)
        elif not of_key.get("description"):
            yield f"values.yaml: {where} has no comment"
        if "type" not in of_key:
            yield f"values.schema.json: {where} has no type"
    for key in set(values or {}) - set(properties):
        yield f"values.schema.json: {path}.{key} is missing, and values.yaml has it"


def config_schema():
    """Every setting of the relay, as sealpost.example.toml has it and docs/operations.md explains it."""
    example = (ROOT / "sealpost.example.toml").read_text()
    settings = tomllib.loads(re.sub(r"^#(?=\w+ = )", "", example, flags=re.MULTILINE))
    rows = re.findall(r"^\| `(\w+\.\w+)` \| ?(.*?) \| (.*) \|$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    meanings = {name: (plain(default), plain(meaning)) for name, default, meaning in rows}
    sections = {}
    for section, keys in settings.items():
        properties = {}
        for key, value in keys.items():
            default, meaning = meanings[f"{section}.{key}"]
            meaning = meaning[:1].upper() + meaning[1:] + ("" if meaning.endswith((".", "…")) else ".")
            properties[key] = {"description": meaning + (f" Default: {default}." if default else "")}
            properties[key] |= kind(value) | EXACTLY.get(f"{section}.{key}", {})
        sections[section] = {"description": f"Settings of [{section}].", "type": "object", "additionalProperties": False, "properties": properties}
    return {"description": "", "type": "object", "additionalProperties": False, "properties": sections}


def kind(value):
    if isinstance(value, list):
        return {"type": "array", "items": kind(value[0]) if value else {"type": "string"}}
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int):
        return {"type": "integer", "minimum": 0}
    return {"type": "number"} if isinstance(value, float) else {"type": "string"}


def plain(markdown):
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown).replace("`", "").strip()


def table(schema, values):
    """The values as a table of Markdown."""
    rows = ["| value | default | meaning |", "|---|---|---|"]

    def walk(properties, values, path):
        for key, value in values.items():
            where, of_key = f"{path}{key}", properties[key]
            if value and "properties" in of_key and where != "config":
                if of_key.get("description"):
                    rows.append(f"| **`{where}`** | | {cell(of_key['description'])} |")
                walk(of_key["properties"], value, f"{where}.")
            else:
                shown = json.dumps(value, ensure_ascii=False)
                rows.append(f"| `{where}` | `{cell(shown)}` | {cell(of_key['description'])} |")

    walk(schema["properties"], values, "")
    return "\n" + "\n".join(rows) + "\n\n"


def cell(text):
    return text.replace("|", "\\|")


def dump(schema):
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
