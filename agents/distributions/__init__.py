"""Distributions that policies, latent variables and predictions of others are made of."""
