"""The documentation page: every example works unchanged."""

import json

import pytest

from healthcare.tests.browser.conftest import VIEWS


class Operation:
    """An operation in Swagger UI: open it, execute it, read the response."""

    def __init__(self, page, method, path):
        self.block = page.locator(f".opblock-{method}").filter(has=page.locator(f'[data-path="{path}"]'))
        self.block.locator(".opblock-summary-control").click()

    def execute(self):
        """Execute with the current values; return (status, response)."""
        self.block.get_by_role("button", name="Execute").click()
        response = self.block.locator(".live-responses-table tbody tr.response").first
        response.wait_for()
        status = int(response.locator(".response-col_status").inner_text().split()[0])
        return status, json.loads(response.locator(".highlight-code code").first.inner_text())


def test_the_examples_work_by_clicking_alone(page, look):
    page.goto("/api/docs/")
    page.locator(".opblock").first.wait_for()
    look("docs", labels=False)

    assert Operation(page, "post", "/api/auth/register/").execute()[0] == 201
    status, pair = Operation(page, "post", "/api/auth/login/").execute()
    assert status == 200
    page.get_by_role("button", name="Authorize").first.click()
    page.locator(".auth-container input").fill(pair["access"])
    page.locator(".auth-btn-wrapper button[type=submit]").click()
    page.locator(".auth-btn-wrapper .btn-done").click()

    for path in ["/api/patients/", "/api/doctors/", "/api/mappings/"]:
        status, record = Operation(page, "post", path).execute()
        assert (status, record["id"]) == (201, 1)
    for path in ["/api/patients/", "/api/doctors/", "/api/mappings/"]:
        status, records = Operation(page, "get", path).execute()
        assert (status, len(records)) == (200, 1)
    look("docs-used", labels=False)


@pytest.mark.parametrize(
    ("page", "view"), [(value, name) for name, value in VIEWS.items()], indirect=["page"], ids=VIEWS
)
def test_the_docs_are_readable_in_every_view(page, look, view):
    page.goto("/api/docs/")
    page.locator(".opblock").first.wait_for()
    for method in ["get", "post", "put", "patch", "delete"]:
        page.locator(f".opblock-{method} .opblock-summary-control").last.click()
    page.locator(".opblock-delete .responses-table").wait_for()
    look(f"docs-{view}", labels=False)

    dark = page.locator("html").evaluate("element => element.classList.contains('dark-mode')")
    assert dark is ("dark" in view)


def test_errors_that_all_operations_share_take_one_line(page):
    page.goto("/api/docs/")
    page.locator(".opblock-post .opblock-summary-control").first.click()
    responses = page.locator(".opblock.is-open .responses-table .response")
    responses.first.wait_for()

    examples = {
        response.get_attribute("data-code"): response.locator(".model-example").first.is_visible()
        for response in responses.all()
    }

    assert {code for code, visible in examples.items() if visible} == {"201", "400", "403"}
    assert {"413", "415", "429", "503"} <= examples.keys()
