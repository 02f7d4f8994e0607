"""Network bodies and heads as TF-Agents networks, built from the options of a spec."""

from erlctl.tensorflow_setup import check_keras

check_keras()
