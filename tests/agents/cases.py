"""Every registered algorithm, with its forms as cases of their own: label -> declaration."""

from erlctl import registry

FORMS = {
    "dpp": ("preference", "bounded", "q_plus_log_policy"),
    "mirror_descent_vi": ("direct", "indirect"),
}


def all_cases(**quantiles):
    """Return the declarations of all agents' algorithms; `quantiles` go to the quantile ones."""
    cases = {}
    for name, cls in registry.all_of("algorithm").items():
        if cls.base == "planner":  # see tests/contract/test_every_planner.py
            continue
        fields = quantiles if cls.base == "quantile" else {}
        for form in FORMS.get(name, (None,)):
            label = name if form is None else f"{name},form={form}"
            cases[label] = cls(**fields, **({} if form is None else {"form": form}))
    return cases


FEW_QUANTILES = {
    "num_quantiles": 4, "num_target_quantiles": 4, "num_policy_quantiles": 4, "embedding_size": 8,
}
EVERY_ALGORITHM = all_cases(**FEW_QUANTILES)
DISCRETE = {
    label: algorithm for label, algorithm in EVERY_ALGORITHM.items()
    if algorithm.action_kind == "discrete"
}
