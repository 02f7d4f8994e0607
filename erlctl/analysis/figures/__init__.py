"""Figures: functions from runs or comparisons to a `matplotlib.figure.Figure`.

    from erlctl.analysis import load
    from erlctl.analysis.figures import curves, save

    runs = load.load(["runs/cartpole-family"]).runs
    figure = curves.curves(runs)            # a notebook shows it
    save.save(figure, Path("curves.pdf"))
"""
