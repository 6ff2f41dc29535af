"""``fluorosam anatomy``."""

from __future__ import annotations


def test_resolve_shows_the_structure_and_what_was_mended(run):
    result = run("anatomy", "resolve", "lt femmur")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "left femur"
    assert "femmur -> femur" in result.stdout and "SCT 71341001 Femur" in result.stdout


def test_resolve_shows_the_members_of_a_group(run):
    assert "left lung, right lung" in run("anatomy", "resolve", "lungs").stdout


def test_search_finds_synonyms_best_first(run):
    lines = run("anatomy", "search", "collar bone", "--limit", "3").stdout.splitlines()
    assert len(lines) == 3 and lines[0].split("  ")[0] == "clavicle" and "collar bone" in lines[0]


def test_complete_lists_names_that_begin_so(run):
    assert "left femur" in run("anatomy", "complete", "lt fem").stdout.splitlines()


def test_unknown_and_ambiguous_names_are_failures_with_proposals(fails):
    assert "Did you mean" in fails("anatomy", "resolve", "left femurandtibia x")
    assert " or " in fails("anatomy", "resolve", "phalanx")
    fails("anatomy", "resolve", "")
    fails("anatomy", "search", "qqqqqqqqq")
