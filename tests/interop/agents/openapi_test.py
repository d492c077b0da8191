"""The OpenAPI document, as a validator that others wrote sees it."""

import unittest

import openapi_spec_validator

from server import Server


class OpenApiTest(unittest.TestCase):
    def test_it_is_valid(self):
        gateway = Server()
        self.addCleanup(gateway.stop)
        status, _, document = gateway.request("GET", "/v1/openapi.json")
        self.assertEqual(status, 200)
        openapi_spec_validator.OpenAPIV31SpecValidator(document).validate()

    def test_the_validator_finds_what_is_wrong(self):
        with self.assertRaises(Exception):
            openapi_spec_validator.OpenAPIV31SpecValidator({"openapi": "3.1.0"}).validate()


if __name__ == "__main__":
    unittest.main()
