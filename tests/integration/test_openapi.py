"""The OpenAPI document: sound, complete, and kept by the answers."""

import json
import pathlib
import re
import unittest

import jsonschema
from gateway import Gateway, wait_until

SOURCES = pathlib.Path(__file__).resolve().parents[2] / "src/faces/v1"
METHODS = ("get", "put", "post", "delete", "patch")


def references(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


class OpenApi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.stop)
        cls.document = cls.gateway.request("GET", "/v1/openapi.json")[2]

    def operations(self):
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    yield path, method, item[method]

    def resolve(self, value):
        while "$ref" in value:
            found = self.document
            for part in value["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            value = found
        return value

    def call(self, method, template, body=None, *, status, query="", **names):
        """The JSON answer, which must be what the document says for this status."""
        path = re.sub(r"\{(\w+)\}", lambda m: names[m[1]], template) + query
        got, headers, answer = self.gateway.ask(method, path, body)
        self.assertEqual(got, status, answer)
        response = self.resolve(self.document["paths"][template][method.lower()]["responses"][str(got)])
        kind = headers.get("Content-Type", "").partition(";")[0]
        if "content" in response or kind:
            self.assertIn(kind, response["content"])
            schema = {**response["content"][kind]["schema"], "components": self.document["components"]}
            if kind.endswith("json"):
                jsonschema.Draft202012Validator(schema).validate(answer)
        for name in response.get("headers", {}):
            self.assertIn(name, headers)
        return answer

    def answered(self, method, path):
        status, _, body = self.gateway.request(method, path, {} if method in ("POST", "PUT", "PATCH") else None)
        return not (status == 404 and isinstance(body, dict) and body.get("message") == "Not Found")

    # The document

    def test_it_is_openapi_3_1_for_this_version_and_address(self):
        self.assertEqual(self.document["openapi"], "3.1.0")
        self.assertEqual(self.document["info"]["version"],
                         self.gateway.request("GET", "/v1/info")[2]["version"])
        self.assertEqual(self.document["servers"], [{"url": "/"}])

    def test_its_references_lead_somewhere_and_nothing_is_unused(self):
        used = set(references(self.document))
        for reference in used:
            self.resolve({"$ref": reference})
        for name in self.document["components"]["schemas"]:
            self.assertIn(f"#/components/schemas/{name}", used)

    def test_its_schemas_are_json_schemas(self):
        for name, schema in self.document["components"]["schemas"].items():
            with self.subTest(name):
                jsonschema.Draft202012Validator.check_schema(schema)

    def test_every_operation_is_named_once_and_says_what_its_path_takes(self):
        names = [operation["operationId"] for *_, operation in self.operations()]
        self.assertEqual(len(names), len(set(names)))
        for path, method, operation in self.operations():
            with self.subTest(path=path, method=method):
                self.assertTrue(operation["summary"] and operation["responses"])
                parameters = self.document["paths"][path].get("parameters", [])
                self.assertEqual(sorted(p["name"] for p in parameters if p["in"] == "path"),
                                 sorted(re.findall(r"\{(\w+)\}", path)))

    # Its paths

    def test_every_path_of_it_is_answered(self):
        for path, method, _ in self.operations():
            with self.subTest(path=path, method=method):
                self.assertTrue(self.answered(method.upper(), re.sub(r"\{\w+\}", "none", path)))

    def test_every_path_that_is_answered_is_in_it(self):
        # Whatever a path may be made of stands in the sources as a literal.
        words = set()
        for source in SOURCES.glob("*.cpp"):
            words.update(re.findall(r'"([a-z][a-z_.:-]*)"', source.read_text()))
        self.assertTrue({"sessions", "files:archive", "by-key", "openapi.json"} <= words)
        known = {re.sub(r"\{\w+\}", "*", path) for path in self.document["paths"]}
        groups = {word for word in words if any(
            self.answered("GET", path) for path in (f"/v1/{word}", f"/v1/{word}/none"))}
        paths = [f"/v1/{word}" for word in words]
        paths += [f"/v1/{group}/{word}" for group in groups for word in words]
        paths += [f"/v1/{group}/none/{word}" for group in groups for word in words]
        paths += [f"/v1/{group}/none/{word}/none" for group in groups for word in words]
        for path in paths:
            if not self.answered("GET", path):
                continue
            patterns = ["/v1/([^/]+)/none/([^/]+)/none", "/v1/([^/]+)/none/([^/]+)"]
            shapes = {path, path.replace("/none", "/*"), re.sub("^(/v1/[^/]+)/[^/]+$", r"\1/*", path),
                      re.sub("^(/v1/sessions/by-key)/.*$", r"\1/*", path)}
            self.assertTrue(shapes & known, f"{path} is answered and not in the document: {patterns}")

    # Its answers

    def test_probes_need_no_token_and_the_rest_does(self):
        for path, item in self.document["paths"].items():
            status = self.gateway.request("GET", re.sub(r"\{\w+\}", "none", path), token=False)[0]
            is_open = item.get("get", {}).get("security") == [{}]
            self.assertEqual(status, 200 if is_open else 401, path)

    def test_answers_are_what_it_says(self):
        info = self.call("GET", "/v1/info", status=200)
        self.assertIn("python", info["languages"])
        self.assertEqual(info["isolation"]["default"], "none")
        self.assertIn("autogen", info["formatters"])
        self.call("GET", "/healthz", status=200)
        self.call("GET", "/readyz", status=200)
        self.call("GET", "/v1/openapi.json", status=200)

        session = self.call("POST", "/v1/sessions", {"kernel": "python3", "key": "k"}, status=201)
        names = {"session": session["session_id"]}
        path = "/v1/sessions/{session}"
        self.call("GET", "/v1/sessions", status=200)
        self.call("PUT", "/v1/sessions/by-key/{key}", {}, status=200, key="k")
        self.call("GET", path, status=200, **names)
        self.call("PATCH", path, {"idle_timeout_s": 600}, status=200, **names)
        self.call("GET", path, status=404, session="none")
        result = self.call("POST", path + "/execute", status=200, **names, body={
            "code": "from IPython.display import HTML\nopen('f.txt','w').write('x'*9)\nx = 5\nHTML('<b>b</b>')"})
        self.assertEqual({f["path"] for f in result["output_files"]} >= {"f.txt"}, True)
        self.call("POST", path + "/execute", {"code": "1/0"}, status=200, **names)
        self.call("POST", path + "/execute", {"cod": "1"}, status=400, **names)
        running = self.call("POST", path + "/execute", {"code": "input()", "stdin": "interactive",
                                                       "mode": "async"}, status=202, **names)
        execution = {"execution": running["execution_id"]}
        self.call("GET", "/v1/executions/{execution}", status=200, **execution)
        wait_until(lambda: self.gateway.request(
            "POST", f"/v1/executions/{running['execution_id']}/input", {"text": ""})[0] == 204, "prompt")
        self.call("GET", "/v1/executions/{execution}", status=200, query="?wait_s=60", **execution)
        self.call("POST", "/v1/executions/{execution}/input", {"text": ""}, status=409, **execution)
        self.call("POST", "/v1/executions/{execution}/cancel", status=202, **execution)
        self.call("GET", "/v1/executions/{execution}/output", status=200, **execution)
        self.call("GET", "/v1/executions/{execution}/output", status=400, query="?offset=x", **execution)
        self.call("GET", path + "/files", status=200, **names)
        self.call("GET", path + "/files/{path}", status=404, path="none", **names)
        self.call("PUT", path + "/files/{path}", b"text", status=201, path="a.txt", **names)
        self.call("DELETE", path + "/files/{path}", status=204, path="a.txt", **names)
        self.call("GET", path + "/variables", status=200, **names)
        self.call("GET", path + "/variables/{name}", status=200, name="x", **names)
        self.call("GET", path + "/variables/{name}", status=404, name="nope", **names)
        self.call("PUT", path + "/variables/{name}", b"[1, 2]", status=200, name="y", **names)
        self.call("POST", path + "/evaluate", {"expressions": {"a": "len(y)"}}, status=200, **names)
        self.call("GET", path + "/history", status=200, **names)
        self.call("GET", path + "/history", status=200, query="?format=ipynb", **names)

        checkpoint = self.call("POST", path + "/checkpoints", {"label": "a"}, status=201, **names)
        checkpoints = {"checkpoint": checkpoint["checkpoint_id"]}
        self.call("POST", path + "/checkpoints", {"labl": "a"}, status=400, **names)
        self.call("GET", path + "/checkpoints", status=200, **names)
        self.call("GET", "/v1/checkpoints", status=200)
        self.call("POST", path + "/checkpoints/{checkpoint}/restore", status=200, **names, **checkpoints)
        self.call("POST", "/v1/sessions", {"checkpoint": checkpoint["checkpoint_id"], "key": "copy"}, status=201)
        self.call("DELETE", path, status=204, session="copy")
        self.call("POST", path + "/fork", {}, status=201, **names)
        self.call("GET", path + "/checkpoints/{checkpoint}", status=200, **names, **checkpoints)
        self.call("DELETE", path + "/checkpoints/{checkpoint}", status=204, **names, **checkpoints)
        self.call("GET", "/v1/checkpoints/{checkpoint}", status=404, **checkpoints)

        job = self.call("POST", "/v1/jobs", {"steps": [{"code": "x"}, {"code": "1/0"}],
                                             "session": "k"}, status=202)
        names_of_job = {"job": job["job_id"]}
        wait_until(lambda: self.gateway.request("GET", f"/v1/jobs/{job['job_id']}")[2]["status"] == "failed",
                   "the job's end")
        self.call("GET", "/v1/jobs", status=200)
        self.call("GET", "/v1/jobs/{job}", status=200, **names_of_job)
        self.call("GET", "/v1/jobs/{job}/notebook", status=200, **names_of_job)
        self.call("POST", "/v1/jobs/{job}/cancel", status=202, **names_of_job)
        self.call("POST", "/v1/jobs/{job}/resume", {"from_step": 9}, status=400, **names_of_job)

        self.call("POST", path + "/interrupt", status=200, **names)
        self.call("POST", path + "/restart", status=200, **names)
        self.call("DELETE", path, status=204, **names)


if __name__ == "__main__":
    unittest.main()
