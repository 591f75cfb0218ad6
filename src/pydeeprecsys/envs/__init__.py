"""The simulated users behind Gymnasium's interfaces."""
