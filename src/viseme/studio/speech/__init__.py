"""Training speech with known phone times, and the mouth's movement that goes with it."""
