# SPDX-License-Identifier: AGPL-3.0-or-later
"""From a figure of the work report to the case behind it, in a real browser."""

import pytest

from tests.console.test_browser import playwright, served, visit
from tests.console.test_desk import case_id, put_life, step

__all__ = ["playwright", "served", "visit"]
pytestmark = pytest.mark.browser
pytestmark = pytest.mark.browser


def test_a_figure_of_the_report_leads_to_its_case(visit, box):
    put_life(box, 90, step(90, "confirmed", 10.0))
    visitor = visit("laptop")
    visitor.open("/statistics/report")
    page = visitor.page
    page.locator("details summary").first.click()
    page.locator(f"details a:text-is('{case_id(90)}')").first.click()
    page.wait_for_load_state()
    assert page.url.endswith(f"/cases/{case_id(90)}")
    assert case_id(90) in page.content()
    assert page.locator("[name=password]").count() == 0
    assert visitor.wrong == []
