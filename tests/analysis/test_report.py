"""The page: self-contained, escaped, complete."""

from __future__ import annotations

import base64
import html
import html.parser
import json
import re

import pytest

from erlctl.analysis.comparison import compare
from erlctl.analysis.load import load
from erlctl.analysis.report import report
from erlctl.analysis.scores import Scoring
from tests.analysis import synthetic

VOID = {"meta", "img", "br", "source"}


class Checker(html.parser.HTMLParser):
    """Counts tags and collects addresses."""

    def __init__(self):
        super().__init__()
        self.open, self.addresses, self.tags = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "srcset", "href")]

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
    for path in runs_dir.rglob("run.json"):
        facts = json.loads(path.read_text())
        facts["command"] = ["erlctl", "train", "my spec.yaml", "--set", "a=1"]
        path.write_text(json.dumps(facts))
    comparison = compare(load([runs_dir]), Scoring())
    return report(comparison, title="Cart <pole>", link_from=tmp_path)


def test_tags_are_balanced_and_nothing_is_fetched(page):
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert "script" not in checker.tags
    for address in checker.addresses:
        assert address.startswith(("data:image/svg+xml;base64,", "runs/", "#"))


def test_every_section_is_linked_and_no_heading_stands_twice(page):
    sections = re.findall(r'<section id="([^"]+)"', page)
    assert sections == re.findall(r'href="#([^"]+)"', page)
    headings = re.findall(r"<h[1-3]>(.*?)</h[1-3]>", page)
    assert len(headings) == len(set(map(str.lower, headings))) >= 6


def test_provenance_holds_date_host_commit_command_and_training_time(page):
    text = html.unescape(page)
    rows = dict(re.findall(r"<tr><td>([^<]+)</td><td>([^<]*)</td>", text))
    assert rows["started on"] == "2024-01-01"
    assert rows["host"] == "somewhere"
    assert rows["commit"] == "0" * 40
    assert rows["command"] == "erlctl train 'my spec.yaml' --set a=1"
    assert rows["training time"] == "1 min 50 s in all, 10 s per run (median)"


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
    assert len(images) == 2 * 5  # for wide and for narrow pages
    for image in images:
        svg = base64.b64decode(image)
        assert svg.rstrip().endswith(b"</svg>")
        assert b"<text" not in svg


def test_it_is_made_for_phones(page):
    assert 'name="viewport" content="width=device-width' in page
    assert page.count('class="scroll"') == page.count("<table")
    assert page.count('<source media="(max-width: 40rem)"') == page.count("<img") == 5
    assert "min-width:" not in re.sub(r"<style>.*</style>", "", page, flags=re.DOTALL)
    assert "10,000\N{NO-BREAK SPACE}of\N{NO-BREAK SPACE}10,000" in page
    assert "prefers-color-scheme: dark" in page


def test_one_run_alone_still_has_a_page(runs_dir):
    synthetic.write_run(runs_dir)
    text = report(compare(load([runs_dir]), Scoring()), title="x")
    assert "href" not in text.replace('href="#', "")
    assert text.count("<img") == 4  # no pair to compare
