"""What `erlctl doctor` examines: versions, the traps of this stack, the machine. No TensorFlow."""
