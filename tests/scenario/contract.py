"""schema/openapi.yaml as a judge: what it says of a path, and whether an answer keeps to it."""

import json
import re

import jsonschema
import yaml

from harness import check


class Contract:
    def __init__(self, path):
        with open(path, encoding="utf-8") as f:
            self.document = yaml.safe_load(f)
        self.resolver = jsonschema.RefResolver("", self.document)
        self.seen = set()  # (method, path, status) that were answered
        self.check_itself()

    def follow(self, node):
        while "$ref" in node:
            node = self.resolver.resolve(node["$ref"])[1]
        return node

    def operations(self):
        """(method, path, operation)"""
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                yield method.upper(), path, operation

    def documented(self):
        return {(method, path, int(status)) for method, path, o in self.operations() for status in o["responses"]}

    def check_itself(self):
        """What OpenAPI asks of a document, as far as a client would stumble over it."""
        check(self.document["openapi"].startswith("3.1"), "the version of OpenAPI")
        for name, schema in self.document["components"]["schemas"].items():
            try:
                jsonschema.Draft202012Validator.check_schema(schema)
            except jsonschema.SchemaError as e:
                check(False, f"schema {name}: {e.message}")
        for reference in set(re.findall(r"'\$ref': '([^']+)'", str(self.document))):
            self.resolver.resolve(reference)
        ids = [o["operationId"] for _, _, o in self.operations()]
        check(len(set(ids)) == len(ids), f"an operationId is there twice: {ids}")
        for method, path, operation in self.operations():
            where = f"{method} {path}"
            check(operation.get("summary") and operation["responses"], f"{where} is not described")
            for status, response in operation["responses"].items():
                keys = set(self.follow(response))
                check(keys <= {"description", "headers", "content"}, f"{where}, {status}: {keys}")
            named = {p["name"] for p in map(self.follow, operation.get("parameters", [])) if p["in"] == "path"}
            check(named == set(re.findall(r"{(\w+)}", path)), f"{where}: parameters of the path: {named}")

    def judge(self, method, path, answer, about=""):
        """`answer` is one that `method` on `path` may give."""
        where = f"{method} {path} {about} answered {answer.status}"
        operation = self.document["paths"][path].get("get" if method == "HEAD" else method.lower())
        check(str(answer.status) in operation["responses"], f"{where}, which is not documented: {answer.body[:500]}")
        described = self.follow(operation["responses"][str(answer.status)])
        for name, header in described.get("headers", {}).items():
            value = answer.headers.get(name)
            check(value is not None or not header.get("required"), f"{where} without {name}")
        self.seen.add((method, path, answer.status))
        contents = described.get("content")
        if method == "HEAD" or contents is None:
            check(not answer.body, f"{where} with a body: {answer.body[:200]}")
            return
        kind = answer.headers.get("Content-Type", "").split(";")[0]
        check(kind in contents, f"{where} as {kind}, not {list(contents)}")
        if kind == "application/json":
            self.validate(contents[kind]["schema"], answer.document(), where)

    def validate(self, schema, document, where):
        if isinstance(schema, str):
            schema = {"$ref": "#/components/schemas/" + schema}
        validator = jsonschema.Draft202012Validator(schema, resolver=self.resolver)
        wrong = [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:300]}" for e in validator.iter_errors(document)]
        check(not wrong, f"{where}: " + "; ".join(wrong[:5]) + "\n" + json.dumps(document)[:1500])
