"""Results depend neither on the number of threads nor on the batch, bit for bit."""

import numba
import numpy as np
import pytest
from coordbench import envs
from coordbench.envs.kernels import PARALLEL_FROM, Kernel
from coordbench.envs.particles.navigation import STEP

TASKS = [("cooperative_navigation_3-v1", {}), ("predator_prey_4-v1", {"start_jitter": 0.3})]


@pytest.fixture
def threads():
    before = numba.get_num_threads()
    yield numba.set_num_threads
    numba.set_num_threads(before)


def play(env, seeds, actions):
    """All outputs of some steps with a reset of every third copy in between."""
    outputs = [env.reset(seed=seeds)[0]]
    for t, action in enumerate(actions):
        observation, reward, _, truncated, info = env.step(action)
        outputs += [observation, reward, truncated, *(info[name] for name in sorted(info))]
        if t == 3:
            mask = np.array([seed % 3 == 0 for seed in seeds])
            outputs.append(env.reset(options={"reset_mask": mask})[0])
    return outputs


def equal(left, right):
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="needs two threads")
@pytest.mark.parametrize(("task_id", "settings"), TASKS)
def test_one_thread_and_two_give_the_same_bits(task_id, settings, threads):
    num_envs = PARALLEL_FROM + 5
    env = envs.make(task_id, num_envs, **settings)
    actions = np.random.default_rng(0).uniform(-1, 1, (8, *env.action_space.shape))
    seeds = envs.copy_seeds(3, num_envs)
    threads(2)
    assert STEP.for_batch(num_envs) is STEP.parallel
    two = play(env, seeds, actions)
    threads(1)
    assert STEP.for_batch(num_envs) is STEP.serial
    assert equal(two, play(env, seeds, actions))


@pytest.mark.parametrize(("task_id", "settings"), TASKS)
def test_a_copy_alone_equals_its_slice_of_64(task_id, settings):
    large = envs.make(task_id, 64, **settings)
    actions = np.random.default_rng(1).uniform(-1, 1, (8, *large.action_space.shape))
    seeds = envs.copy_seeds(5, 64)
    together = play(large, seeds, actions)
    for b in (0, 17, 63):
        alone = play(envs.make(task_id, 1, **settings), seeds[b : b + 1], actions[:, b : b + 1])
        assert equal([output[b : b + 1] for output in together], alone)


def test_both_variants_of_a_kernel_are_cached_under_their_own_names():
    kernel = Kernel(play)
    names = {kernel.serial.py_func.__qualname__, kernel.parallel.py_func.__qualname__}
    assert len(names) == 2
    assert kernel.python is play
