import pytest
from coordbench import agents
from coordbench.agents import SettingError, check_agent
from coordbench_iddpg import IDDPG, IDDPGConfig


def test_it_keeps_the_contract():
    lines = check_agent("iddpg")
    assert any("learns a one-step game" in line for line in lines)


def test_it_is_known_by_its_name():
    assert "iddpg" in agents.names()
    assert agents.load("iddpg") is IDDPG


def test_settings_that_do_not_fit_together_are_refused():
    with pytest.raises(SettingError, match="buffer_size"):
        IDDPGConfig.build(None, {"buffer_size": 10})
