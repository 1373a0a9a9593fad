"""Training: recipes, samples, losses and the loop that runs them."""
