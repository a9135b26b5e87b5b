"""Training and evaluation of BagNets."""
