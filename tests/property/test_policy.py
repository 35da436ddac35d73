"""Laws of levers and scenarios that hold for any setting and any text."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from transport_abm.core.errors import ScenarioError
from transport_abm.policy.inputs import shipped_catalogue
from transport_abm.policy.levers import LeverSetting, apply_levers, read_levers
from transport_abm.policy.scenario import Scenario

SMOOTH = [lever for lever in read_levers().values() if lever.built and not lever.whole]
BUILT = [lever for lever in read_levers().values() if lever.built]


@st.composite
def ramped(draw: st.DrawFn) -> LeverSetting:
    """A lever on its way between two years."""
    lever = draw(st.sampled_from(SMOOTH))
    start = draw(st.integers(2000, 2099))
    return LeverSetting(
        lever=lever.id,
        value=draw(st.floats(lever.low, lever.high)),
        start_year=start,
        full_year=draw(st.integers(start, 2100)),
        ramp=draw(st.sampled_from(["linear", "s-curve"])),
    )


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Any right scenario."""
    levers = draw(st.lists(st.sampled_from(BUILT), unique_by=lambda lever: lever.id, max_size=5))
    paths = draw(st.lists(st.sampled_from(sorted(shipped_catalogue().parameters)), unique=True, max_size=5))
    rows = [shipped_catalogue().parameters[path] for path in paths]
    first = draw(st.integers(2020, 2100))
    return Scenario(
        name=draw(st.from_regex(r"\A[a-z0-9][a-z0-9_-]{0,63}\Z")),
        description=draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=50)),
        years=(first, draw(st.integers(first, 2100))),
        sample=draw(st.floats(0.001, 1)),
        seed=draw(st.integers(0, 2**63 - 1)),
        levers=tuple(
            LeverSetting(
                lever=lever.id, value=float(draw(st.sampled_from([lever.low, lever.high]))), start_year=2022
            )
            for lever in levers
        ),
        parameters={row.path: draw(st.floats(row.low, row.high)) for row in rows},
    )


@given(ramped())
def test_a_ramp_is_monotone_and_exact_at_its_ends(setting: LeverSetting) -> None:
    default = read_levers()[setting.lever].default
    level = [setting.level(year) for year in range(setting.start_year - 1, (setting.full_year or 0) + 2)]
    assert level[0] == default
    assert level[-1] == level[-2] == setting.value
    steps = list(pairwise(level))
    assert all(a <= b for a, b in steps) or all(a >= b for a, b in steps)
    if setting.full_year != setting.start_year:
        assert level[1] == default


@given(ramped(), st.integers(2000, 2100))
def test_a_ramp_never_leaves_the_span_from_default_to_value(setting: LeverSetting, year: int) -> None:
    default = read_levers()[setting.lever].default
    low, high = sorted((default, setting.value))
    assert low <= setting.level(year) <= high


@given(ramped())
def test_both_ramps_are_at_half_the_way_in_the_middle_year(setting: LeverSetting) -> None:
    assert setting.full_year is not None
    span = setting.full_year - setting.start_year
    assume(span > 0 and span % 2 == 0)
    assert setting.share(setting.start_year + span // 2) == 0.5


@given(st.permutations(BUILT[:8]), st.integers(2020, 2030))
def test_the_order_of_the_settings_does_not_matter(levers: list[object], year: int) -> None:
    chosen = [
        LeverSetting(lever=lever.id, value=lever.high, start_year=2024)  # type: ignore[attr-defined]
        for lever in levers
    ]
    in_order = sorted(chosen, key=lambda setting: setting.lever)
    assert apply_levers(chosen, year) == apply_levers(in_order, year)


@settings(deadline=None)
@given(scenarios())
def test_any_scenario_written_as_toml_is_read_back_the_same(scenario: Scenario) -> None:
    assert Scenario.from_toml(scenario.to_toml()) == scenario


KEYS = st.sampled_from([*Scenario.model_fields, *LeverSetting.model_fields, "self", "data", "x"])
PIECES = st.sampled_from(
    ["[", "]", "{", "}", "=", ",", '"', "'", "\n", "#", ".", "[[levers]]\n", "[parameters]\n", "2020-01-01",
     "nan", "0xffffffffffffffffffff", "1e999", "true",
     '"parking_price_factor"', '"fares.bus_factor"', "2024", "\0"]
)  # fmt: skip
VALUES = st.recursive(
    st.integers() | st.floats() | st.booleans() | st.text(max_size=5) | st.sampled_from(["wfh_share", "L1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def toml(value: object) -> str:
    """Any value as inline TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    if isinstance(value, str):
        return "'" + value.replace("'", "") + "'"
    return repr(value).lower()


@settings(deadline=None, max_examples=300)
@given(
    st.text()
    | st.lists(KEYS | PIECES, max_size=30).map("".join)
    | st.lists(st.tuples(KEYS, VALUES), max_size=6).map(
        lambda pairs: "\n".join(f"{key} = {toml(value)}" for key, value in pairs)
    )
)
def test_any_text_gives_a_scenario_or_a_scenario_error(text: str) -> None:
    faults: tuple[object, ...] = ()
    scenario = None
    try:
        scenario = Scenario.from_toml(text)
    except ScenarioError as error:
        faults = error.faults
    assert isinstance(scenario, Scenario) != bool(faults)
    assert all(len(str(fault)) < 2_000 for fault in faults)
