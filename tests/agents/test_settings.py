"""Settings: names, types, ranges, presets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pytest
from coordbench import agents
from coordbench.agents import Config, SettingError
from coordbench.agents.settings import override


@dataclass(frozen=True)
class Example(Config):
    rate: float = 0.1
    count: int = 3
    on: bool = False
    name: str = "x"
    hidden: tuple[int, ...] = (8, 8)
    size: int | None = None
    kind: Literal["a", "b"] = "a"

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {"small": {"count": 1, "hidden": [4]}}


def test_values_replace_defaults_and_the_rest_stays():
    assert override(Example(), {"count": 5, "on": True}) == Example(count=5, on=True)
    assert override(Example(), {}) == Example()


def test_an_int_becomes_a_float_and_a_list_a_tuple():
    changed = override(Example(), {"rate": 1, "hidden": [16, 32, 64]})
    assert changed.rate == 1.0
    assert isinstance(changed.rate, float)
    assert changed.hidden == (16, 32, 64)
    assert hash(changed)


@pytest.mark.parametrize("value", [None, 4])
def test_an_optional_value(value):
    assert override(Example(size=1), {"size": value}).size == value


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cuont": 1}, "unknown setting 'cuont'; did you mean 'count'"),
        ({"zzz": 1}, "unknown setting 'zzz'; known: rate, count, on, name, hidden, size, kind"),
        ({"count": 1.5}, "'count' must be an int, got 1.5"),
        ({"count": True}, "'count' must be an int, got True"),
        ({"count": "3"}, "'count' must be an int, got '3'"),
        ({"rate": True}, "'rate' must be a float, got True"),
        ({"rate": "0.1"}, "'rate' must be a float"),
        ({"on": 1}, "'on' must be true or false, got 1"),
        ({"name": 2}, "'name' must be a string, got 2"),
        ({"hidden": 8}, "'hidden' must be a list, each an int, got 8"),
        ({"hidden": [8, 1.5]}, "'hidden' must be an int, got 1.5"),
        ({"size": "big"}, "'size' must be an int or none, got 'big'"),
        ({"kind": "c"}, "'kind' must be one of 'a', 'b', got 'c'"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value),
)
def test_what_does_not_fit_is_refused_in_one_line(settings, message):
    with pytest.raises(SettingError) as caught:
        override(Example(), settings)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_preset_comes_before_settings():
    assert Example.build("small") == Example(count=1, hidden=(4,))
    assert Example.build("small", {"count": 9}) == Example(count=9, hidden=(4,))


def test_a_preset_that_an_agent_does_not_have_leaves_its_defaults():
    assert Example.build("huge") == Example.build() == Example()


LEARNERS = ["ma_ac", "ma_sac", "maddpg", "vm3ac"]


@pytest.mark.parametrize("name", LEARNERS)
def test_the_small_preset_makes_networks_smaller(name):
    config_class = agents.load(name).config_class
    small, default = config_class.build("small"), config_class.build()
    assert sum(small.hidden) < sum(default.hidden)
    assert small.warm_up < default.warm_up


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("learning_rate", -1.0),
        ("batch_size", 0),
        ("buffer_size", 10),
        ("discount", 1.1),
        ("target_rate", -0.1),
        ("updates_per_step", -1.0),
        ("warm_up", -1),
        ("hidden", []),
        ("hidden", [0]),
        ("critic_input", "pixels"),
        ("learning_rate", float("nan")),
        ("exploration_noise", -0.1),
    ],
    ids=str,
)
def test_values_outside_their_range_are_refused(name, setting, value):
    with pytest.raises(SettingError, match=setting):
        agents.load(name).config_class.build(None, {setting: value})


@pytest.mark.parametrize(("setting", "value"), [("q_variance", 0.0), ("latent_size", -1), ("beta", -0.1)])
def test_ranges_of_vm3ac(setting, value):
    with pytest.raises(SettingError, match=setting):
        agents.load("vm3ac").config_class.build(None, {setting: value})


def test_an_agent_without_settings_takes_none():
    with pytest.raises(SettingError, match="unknown setting 'hidden'; known: none"):
        agents.load("random").config_class.build(None, {"hidden": [8]})
