"""Networks with known outputs, and which networks a loss has moved."""

import torch


def constant(network, values):
    """Let a perceptron give `values` whatever it reads."""
    network.flat.detach().zero_()
    network.parameters[-1][:] = torch.tensor(values)


def moved(learner, loss):
    """Names of the networks that the gradient of a loss (S,) reaches; it is cleared again."""
    loss.sum().backward()
    trained = {name: net for name, net in learner.networks().items() if net.flat.grad is not None}
    names = {name for name, net in trained.items() if net.flat.grad.any()}
    for network in trained.values():
        network.stepped()
    return names
