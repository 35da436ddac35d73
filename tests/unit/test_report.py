"""The report says what the runs say, in both languages, and asks nothing of any other machine."""

from __future__ import annotations

import re
import string
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.report_case import DRAW, FIRST, LAST, Checker, outcome_table, page, run_of
from tests.tiny import tiny_city
from transport_abm.core.errors import InputError, StoreError
from transport_abm.networks.cities.beijing_osm import NOTES
from transport_abm.networks.cities.city_files import write_city
from transport_abm.networks.reference.build import reference_meta
from transport_abm.outcomes import OUTCOMES
from transport_abm.policy.inputs import shipped_catalogue
from transport_abm.policy.levers import read_levers
from transport_abm.policy.scenario import Scenario, scenario_names
from transport_abm.policy.targets import read_targets
from transport_abm.report import write_report
from transport_abm.report.figures import form, nice_step, percent, plain, points, round_numbers, small
from transport_abm.report.markup import Markup, el, escape
from transport_abm.report.page import build_page
from transport_abm.report.reading import observed_values, read_runs
from transport_abm.report.svg import spread
from transport_abm.report.texts import LANGUAGES, text_table, texts
from transport_abm.results import Ensemble, Results


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny city as a city folder."""
    path = tmp_path_factory.mktemp("city") / "tiny"
    write_city(tiny_city(), path)
    return path


@pytest.fixture
def run() -> Results:
    """One run of the tiny city."""
    return run_of(tiny_city())


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_is_well_formed_and_its_drawings_are_xml(
    run: Results, folder: Path, tmp_path: Path, language: str
) -> None:
    text = page(run, folder, tmp_path, language)
    checker = Checker(text)
    drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawings) == 10  # share, four variants, modes, two district maps, roads, metro
    for drawing in drawings:
        ElementTree.fromstring(drawing.replace("&nbsp;", " "))
    assert text.startswith("<!doctype html>")
    assert ("html", "lang", "zh-CN" if language == "zh" else "en") in checker.attributes
    assert ("meta", "charset", "utf-8") in checker.attributes


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_asks_nothing_of_any_other_machine(
    run: Results, folder: Path, tmp_path: Path, language: str
) -> None:
    text = page(run, folder, tmp_path, language)
    checker = Checker(text)
    assert not {"script", "link", "img", "iframe", "object", "embed", "image", "use", "base", "form"} & set(
        checker.tags
    )
    assert not [
        a for a in checker.attributes if a[1] in ("src", "href", "xlink:href", "action", "srcset", "data")
    ]
    assert not [a for a in checker.attributes if a[1].startswith("on")]
    assert "@import" not in text and "@font-face" not in text
    assert re.findall(r"url\(([^)]*)\)", text) and all(
        u.startswith("#") for u in re.findall(r"url\(([^)]*)\)", text)
    )
    policy = next(a[2] for a in checker.attributes if a[1] == "content" and "default-src" in a[2])
    assert "default-src 'none'" in policy and "script-src" not in policy


def test_ids_are_unique_and_every_reference_finds_its_own(run: Results, folder: Path, tmp_path: Path) -> None:
    text = page(run, folder, tmp_path)
    ids = [value for _, name, value in Checker(text).attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]*)\)", text)) <= set(ids)


def test_same_runs_give_the_same_bytes_twice(run: Results, folder: Path, tmp_path: Path) -> None:
    first = write_report(run, tmp_path / "a.html", city=str(folder)).read_bytes()
    second = write_report(run, tmp_path / "b.html", city=str(folder)).read_bytes()
    assert first == second


def test_headline_states_value_gap_and_verdict(run: Results, folder: Path, tmp_path: Path) -> None:
    text = Checker(page(run, folder, tmp_path)).text
    assert "reaches 77.1% in 2025, 0.6 percentage points above the mark: the plan's target is met." in text
    assert "reaches 77.1% in 2030, 0.9 percentage points below the mark: the plan's aim is missed." in text


def test_one_run_has_no_band_and_says_so(run: Results, folder: Path, tmp_path: Path) -> None:
    text = Checker(page(run, folder, tmp_path)).text
    assert text.count("none: one run only") == 2 and "With one run there is no band" in text
    assert "5–95% of the runs" not in text


def test_several_runs_have_a_band_and_a_share_of_runs_that_meet(folder: Path, tmp_path: Path) -> None:
    # 2025: 0.7712 less 0, 0.0004, ..., so that replications 0-15 meet 0.765 and later ones miss it.
    runs = Ensemble(tuple(run_of(tiny_city(), k) for k in (0, 10, 20)))
    text = Checker(page(runs, folder, tmp_path)).text
    assert "2 of 3 runs (67%)" in text and "is met in 2 of 3 runs, so the answer is open" in text
    assert "0 of 3 runs (0%)" in text and "is met in none of the 3 runs" in text
    assert (
        f"{percent(0.7712 - 19 * DRAW)} – {percent(0.7712 - 1 * DRAW)}" in text
    )  # interpolated quantiles of three
    assert "one run" not in text.lower().replace("fewer than 20 runs", "")


def test_verdict_follows_the_number_not_its_rounding(folder: Path, tmp_path: Path) -> None:
    run = run_of(tiny_city())
    table = run.table.copy()
    own = (table["outcome"] == "green_share") & (table["district"] == "")
    table.loc[own & (table["year"] == 2025), "value"] = 0.76499
    table.loc[own & (table["year"] == 2030), "value"] = 0.78
    text = Checker(page(replace(run, table=table), folder, tmp_path)).text
    assert "reaches 76.5% in 2025, exactly at the mark: the plan's target is missed" in text.replace(
        "exactly", "exactly"
    )
    assert "reaches 78.0% in 2030, exactly at the mark: the plan's aim is met" in text


@pytest.mark.parametrize(("language", "loud"), [("en", "NOT CONVERGED"), ("zh", "未收敛")])
def test_year_above_its_threshold_is_told_loudly_and_has_no_verdict(
    folder: Path, tmp_path: Path, language: str, loud: str
) -> None:
    checker = Checker(page(run_of(tiny_city(), excess=2.5), folder, tmp_path, language))
    assert ("div", "role", "alert") in checker.attributes
    # Banner, card of 2030, legend of the chart, table of gaps; in Chinese the sentence and the ledger too.
    assert checker.text.count(loud) == (4 if language == "en" else 6)
    assert "2.5" in checker.text
    assert "aim is missed" not in checker.text and "力争目标未能实现" not in checker.text
    quiet = Checker(page(run_of(tiny_city()), folder, tmp_path, language))
    assert loud not in quiet.text and ("div", "role", "alert") not in quiet.attributes


def test_one_replication_above_its_threshold_is_enough(folder: Path, tmp_path: Path) -> None:
    runs = Ensemble((run_of(tiny_city(), 0), run_of(tiny_city(), 1, excess=1.01)))
    assert read_runs(runs).not_converged == [LAST]


def test_run_that_does_not_tell_its_gap_counts_as_not_converged(run: Results) -> None:
    table = run.table[run.table["outcome"] != "gap"]
    assert read_runs(replace(run, table=table)).not_converged == list(range(FIRST, LAST + 1))


def test_run_without_the_target_year_gives_no_verdict(folder: Path, tmp_path: Path) -> None:
    table = outcome_table(years=range(FIRST, 2026))
    text = Checker(page(replace(run_of(tiny_city()), table=table), folder, tmp_path)).text
    assert "This run covers 2024–2025. It says nothing about 2030." in text


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_missing_numbers_are_dashes(folder: Path, tmp_path: Path, bad: float) -> None:
    run = run_of(tiny_city())
    table = run.table.copy()
    table.loc[table["outcome"] != "gap", "value"] = bad
    text = Checker(page(replace(run, table=table), folder, tmp_path)).text
    assert not re.search(r"\b(nan|inf)\b", text.lower())
    assert "Network speed, AM peak km/h - - - - - - -" in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_hostile_texts_are_shown_and_never_run(folder: Path, tmp_path: Path, language: str) -> None:
    evil = "</style><script>alert(1)</script>\"'&<img src=x onerror=alert(2)>\x00\u202e{0}{name}%s"
    run = run_of(tiny_city())
    scenario = run.manifest["scenario"] | {
        "name": evil, "description": evil, "parameters": {evil: 1.0}, "traffic": evil,
        "levers": [
            {"lever": evil, "value": evil, "start_year": evil}, evil,
            {"lever": "wfh_share", "value": 0.1, "start_year": evil},
        ],
    }  # fmt: skip
    manifest = dict(run.manifest) | {
        "scenario": scenario, "run": evil, "versions": {evil: evil}, "parameter_tags": {evil: 3, "prior": 1},
        "city": dict(run.manifest["city"])
        | {"name": evil, "meta": {evil: evil, "sources": [evil, {evil: evil}]}},
    }  # fmt: skip
    table = run.table.copy()
    table.loc[len(table)] = [evil, LAST, "", evil, 1.0, evil]
    table.loc[len(table)] = ["green_share", LAST, evil, "", 0.5, "1"]
    checker = Checker(page(replace(run, manifest=manifest, table=table), folder, tmp_path, language))
    assert "script" not in checker.tags and "img" not in checker.tags
    assert not [a for a in checker.attributes if a[1].startswith("on")]
    assert "<script>alert(1)</script>" in checker.text and "\x00" not in checker.text


def test_manifest_of_another_shape_still_gives_a_page(folder: Path, tmp_path: Path, run: Results) -> None:
    manifest = {
        "scenario": {"name": "x", "replication": 0},
        "city": {"digest": run.manifest["city"]["digest"]},
        "population_fit": [1],
    }
    assert "<h1>" in page(replace(run, manifest=manifest), folder, tmp_path)


def test_every_text_is_in_both_languages_with_the_same_blanks() -> None:
    blanks = lambda text: {name for _, name, _, _ in string.Formatter().parse(text) if name}  # noqa: E731
    for key, row in text_table().items():
        assert row["zh"] and (row["en"] or key == "lever.unit.ring"), key
        assert blanks(row["en"]) == blanks(row["zh"]), key
        assert not re.search("[\u4e00-\u9fff]", row["en"]), key
        plain_zh = re.sub(r"\{\w+\}|SRMSE|TAE|L1|%|OpenStreetMap", "", row["zh"])
        assert not re.search("[A-Za-z]{2,}", plain_zh), key


def test_every_english_text_from_elsewhere_has_its_chinese() -> None:
    sources = {
        row.source for name in OUTCOMES for class_ in ("", "am") for row in observed_values(name, class_)
    }
    texts_en = {item.definition for item in OUTCOMES.values()} | sources
    texts_en |= {Scenario.named(name).description for name in scenario_names()}
    texts_en |= {str(value) for value in reference_meta().values() if re.search("[a-z]{3}", str(value))}
    texts_en |= {note.format(joined=326, left_out=26) for note in NOTES}
    assert not {text for text in texts_en if texts("zh").translate(text) == text}
    assert "326" in texts("zh").translate(NOTES[2].format(joined=326, left_out=26))


def test_every_name_the_report_looks_up_has_a_text() -> None:
    words = texts("zh")
    assert all(
        words.has(f"strength.{target.strength}") and words.has(f"status.{target.status}")
        for target in read_targets().values()
    )
    assert all(words.has(f"meta.{key}") for key in reference_meta())
    units = {lever.unit for lever in read_levers().values() if lever.built and lever.unit != "1"}
    assert not {unit for unit in units if not words.has(f"lever.unit.{unit}")}
    assert all(words.has(f"tag.{row.tag}") for row in shipped_catalogue().parameters.values())


def test_chinese_page_has_no_english_left_but_names(run: Results, folder: Path, tmp_path: Path) -> None:
    text = Checker(page(run, folder, tmp_path, "zh")).text
    text = re.sub(
        r"tiny|[Aa]pache-2.0|railinks\.cn|numpy|SRMSE|TAE|L1|run-0|c0de|[a-z]+(_[a-z0-9]+)+|[0-9a-f]{64}|plan",
        "",
        text,
    )
    left = set(re.findall("[A-Za-z]{2,}", text)) - set(OUTCOMES)
    assert not left


def test_english_page_has_chinese_only_in_the_clauses(run: Results, folder: Path, tmp_path: Path) -> None:
    text = page(run, folder, tmp_path)
    clauses = re.findall(r'<span class="zh" lang="zh-CN">(.*?)</span>', text)
    # Of the modelled ones in the ledger, of the others where it is said that they are not modelled.
    assert sorted(clause.strip() for clause in clauses) == sorted(
        t.clause_zh for t in read_targets().values()
    )
    for clause in sorted(clauses, key=len, reverse=True):
        text = text.replace(clause, "")
    assert not re.search("[\u4e00-\u9fff]", text)


def test_targets_not_built_yet_are_listed_by_clause(run: Results, folder: Path, tmp_path: Path) -> None:
    text = Checker(page(run, folder, tmp_path)).text
    for target in read_targets().values():
        assert (f"{target.id} {target.section} {target.clause_en}" in text) == (target.status != "modelled")


def test_priors_are_counted(run: Results, folder: Path, tmp_path: Path) -> None:
    assert (
        "75% of the numbers in the model (30 of 40) are priors" in Checker(page(run, folder, tmp_path)).text
    )


def test_levers_are_told_in_words(run: Results, folder: Path, tmp_path: Path) -> None:
    text = Checker(page(run, folder, tmp_path)).text
    assert "Parking prices: × 1.25, growing evenly from 2022, in full from 2030 (before: × 1)" in text
    assert "Carbon credit for green trips: 0.06 CNY/kg, in force from 2023 (before: 0 CNY/kg)" in text


def test_hand_drawn_city_credits_nobody(run: Results, folder: Path, tmp_path: Path) -> None:
    assert "OpenStreetMap" not in page(run, folder, tmp_path)


def test_published_values_end_in_2021_and_name_their_source() -> None:
    rows = [row for name in OUTCOMES for class_ in ("", "am") for row in observed_values(name, class_)]
    assert max(row.year for row in rows) == 2021
    assert all(row.source and row.tag in ("source-read", "measured", "literature", "prior") for row in rows)
    shares = {row.year: row.value for row in observed_values("green_share")}
    assert shares == {2015: 0.707, 2019: 0.741, 2020: 0.731, 2021: 0.740}


def test_flows_of_another_city_are_refused(run: Results, folder: Path, tmp_path: Path) -> None:
    roads = run.roads.copy()
    roads.loc[0, "link"] = 10_000
    with pytest.raises(StoreError, match="expected rows of the city, 0 to 141, got"):
        page(replace(run, roads=roads), folder, tmp_path)


def test_links_without_flow_in_a_replication_count_as_empty(run: Results) -> None:
    other = run_of(tiny_city(), 1)
    reading = read_runs(Ensemble((run, replace(other, roads=other.roads[other.roads["link"] > 0]))))
    flows = reading.flows("roads", LAST).set_index("link")
    assert flows.loc[0, "load"] == pytest.approx(0.1)  # half of 0.2
    assert flows.loc[1, "load"] == pytest.approx(run.roads["load"][1])


def test_city_that_is_gone_leaves_the_maps_out_and_says_so(
    run: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRANSPORT_ABM_CACHE", str(tmp_path))
    manifest = dict(run.manifest) | {"city": dict(run.manifest["city"]) | {"name": "no-such-city"}}
    text = Checker(write_report(replace(run, manifest=manifest), tmp_path / "r.html").read_text("utf-8")).text
    assert "The city no-such-city of this run is not on this machine" in text
    assert "Where the roads are full" not in text and "Outer" in text


def test_city_that_has_changed_draws_districts_but_no_flows(
    run: Results, folder: Path, tmp_path: Path
) -> None:
    words = texts("en")
    text = Checker(
        build_page(read_runs(run), words, tiny_city(), same=False, note=words("note.other_city"))
    ).text
    assert "they would stand on the wrong links" in text
    assert "Change of the green-trip share, 2024 to 2030" in text and "Where the roads are full" not in text
    manifest = dict(run.manifest) | {"city": dict(run.manifest["city"]) | {"digest": "0" * 64}}
    with pytest.raises(InputError, match="the city of the runs"):
        page(replace(run, manifest=manifest), folder, tmp_path)


@pytest.mark.parametrize("language", ["de", "", "EN"])
def test_unknown_language_is_refused(run: Results, tmp_path: Path, language: str) -> None:
    with pytest.raises(InputError, match="en or zh"):
        write_report(run, tmp_path / "x.html", language=language)


def test_runs_that_do_not_belong_together_are_refused(run: Results, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one run"):
        write_report(Ensemble(()), tmp_path / "x.html")
    with pytest.raises(InputError, match="each replication once"):
        write_report(Ensemble((run, run)), tmp_path / "x.html")
    other = run_of(tiny_city(), 1, case=Scenario.named("baseline"))
    with pytest.raises(InputError, match=r"differ in .*name"):
        write_report(Ensemble((run, other)), tmp_path / "x.html")
    with pytest.raises(InputError, match="at least one year"):
        write_report(replace(run, table=run.table.iloc[:0]), tmp_path / "x.html")
    assert not list(tmp_path.iterdir())


def test_file_that_cannot_be_written_is_told_and_leaves_nothing(
    run: Results, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path, tmp_path / "file" / "r.html", tmp_path / ("n" * 300)):
        with pytest.raises(StoreError):
            write_report(run, path, city=str(folder))
    assert [p.name for p in tmp_path.iterdir()] == ["file"] and (tmp_path / "file").read_text() == "mine"


def test_earlier_report_is_replaced_and_nothing_else_is_left(
    run: Results, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "r.html").write_text("old")
    assert write_report(run, tmp_path / "r.html", city=str(folder)).read_text("utf-8").endswith("</html>\n")
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


def test_markup_escapes_all_but_itself() -> None:
    assert el("p", "<b>", Markup("<i></i>"), title='"x"') == '<p title="&quot;x&quot;">&lt;b&gt;<i></i></p>'
    assert Markup("<i>") + "<b>" == "<i>&lt;b&gt;" and escape("\x00\ud800") == "\ufffd\ufffd"


def test_numbers_read_as_people_write_them() -> None:
    assert plain(-1234.5, 1) == "\u22121,234.5" and plain(-0.04, 1) == "0.0" and plain(float("nan"), 1) == "-"
    assert percent(0.7649) == "76.5%" and points(-0.006, texts("zh")) == "\u22120.6 个百分点"
    assert small(0.00042) == "0.00042" and small(1e-9) == "< 0.000001" and small(0.0) == "0"
    million = form("trips/day", [36_190_000.0, 1e6], texts("en"))
    assert (million(36_190_000.0), million.unit) == ("36.19", "million trips/day")
    wan = form("trips/day", [36_190_000.0], texts("zh"))
    assert (wan(36_190_000.0), wan.unit) == ("3,619", "万人次/日")
    assert form("trips/day", [8_000.0], texts("en")).unit == "trips/day"
    assert form("1", [0.12], texts("en"))(0.12) == "12.0" and form("1", [0.12], texts("en")).unit == "%"


def test_ticks_are_round_and_enclose_the_data() -> None:
    assert nice_step(1.0, 4) == 0.25 and nice_step(0.09, 6) == pytest.approx(0.02)
    marks = round_numbers(0.706, 0.781)
    assert marks[0] <= 0.706 and marks[-1] >= 0.781 and np.allclose(np.diff(marks), marks[1] - marks[0])


def test_labels_keep_their_distance_their_order_and_their_range() -> None:
    wanted = [10.0, 12.0, 11.0, 80.0, 99.0, 99.5]
    places = spread(wanted, 15, 0, 100)
    assert np.argsort(places).tolist() == np.argsort(wanted).tolist()
    assert min(np.diff(sorted(places))) >= 15 - 1e-9 and min(places) >= 0 and max(places) <= 100
    assert spread([10.0, 50.0], 15, 0, 100) == [10.0, 50.0]
