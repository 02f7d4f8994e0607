"""The page: self-contained, escaped, complete."""

from __future__ import annotations

import base64
import html.parser
import re

import pytest

from erlctl.analysis.comparison import compare
from erlctl.analysis.load import load
from erlctl.analysis.report import report
from erlctl.analysis.scores import Scoring
from tests.analysis import synthetic

VOID = {"meta", "img", "br"}


class Checker(html.parser.HTMLParser):
    """Counts tags and collects addresses."""

    def __init__(self):
        super().__init__()
        self.open, self.addresses, self.tags = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("report")
    runs_dir = tmp_path / "runs"
    synthetic.write_group(runs_dir, "dqn", [100.0, 110, 120, 130, 140])
    better = [300.0, 310, 320, 330, 340]
    synthetic.write_group(runs_dir, "munchausen_dqn", better, extra=", alpha: 0.9")
    synthetic.write_run(runs_dir, variant="dqn", seed=9, status="diverged",
                        reason="<script>alert(1)</script> & co")
    comparison = compare(load([runs_dir]), Scoring())
    return report(comparison, title="Cart <pole>", link_from=tmp_path)


def test_tags_are_balanced_and_nothing_is_fetched(page):
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert "script" not in checker.tags
    for address in checker.addresses:
        assert address.startswith(("data:image/svg+xml;base64,", "runs/"))


def test_what_runs_say_is_escaped(page):
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co" in page
    assert "<title>Cart &lt;pole&gt;</title>" in page


def test_the_page_holds_verdict_differences_provenance_and_every_run(page):
    assert "munchausen_dqn is better than dqn" in page
    assert "agent.alpha" in page
    assert "2.15.1" in page
    assert page.count("/seed-") >= 2 * 11
    assert "diverged at step 10,000" in page


def test_figures_are_whole_svgs_that_need_no_fonts(page):
    images = re.findall(r"base64,([A-Za-z0-9+/=]+)", page)
    assert len(images) == 5
    for image in images:
        svg = base64.b64decode(image)
        assert svg.rstrip().endswith(b"</svg>")
        assert b"<text" not in svg


def test_it_is_made_for_phones(page):
    assert 'name="viewport" content="width=device-width' in page
    assert page.count('class="scroll"') == page.count("<table")


def test_one_run_alone_still_has_a_page(runs_dir):
    synthetic.write_run(runs_dir)
    text = report(compare(load([runs_dir]), Scoring()), title="x")
    assert "href" not in text
    assert text.count("<img") == 4  # no pair to compare
