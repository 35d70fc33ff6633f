"""Policies as safetensors files: the same actions elsewhere, and files of strangers are safe."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import pytest
import torch
from coordbench import agents
from coordbench.agents.checking.synthetic import team
from coordbench.agents.stored import PolicyFileError, read_policy, stored_policy
from safetensors.torch import load_file, save_file
from test_single_seed import PlainConfig, ReinforceAgent

SEEDS = (3, 5)
SETTINGS = {"hidden": (8, 8), "warm_up": 0, "buffer_size": 200}
CASES = [
    *[("continuous", name) for name in ("ma_ac", "ma_sac", "maddpg", "maven_ac", "si_moa", "vm3ac")],
    *[("discrete", name) for name in ("ma_ac", "ma_sac", "maddpg", "vm3ac")],
]


def spec(kind):
    return replace(team((3, 6, 4), 2, kind), task_id="a task that is nowhere registered")


def observations(kind, n_seeds, copies=5):
    generator = torch.Generator().manual_seed(1)
    seen = torch.randn(copies, 3, 6, generator=generator).expand(n_seeds, -1, -1, -1)
    mask = torch.ones(n_seeds, copies, 3, 2, dtype=torch.bool) if kind == "discrete" else None
    return seen, mask, torch.ones(n_seeds, copies, dtype=torch.bool)


def write(path, agent, row, name):
    stored = stored_policy(agent, row, name, 17)
    path.write_bytes(stored.to_bytes())
    return stored


@pytest.mark.parametrize(("kind", "name"), CASES)
@pytest.mark.parametrize("shared", [False, True])
def test_a_policy_acts_from_its_file_as_in_its_stack(kind, name, shared, tmp_path):
    agent = agents.make(name, spec(kind), SEEDS, settings={**SETTINGS, "share_parameters": shared})
    path = tmp_path / "policy.safetensors"
    stored = write(path, agent, 1, name)
    for mode in agent.modes:
        theirs = agent.policy(mode, seed=4).act(*observations(kind, 2))[1:]
        ours = agents.load_policy(path, mode, seed=4).act(*observations(kind, 1))
        assert torch.equal(ours, theirs), mode
    if kind == "continuous":
        first, second = agent.policy("greedy", seed=4).act(*observations(kind, 2))
        assert not torch.equal(first, second)
    read = read_policy(path)
    assert (read.agent, read.seed, read.step) == (name, 5, 17)
    assert read.team == agent.team
    assert read.settings["hidden"] == [8, 8]
    assert read.to_bytes() == path.read_bytes() == stored.to_bytes()


def test_a_learned_prior_is_kept(tmp_path):
    settings = {**SETTINGS, "latent_policy": "learned", "latent_values": 4}
    agent = agents.make("maven_ac", spec("continuous"), SEEDS, settings=settings)
    agent.chooser.network.parameters[-1][:, 1, ..., 2] = 50.0
    write(tmp_path / "p", agent, 1, "maven_ac")
    policy = agents.load_policy(tmp_path / "p", "explore")
    policy.act(*observations("continuous", 1, 64))
    assert (policy.episode.value == 2).all()


def test_agents_of_one_seed_are_kept_and_training_on_does_not_change_what_was_kept(tmp_path):
    agent = ReinforceAgent(team((2, 2), 2, "discrete"), PlainConfig(), SEEDS)
    name, path = "test_single_seed:ReinforceAgent", tmp_path / "p"
    stored = stored_policy(agent, 1, name, 0)
    before = stored.to_bytes()
    with torch.no_grad():
        for parameter in agent.learners[1].trunk.parameters():
            parameter.add_(1)
    assert stored.to_bytes() == before
    path.write_bytes(before)
    with pytest.raises(PolicyFileError, match="made by 'test_single_seed:ReinforceAgent', which is not reg"):
        agents.load_policy(path)
    seen = torch.randn(1, 4, 2, 2)
    mask, start = torch.ones(1, 4, 2, 2, dtype=torch.bool), torch.ones(1, 4, dtype=torch.bool)
    actions = agents.load_policy(path, agent=name).act(seen, mask, start)
    fresh = ReinforceAgent(agent.team, PlainConfig(), SEEDS).policy("greedy", seed=0)
    assert torch.equal(
        actions, fresh.act(seen.expand(2, -1, -1, -1), mask.repeat(2, 1, 1, 1), start.repeat(2, 1))[1:]
    )


def test_agents_that_keep_nothing_give_none():
    assert stored_policy(agents.make("random", spec("continuous"), SEEDS), 0, "random", 0) is None


class Keeps(ReinforceAgent):
    kept: object = None

    def policy_state(self, row):
        return {"what": self.kept}


@pytest.mark.parametrize(
    ("kept", "reason"),
    [({1: torch.ones(1)}, r"keys of what must be strings, not \[1\]"), (object(), "what is a object")],
)
def test_what_a_file_cannot_hold_is_refused(kept, reason):
    agent = Keeps(team((2, 2), 2, "discrete"), PlainConfig(), (0,))
    agent.kept = kept
    with pytest.raises(TypeError, match=reason):
        stored_policy(agent, 0, "keeps", 0)


def test_numbers_strings_and_colliding_names_come_back(tmp_path):
    agent = Keeps(team((2, 2), 2, "discrete"), PlainConfig(), (0,))
    agent.kept = {
        "a.b": torch.tensor(1), "a": {"b": torch.tensor([2.0]), "c": [None, True, 1.5, "tensor"]}, "parts": {}
    }  # fmt: skip
    write(tmp_path / "p", agent, 0, "keeps")
    assert read_policy(tmp_path / "p").state == {"what": agent.kept}


class _Bomb:
    went_off = False

    def __reduce__(self):
        return (setattr, (_Bomb, "went_off", True))


def test_files_that_hold_no_policy_are_refused_in_one_line(tmp_path):
    path = tmp_path / "policy.safetensors"
    agent = agents.make("maddpg", spec("continuous"), SEEDS, settings=SETTINGS)
    write(path, agent, 0, "maddpg")
    tensors, good = load_file(path), path.read_bytes()
    length = int.from_bytes(good[:8], "little")
    about = json.loads(json.loads(good[8 : 8 + length])["__metadata__"]["coordbench"])

    def changed(**entries):
        save_file(tensors, path, {"coordbench": json.dumps(about | entries)})

    def refused(pattern):
        with pytest.raises(PolicyFileError, match=pattern) as caught:
            agents.load_policy(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)

    for content in (b"", b"not a policy", pickle.dumps(_Bomb()), good[:-7]):
        path.write_bytes(content)
        refused("is damaged or no safetensors file")
    torch.save({"bomb": _Bomb()}, path)
    refused("is damaged or no safetensors file")
    assert not _Bomb.went_off
    for metadata in (None, {"coordbench": "{"}, {"coordbench": "[]"}):
        save_file(tensors, path, metadata)
        refused("none of a coordbench policy")
    changed(format=99)
    refused("form 99, newer than 1")
    changed(state={"parts": {"networks": {"tensor": "absent"}}})
    refused("none of a coordbench policy")
    changed(agent="os:system")
    refused("made by 'os:system', which is not registered here")
    changed(settings=about["settings"] | {"hidden": [9, 9]})
    refused("the stored actor is of another shape than MADDPG's here")
    changed(settings=about["settings"] | {"colour": 1})
    refused("not what maddpg stores now")
    changed(state={"parts": {}})
    refused("not what maddpg stores now")
    changed()
    with pytest.raises(ValueError, match="unknown mode 'asleep' of MADDPG; it has explore, greedy"):
        agents.load_policy(path, "asleep")
    path.unlink()
    refused("cannot read")
