"""Settings of SMAC and SMACv2; names and defaults are those packages' where nothing else is said."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

RACES = {
    "terran": (("marine", "marauder", "medivac"), (0.45, 0.45, 0.1), ("medivac",)),
    "protoss": (("stalker", "zealot", "colossus"), (0.45, 0.45, 0.1), ()),
    "zerg": (("zergling", "baneling", "hydralisk"), (0.45, 0.1, 0.45), ("baneling",)),
}
"""Unit types, their weights, and those that never make up a whole team.

oxwhirl/smacv2, smacv2/examples/configs/sc2_gen_*.yaml.
"""
SIDE = 32
"""Width and height of SMACv2's map, from the same files."""
OURS = {"reward", "reward_ally_death", "reward_step", "continuing_episode", "restart_on_seed", "dtype"}
"""Settings that are not handed to the package as they are."""
OURS_V2 = {"race", "n_units", "n_enemies", "weights", "reflect"}
"""Those of SMACv2 that make up its ``capability_config``."""


@dataclass(frozen=True)
class SMACSettings:
    """Settings of SMAC's maps.

    Attributes:
        map_name: fixed by the task id.
        difficulty: of the game's own player, "1" to "9" or "A".
        step_mul: game loops a step.
        move_amount: how far a unit is sent by a move.
        game_version: of StarCraft II, e.g. "4.10"; the newest that is installed if None.
        obs_all_health: whether members see the health of all units in sight.
        obs_own_health: whether they see their own where ``obs_all_health`` is false.
        obs_last_action: whether they see the last actions of allies in sight.
        obs_pathing_grid: whether they see where the ground around them can be walked on.
        obs_terrain_height: whether they see its height.
        obs_instead_of_state: whether the state is all observations, one after the other.
        state_last_action: whether the state holds the last actions.
        state_timestep_number: whether the state holds the time.
        reward: "dense", SMAC's; "sparse", SMAC's ``reward_sparse``; or "modified", by deaths, time and win.
        reward_only_positive: dense: whether the allies' losses cost nothing.
        reward_death_value: dense and modified: for each enemy unit that dies.
        reward_win: dense and modified: for a won battle.
        reward_defeat: dense: for a lost one.
        reward_negative_scale: dense: weight of the allies' losses.
        reward_scale: dense and sparse: whether SMAC divides by its greatest return.
        reward_scale_rate: and multiplies by this then.
        reward_ally_death: modified: for each allied unit that dies.
        reward_step: modified: in every step.
        continuing_episode: whether the time limit only truncates; SMAC's default, false, also terminates.
        restart_on_seed: whether ``reset(seed=...)`` starts the game anew, the only way to seed it.
        dtype: of observations and state.
    """

    map_name: str = "3m"
    difficulty: Literal["1", "2", "3", "4", "5", "6", "7", "8", "9", "A"] = "7"
    step_mul: int = 8
    move_amount: int = 2
    game_version: str | None = None
    obs_all_health: bool = True
    obs_own_health: bool = True
    obs_last_action: bool = False
    obs_pathing_grid: bool = False
    obs_terrain_height: bool = False
    obs_instead_of_state: bool = False
    state_last_action: bool = True
    state_timestep_number: bool = False
    reward: Literal["dense", "sparse", "modified"] = "dense"
    reward_only_positive: bool = True
    reward_death_value: float = 10.0
    reward_win: float = 200.0
    reward_defeat: float = 0.0
    reward_negative_scale: float = 0.5
    reward_scale: bool = True
    reward_scale_rate: float = 20.0
    reward_ally_death: float = -1.0
    reward_step: float = -0.1
    continuing_episode: bool = True
    restart_on_seed: bool = False
    dtype: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{field.name} must be finite, got {value}")
        if self.step_mul < 1 or self.move_amount < 1:
            raise ValueError(
                f"step_mul and move_amount must be >= 1, got {self.step_mul} and {self.move_amount}"
            )
        if self.reward_scale_rate <= 0:
            raise ValueError(f"reward_scale_rate must be positive, got {self.reward_scale_rate}")

    def arguments(self) -> dict[str, Any]:
        """What the package's environment is made with, but for the seed; new objects on each call.

        ``continuing_episode`` is always true there: it changes nothing but that ``info`` then tells a time
        limit from the end of a battle.
        """
        passed = {name: value for name, value in asdict(self).items() if name not in OURS}
        return {**passed, "reward_sparse": self.reward == "sparse", "continuing_episode": True}


@dataclass(frozen=True)
class SMACv2Settings(SMACSettings):
    """Settings of SMACv2's random teams: SMAC's, and these, with the defaults of its configurations.

    Attributes:
        race: fixed by the task id, as are the next two.
        n_units: allied units.
        n_enemies: enemy units.
        weights: probability of each of the race's unit types; the configuration's if None.
        reflect: probability that the enemies start mirrored; else they surround the allies.
        use_unit_ranges: whether units have their own ranges of sight and attack.
        min_attack_range: the least range of attack then.
        obs_own_pos: whether members see their own position.
        conic_fov: whether they see a cone only, and have actions that turn it.
        num_fov_actions: so many.
        fully_observable: whether they see everything.
        prob_obs_enemy: probability that a member may see an enemy that it was not the first to see.
        action_mask: whether targets out of reach are masked.
    """

    race: Literal["terran", "protoss", "zerg"] = "terran"
    n_units: int = 5
    n_enemies: int = 5
    weights: tuple[float, ...] | None = None
    reflect: float = 0.5
    use_unit_ranges: bool = True
    min_attack_range: int = 2
    obs_own_pos: bool = True
    conic_fov: bool = False
    num_fov_actions: int = 12
    fully_observable: bool = False
    prob_obs_enemy: float = 1.0
    action_mask: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_units < 1 or self.n_enemies < 1:
            raise ValueError(f"both sides need a unit, got {self.n_units} against {self.n_enemies}")
        if not (0 <= self.reflect <= 1 and 0 <= self.prob_obs_enemy <= 1):
            raise ValueError("reflect and prob_obs_enemy must lie in [0, 1]")
        if self.weights is not None:
            kinds = RACES[self.race][0]
            if len(self.weights) != len(kinds) or min(self.weights) < 0 or abs(sum(self.weights) - 1) > 1e-9:
                raise ValueError(f"weights must be {len(kinds)} probabilities, of {', '.join(kinds)}")

    def arguments(self) -> dict[str, Any]:
        """As for SMAC, with the ``capability_config`` that draws teams and places."""
        passed = {name: value for name, value in super().arguments().items() if name not in OURS_V2}
        kinds, weights, never_alone = RACES[self.race]
        teams: dict[str, Any] = {
            "dist_type": "weighted_teams",
            "unit_types": list(kinds),
            "weights": list(self.weights or weights),
            "observe": True,
        }
        if never_alone:
            teams["exception_unit_types"] = list(never_alone)
        places = {
            "dist_type": "surrounded_and_reflect",
            "p": self.reflect,
            "map_x": SIDE,
            "map_y": SIDE,
        }
        sizes = {"n_units": self.n_units, "n_enemies": self.n_enemies}
        return {**passed, "capability_config": {**sizes, "team_gen": teams, "start_positions": places}}
