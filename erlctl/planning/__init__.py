"""Exact and approximate planning on tables: NumPy float64, no TensorFlow, a batch at a time."""
