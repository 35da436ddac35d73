"""Scenarios: one run of the model, completely described, as a TOML file or an object."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from transport_abm.core.errors import Fault, InputError, LeverError, ParameterError, ScenarioError
from transport_abm.core.parameters import did_you_mean
from transport_abm.policy.inputs import BASE_YEAR, Draw, YearInputs, shipped_catalogue, year_inputs
from transport_abm.policy.levers import LeverSetting, Year, read_levers, twice
from transport_abm.policy.schema import FrozenValues, Schema, moved_faults, show
from transport_abm.policy.tables import data_folder
from transport_abm.policy.uncertainty import draw_parameters

LARGEST_FILE_BYTES = 1_000_000
FIRST_YEAR = 2020
NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}$"

Traffic = Literal["L0", "L1", "L2"]
Name = Annotated[str, Field(pattern=NAME_PATTERN)]


def _tuple(value: object) -> object:
    """A list as a tuple: TOML and JSON know lists only."""
    return tuple(value) if isinstance(value, list) else value


def _ascending(years: tuple[int, int]) -> tuple[int, int]:
    """The first year is not after the last."""
    if years[0] < FIRST_YEAR:
        raise ValueError(
            f"a first year of {FIRST_YEAR} or later, the base year of the people and the network"
        )
    if years[0] > years[1]:
        raise ValueError("a first year not after the last")
    return years


def _each_once(levers: tuple[LeverSetting, ...]) -> tuple[LeverSetting, ...]:
    """No lever is set twice."""
    faults = twice(levers)
    if faults:
        raise LeverError(faults)
    return levers


def _known_parameters(values: object) -> object:
    """Overrides are in the catalogue and inside their ranges; all faults at once."""
    if not isinstance(values, Mapping):
        return values
    plain = dict(values)
    endless = [path for path, value in plain.items() if isinstance(value, int) and abs(value) >= 2**63]
    faults = [Fault("parameters", str(path), "a number", show(plain.pop(path))) for path in endless]
    try:
        shipped_catalogue().check_overrides(plain, "parameters")
    except ParameterError as error:
        faults += [fault for fault in error.faults if isinstance(fault, Fault)]
    if faults:
        raise ParameterError(faults)
    return plain


Parameters = Annotated[
    Mapping[str, float],
    BeforeValidator(_known_parameters),
    AfterValidator(FrozenValues),
    PlainSerializer(dict),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "number"}}),
]


class Scenario(Schema):
    """One run, completely described.

    Raises
    ------
    ScenarioError
        If a field is wrong; all faults are named.

    Examples
    --------
    >>> plan = Scenario.named("plan")
    >>> plan.replace(sample=0.001, years=(2020, 2021)).years
    (2020, 2021)
    """

    input_error: ClassVar[type[InputError]] = ScenarioError

    name: Name
    """Name of the scenario: lower-case letters, digits, - and _."""
    description: Annotated[str, Field(max_length=10_000)] = ""
    """What the scenario is about, in words."""
    city: Name = "beijing-reference"
    """Name of the city the run happens in."""
    years: Annotated[tuple[Year, Year], BeforeValidator(_tuple), AfterValidator(_ascending)] = (2020, 2030)
    """First and last simulated year, both included [year]."""
    sample: Annotated[float, Field(ge=0.001, le=1)] = 0.05
    """Share of the population simulated [1]."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    """Number from which all draws follow."""
    replication: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Same number, same draws, in every scenario."""
    uncertain: bool = False
    """Draw the uncertain numbers of vehicles, prices and factors anew in each replication; 0 keeps them central."""
    traffic: Traffic = "L1"
    """Model of road traffic: L0 volume-delay without equilibrium, L1 static equilibrium of each period, L2 spatial
    queue of the whole day."""
    levers: Annotated[
        tuple[LeverSetting, ...], BeforeValidator(_tuple), AfterValidator(_each_once), Field(max_length=1_000)
    ] = ()
    """What the government changes, when and how fast; each lever at most once."""
    parameters: Parameters = Field(default_factory=FrozenValues)
    """Values that replace those of the parameter catalogue in every year, by path."""

    def replace(self, **changes: Any) -> Scenario:
        """The same scenario with some fields changed, checked again.

        Parameters
        ----------
        **changes
            New values by field.

        Returns
        -------
        Scenario
            A new scenario.

        Raises
        ------
        ScenarioError
            If a field is unknown or its value wrong.
        """
        fields: dict[str, Any] = {field: getattr(self, field) for field in type(self).model_fields}
        return Scenario(**(fields | changes))

    def inputs(self, year: int, *, held: bool = False) -> YearInputs:
        """Values of all parameters in one year of this scenario; ``held`` as in `year_inputs`."""
        return year_inputs(year, self.parameters, self.levers, self.draws(), held=held)

    def draws(self) -> Mapping[str, Draw]:
        """What is drawn for the uncertain parameters of this run, by path; those given by hand are not drawn."""
        if not self.uncertain:
            return {}
        drawn = draw_parameters(self.seed, self.replication)
        return {path: draw for path, draw in drawn.items() if path not in self.parameters}

    @classmethod
    def named(cls, name: str) -> Scenario:
        """A scenario that the package ships.

        Parameters
        ----------
        name
            One of `scenario_names()`.

        Returns
        -------
        Scenario
            The scenario.

        Raises
        ------
        ScenarioError
            If there is none of that name.
        """
        known = scenario_names()
        if name not in known:
            expected = "one of " + ", ".join(known) + did_you_mean(str(name), known)
            raise ScenarioError(Fault("scenario", "name", expected, show(name)))
        return cls.read(data_folder() / "scenarios" / f"{name}.toml")

    @classmethod
    def read(cls, path: str | Path) -> Scenario:
        """Read a scenario file.

        Parameters
        ----------
        path
            A TOML file of at most one megabyte.

        Returns
        -------
        Scenario
            The scenario.

        Raises
        ------
        ScenarioError
            If the file cannot be read or something in it is wrong; all faults are named.
        """
        file = str(path)
        try:
            if Path(path).is_dir():
                raise ScenarioError(Fault(file, "file", "a scenario file", "a folder"))
            if not Path(path).is_file():  # also keeps away from pipes and devices, which may never end
                raise ScenarioError(Fault(file, "file", "a scenario file", "no such file"))
            with Path(path).open("rb") as stream:
                content = stream.read(LARGEST_FILE_BYTES + 1)
            if len(content) > LARGEST_FILE_BYTES:
                raise ScenarioError(Fault(file, "file", "at most 1 MB", "a larger file"))
            text = content.decode("utf-8")
        except UnicodeDecodeError as cause:
            fault = Fault(
                file, "file", "text in UTF-8", f"byte {cause.object[cause.start]:#04x} at {cause.start}"
            )
            raise ScenarioError(fault) from None
        except ScenarioError:
            raise
        except (OSError, ValueError) as cause:  # ValueError: a path with a zero byte
            raise ScenarioError(Fault(show(file), "file", "a readable file", str(cause))) from None
        return cls.from_toml(text, file)

    @classmethod
    def from_toml(cls, text: str, file: str = "scenario") -> Scenario:
        """Scenario of a TOML text.

        Parameters
        ----------
        text
            TOML text of at most one million characters.
        file
            Where the text is from, for the messages.

        Returns
        -------
        Scenario
            The scenario.

        Raises
        ------
        ScenarioError
            If the text is not TOML or something in it is wrong; all faults are named.
        """
        if len(text) > LARGEST_FILE_BYTES:
            raise ScenarioError(Fault(file, "file", "at most 1 MB", "a longer text"))
        try:
            data = tomllib.loads(text)
        except RecursionError:
            fault = Fault(file, "file", "TOML with brackets in a reasonable depth", "brackets too deep")
            raise ScenarioError(fault) from None
        except (
            ValueError,
            OverflowError,
        ) as cause:  # also numbers of thousands of digits and dates off the calendar
            raise ScenarioError(Fault(file, "file", "TOML", show_message(cause))) from None
        try:
            return cls(**data)
        except ScenarioError as error:
            raise ScenarioError(moved_faults(error, file)) from None

    def to_toml(self) -> str:
        """The scenario as TOML; `from_toml` gives it back, to the last bit."""
        lines = []
        for field in type(self).model_fields:
            value = getattr(self, field)
            if field not in ("levers", "parameters"):
                lines.append(f"{field} = {_toml(value)}")
        for setting in self.levers:
            lines += ["", "[[levers]]"]
            given = ((field, getattr(setting, field)) for field in type(setting).model_fields)
            lines += [f"{field} = {_toml(value)}" for field, value in given if value is not None]
        if self.parameters:
            lines += ["", "[parameters]"]
            lines += [f"{_toml(path)} = {_toml(value)}" for path, value in self.parameters.items()]
        return "\n".join(lines) + "\n"

    def write(self, path: str | Path) -> None:
        """Write the scenario as a TOML file that `read` reads."""
        Path(path).write_text(self.to_toml(), encoding="utf-8", newline="\n")


def first_difference(a: Scenario, b: Scenario) -> int | None:
    """First year in which the inputs of two scenarios differ; None where they never do.

    Parameters
    ----------
    a, b
        Scenarios over the same years; inputs that are refused differ from all others.

    Returns
    -------
    int | None
        The year, from the base year on [year].
    """
    for year in range(min(BASE_YEAR, a.years[0]), max(a.years[1], b.years[1]) + 1):
        try:
            if a.inputs(year) != b.inputs(year):
                return year
        except InputError:
            return year
    return None


def show_message(cause: Exception) -> str:
    """First line of an error message, cut to a readable length."""
    text = str(cause).partition("\n")[0]
    return text if len(text) <= 100 else text[:97] + "..."


def _toml(value: object) -> str:
    """One value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):  # JSON escapes are TOML escapes, but for DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return repr(value)


def scenario_names() -> tuple[str, ...]:
    """Names of the scenarios that the package ships."""
    return tuple(sorted(path.stem for path in (data_folder() / "scenarios").glob("*.toml")))


def json_schema() -> dict[str, Any]:
    """JSON Schema of a scenario file, for editors and other programs.

    Returns
    -------
    dict[str, Any]
        The schema; the levers that have a mechanism are listed by name.
    """
    schema = Scenario.model_json_schema()
    lever = schema["$defs"]["LeverSetting"]["properties"]["lever"]
    lever["enum"] = [row.id for row in read_levers().values() if row.built]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


def write_json_schema(path: Path | None = None) -> Path:
    """Write the JSON Schema of a scenario file; over the shipped one by default."""
    path = path or data_folder() / "scenario.schema.json"
    path.write_text(
        json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n"
    )
    return path
