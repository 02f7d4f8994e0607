"""Many runs: worker processes on this machine. The parent never imports TensorFlow."""
