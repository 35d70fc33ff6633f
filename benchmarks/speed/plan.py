"""How much `bench speed` measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

NAVIGATION = "cooperative_navigation_3-v1"
BATTLE = "micro_3m-v1"


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        rounds: measurements of everything that is compared; one more comes first and is dropped.
        seconds: length of a chunk of environment steps, roughly.
        env_tasks: tasks whose environments are stepped.
        batch_sizes: copies stepped together.
        battle_tasks: SMAC-like battles that are stepped.
        battle_copies: of each that are stepped together.
        update_tasks: tasks for whose teams the agents are updated.
        agents: any of vm3ac, ma_sac, maddpg.
        hidden: hidden layers of all networks.
        seeds: seeds stacked in an update.
        batch_size: transitions a seed and update.
        updates: stacked updates a chunk; the plain loop does one, all seeds in turn.
        stacks: seeds of the short training runs.
        training_steps: environment steps a seed of these, counted from the first update.
        overhead_steps: environment steps a seed of the job in which a sweep's own work is timed.
        start_tasks: tasks whose first steps in fresh processes are waited for.
        starts: fresh processes of each kind.
        team_sizes: members of the teams for which the forms of networks are compared.
        scaling_agents: whose updates these are, and the most members each is given.
        scaling_rounds: measurements of each form.
        recurrent_agents: any of qmix, vm3_fop, beside plain loops.
        recurrent_rounds: steps of all copies before, whose episodes are learned from.
        recurrent_steps: steps of all copies a chunk of training.
        recurrent_chunks: measurements of each.
    """

    rounds: int = 9
    seconds: float = 0.12
    env_tasks: tuple[str, ...] = (
        NAVIGATION,
        "predator_prey_2-v1",
        "predator_prey_3-v1",
        "predator_prey_4-v1",
        "treasure_collection_4-v1",
        "treasure_collection_8-v1",
        "tag_3-v1",
        "tag_6-v1",
        "multiwalker_3-v1",
    )
    batch_sizes: tuple[int, ...] = (1, 64, 1024)
    battle_tasks: tuple[str, ...] = (BATTLE, "micro_8m-v1", "micro_27m_vs_30m-v1")
    battle_copies: tuple[int, ...] = (64, 256)
    update_tasks: tuple[str, ...] = (NAVIGATION, "predator_prey_4-v1")
    agents: tuple[str, ...] = ("vm3ac", "ma_sac", "maddpg")
    hidden: tuple[tuple[int, ...], ...] = ((128, 128), (64, 64))
    seeds: int = 7
    batch_size: int = 128
    updates: int = 3
    stacks: tuple[int, ...] = (4, 7)
    training_steps: int = 2_500
    overhead_steps: int = 5_000
    start_tasks: tuple[str, ...] = (
        NAVIGATION,
        "predator_prey_2-v1",
        "treasure_collection_4-v1",
        "tag_3-v1",
    )
    starts: int = 5
    team_sizes: tuple[int, ...] = (2, 3, 4, 8, 16, 32)
    scaling_agents: Mapping[str, int] = field(default_factory=lambda: {"ma_sac": 32, "vm3ac": 16})
    scaling_rounds: int = 5
    recurrent_agents: tuple[str, ...] = ("qmix", "vm3_fop")
    recurrent_rounds: int = 240
    recurrent_steps: int = 4
    recurrent_chunks: int = 7


QUICK = Plan(
    rounds=3,
    seconds=0.05,
    battle_copies=(64,),
    agents=("vm3ac",),
    updates=2,
    stacks=(4,),
    training_steps=800,
    overhead_steps=1_500,
    starts=3,
    team_sizes=(2, 8),
    scaling_rounds=2,
    recurrent_agents=("qmix",),
    recurrent_rounds=120,
    recurrent_chunks=2,
)
