"""A slow twin of SMAC-like battles, one copy in plain Python, written from the rules alone."""

import math

import numpy as np
from coordbench.envs.micro.units import team
from coordbench.envs.seeding import GAMMA, MASK, mix

MAXCD = {"m": 15, "M": 25, "s": 35, "z": 22, "c": 24, "h": 10, "g": 11, "b": 1}


class Body:
    """A unit."""

    def __init__(self, index, kind, side, x, y):
        self.index, self.kind, self.side, self.x, self.y = index, kind, side, x, y
        self.hp, self.shield, self.cooldown, self.delay = kind.hp, kind.shield, 0.0, 0
        self.energy, self.healing, self.target, self.goal = 50.0 if kind.heals else 0.0, False, None, None

    @property
    def alive(self):
        return self.hp > 0

    def apart(self, other):
        return math.hypot(self.x - other.x, self.y - other.y)

    def reaches(self, other):
        return self.apart(other) <= self.kind.reach + self.kind.radius + other.kind.radius

    def hit(self, other):
        if self.kind.heals or (other.kind.is_air and not self.kind.hits_air):
            return 0
        bonus = self.kind.bonus if self.kind.bonus_to == other.kind.attribute != "" else 0
        return self.kind.damage + bonus


class Twin:
    """One copy, from the positions (2, U) and the generator's state that an environment has after a reset."""

    def __init__(self, settings, x, y, generator):
        self.s, self.generator = settings, int(generator)
        kinds = [(kind, 0) for kind in team(settings.allies)] + [(kind, 1) for kind in team(settings.enemies)]
        self.units = [Body(i, kind, side, x[i], y[i]) for i, (kind, side) in enumerate(kinds)]
        self.allies = [u for u in self.units if u.side == 0]
        self.enemies = [u for u in self.units if u.side == 1]
        self.last = [None] * len(self.allies)

    def uniform(self, low, high):
        self.generator = (self.generator + GAMMA) & MASK
        return low + (high - low) * ((mix(self.generator) >> 11) * 2.0**-53)

    def walkable(self, x, y):
        inside = 0 <= x < 32 and 0 <= y < 32
        return inside and (self.s.terrain == "open" or 8 <= int(y) < 25)

    def allowed(self, i):
        unit, n = self.allies[i], 6 + len(self.enemies)
        if not unit.alive:
            return [True] + [False] * (n - 1)
        ahead = [(0, 1), (0, -1), (1, 0), (-1, 0)]
        moves = [self.walkable(int(unit.x + dx), int(unit.y + dy)) for dx, dy in ahead]
        if unit.kind.heals:
            marks = [a.alive and not a.kind.heals and unit.apart(a) <= 6 for a in self.allies]
            marks = (marks + [False] * n)[: len(self.enemies)]
        else:
            marks = [e.alive and unit.apart(e) <= 6 for e in self.enemies]
        return [False, True, *moves, *marks]

    def step(self, actions):
        before = [u.hp + u.shield if u.alive else 0.0 for u in self.units]
        self.last = list(actions)
        for unit, action in zip(self.allies, actions, strict=True):
            unit.target = unit.goal = None
            if 2 <= action <= 5:
                dx, dy = [(0, 2), (0, -2), (2, 0), (-2, 0)][action - 2]
                unit.goal = (unit.x + dx, unit.y + dy)
            elif action >= 6:
                mark = (self.allies if unit.kind.heals else self.enemies)[action - 6]
                unit.target = mark if unit.kind.heals or unit.hit(mark) > 0 else None
        for _ in range(8):
            self.tick()
        return self.reward(before)

    def tick(self):
        living = [u for u in self.units if u.alive]
        choices = [(u, self.choice(u, living)) for u in living if u.side == 1]
        for unit, choice in choices:
            unit.target, unit.goal = choice, (9.0, 16.0)
        wanted = np.array([self.wanted(u) for u in living])
        wanted = self.pushed(living, wanted)
        for unit, (x, y) in zip(living, wanted, strict=True):
            x, y = (min(max(v, 0.0), 32 - 1e-6) for v in (x, y))
            if not unit.kind.is_air and not self.walkable(x, y):
                x, y = next(p for p in [(x, unit.y), (unit.x, y), (unit.x, unit.y)] if self.walkable(*p))
            unit.x, unit.y = x, y
        for unit in living:
            self.recover(unit)
        self.fight(living)

    def choice(self, unit, living):
        if unit.kind.heals:
            friends = [u for u in living if u.side == unit.side and not u.kind.is_air]
            return min(friends, key=lambda u: (u.hp >= u.kind.hp, unit.apart(u)), default=None)
        kept, first = unit.target, self.s.healer_first
        if kept is not None and not (unit.reaches(kept) or kept.target is unit):
            kept = None
        foes = [u for u in living if u.side != unit.side]
        seeks = first and any(u.kind.heals for u in foes)
        if kept is not None and (kept.kind.heals or not seeks):
            return kept
        seen = [
            u
            for u in foes
            if unit.hit(u) > 0 and (unit.apart(u) <= self.s.scan + u.kind.radius or u.target is unit)
        ]
        return min(seen, key=lambda u: (first and not u.kind.heals, unit.apart(u)), default=kept)

    def speed(self, kind):
        return round(kind.speed * 1.4, 2) if self.s.clock == "smaclite" else kind.speed

    def wanted(self, unit):
        goal = unit.goal
        if unit.target is not None:
            goal = None if unit.reaches(unit.target) else (unit.target.x, unit.target.y)
        if goal is None:
            return unit.x, unit.y
        way = np.subtract(goal, (unit.x, unit.y))
        length = float(np.hypot(*way))
        part = min(1.0, self.speed(unit.kind) / 16 / length) if length else 0.0
        return unit.x + part * way[0], unit.y + part * way[1]

    def pushed(self, living, place):
        place = np.array(place, float)
        for _ in range(self.s.passes):
            gaps = place[:, None] - place[None]
            distance = np.hypot(gaps[..., 0], gaps[..., 1])
            radius = np.array([u.kind.radius for u in living])
            plane = np.array([u.kind.is_air for u in living])
            both = radius[:, None] + radius
            np.fill_diagonal(distance, 1e9)
            touch = (distance < both) & (plane[:, None] == plane)
            part = np.where(touch, 0.5 * (both / np.maximum(distance, 1e-9) - 1), 0.0)
            place = place + (part[..., None] * gaps).sum(1)
        return place

    def recover(self, unit):
        unit.cooldown = max(unit.cooldown - 1 / 16, 0.0)
        if unit.delay > 0:
            unit.delay -= 1
        else:
            unit.shield = min(unit.shield + 2 / 16, unit.kind.shield)
        if unit.kind.heals:
            unit.energy = min(unit.energy + 0.5625 / 16, 200.0)

    def fight(self, living):
        ready = []
        for unit in living:
            close = unit.target is not None and unit.reaches(unit.target)
            unit.healing = unit.healing and close
            if close and unit.cooldown <= 0:
                ready.append(unit)
        for k in range(len(ready) - 1, 0, -1):
            m = int(self.uniform(0, k + 1))
            ready[k], ready[m] = ready[m], ready[k]
        for unit in ready:
            if unit.alive and unit.target.alive:
                self.heal(unit) if unit.kind.heals else self.strike(unit, living)
        for unit in living:
            if not unit.alive:
                unit.hp = unit.shield = unit.cooldown = unit.delay = 0
                unit.target = unit.goal = None
        for unit in living:
            if unit.target is not None and not unit.target.alive:
                unit.target = None

    def heal(self, unit):
        hurt = unit.target
        points = min(9 / 16, hurt.kind.hp - hurt.hp)
        unit.healing = points > 0 and unit.energy >= (3 / 16 if unit.healing else 5)
        if unit.healing:
            hurt.hp += points
            unit.energy -= points / 3

    def strike(self, unit, living):
        unit.cooldown = unit.kind.cooldown
        if self.s.clock == "smaclite":
            unit.cooldown = round(unit.cooldown / 1.4, 2)
        if self.s.cooldown_jitter:
            unit.cooldown += self.uniform(-1, 2) / 16
        mark, struck = unit.target, [unit.target]
        foes = [u for u in living if u.side != unit.side and u.alive and unit.hit(u) > 0]
        if unit.kind.splash == "burst":
            struck = [u for u in foes if unit.apart(u) <= 2.2 + u.kind.radius]
        elif unit.kind.splash == "line":
            angle = math.atan2(mark.y - unit.y, mark.x - unit.x)
            struck = []
            for u in foes:
                dx, dy, r = u.x - mark.x, u.y - mark.y, u.kind.radius
                along = dx * math.cos(angle) + dy * math.sin(angle)
                across = dy * math.cos(angle) - dx * math.sin(angle)
                if math.hypot(max(abs(along) - 0.15, 0), max(abs(across) - 1.4, 0)) <= r:
                    struck.append(u)
        for u in struck:
            for _ in range(unit.kind.hits):
                rest = max(unit.hit(u) - u.shield, 0)
                u.shield = max(u.shield - unit.hit(u), 0)
                if rest > 0:
                    u.hp -= max(rest - u.kind.armour, min(rest, 0.5))
            u.delay = 160
        if unit.kind.splash == "burst":
            unit.hp = 0

    def result(self):
        allies, enemies = ([u for u in side if u.alive] for side in (self.allies, self.enemies))
        has_medivacs = any(u.kind.heals for u in self.units)
        if (not allies and enemies) or (has_medivacs and all(u.kind.heals for u in allies)):
            return "lost"
        if (allies and not enemies) or (len(enemies) == 1 and enemies[0].kind.heals):
            return "won"
        return "both dead" if not allies and not enemies else None

    def reward(self, before):
        s = self.s
        lost = [b - u.hp - u.shield for b, u in zip(before, self.units, strict=True)]
        died = [b > 0 and not u.alive for b, u in zip(before, self.units, strict=True)]
        n = len(self.allies)
        gain = s.reward_kill * sum(died[n:]) + s.reward_damage * sum(lost[n:])
        if s.reward in ("dense",):
            gain = abs(gain)
        total = gain + s.reward_loss * sum(died[:n]) + s.reward_hurt * sum(lost[:n]) + s.reward_step
        total += {"won": s.reward_win, "lost": s.reward_defeat}.get(self.result(), 0)
        points = sum(u.kind.hp + u.kind.shield for u in self.enemies)
        greatest = 10 * len(self.enemies) + 200 + points
        return total * s.reward_scale / greatest if s.reward_scale else total

    def layout(self):
        """Shield slots of both sides, and the kinds of the type bits of both sides."""
        shields = [any(u.kind.shield for u in side) for side in (self.allies, self.enemies)]
        kinds = [sorted({u.kind.letter for u in side}) for side in (self.allies, self.enemies)]
        if len(kinds[0]) == len(kinds[1]) == 1:
            return shields, ["", ""]
        order = "".join(k for k in "cszMmbghv" if k in {*kinds[0], *kinds[1]})
        return shields, [order, "zs" if order == "sz" else order]

    def body(self, unit):
        shields, bits = self.layout()
        row = [unit.hp / unit.kind.hp]
        if shields[unit.side]:
            row.append(unit.shield / unit.kind.shield if unit.kind.shield else 0)
        return row + [float(k == unit.kind.letter) for k in bits[unit.side]]

    def observation(self, i):
        me, allowed = self.allies[i], self.allowed(i)
        row = list(map(float, allowed[2:6]))
        for flag, other in [
            *zip(allowed[6:], self.enemies, strict=True),
            *((1, a) for a in self.allies if a is not me),
        ]:
            block = [flag, me.apart(other) / 9, (other.x - me.x) / 9, (other.y - me.y) / 9, *self.body(other)]
            row += block if other.alive and me.apart(other) < 9 else [0] * len(block)
        return np.array(row + self.body(me)) * me.alive

    def state(self):
        row = []
        for unit in self.units:
            place = [(unit.x - 16) / 32, (unit.y - 16) / 32]
            first, *rest = self.body(unit)
            load = []
            if unit.side == 0:
                load = [
                    unit.energy / 200 if unit.kind.heals else unit.cooldown * 16 / MAXCD[unit.kind.letter]
                ]
            row += [v * unit.alive for v in [first, *load, *place, *rest]]
        for action in self.last:
            row += [float(action == a) for a in range(6 + len(self.enemies))]
        return np.array(row)
