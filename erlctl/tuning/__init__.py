"""`erlctl tune`: a search over fields of a spec, with Optuna's samplers and pruners.

Importing this package needs no Optuna; what does is imported where a search begins.
"""
