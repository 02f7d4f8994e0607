"""Figures: functions from runs or comparisons to a `figure.Figure`, which a notebook shows.

    from erlctl.analysis.load import load
    from erlctl.analysis.figures.curves import curves

    figure = curves(load(["runs/cartpole-family"]).runs, labels={"munchausen_dqn": "M-DQN"})
    figure                       # the last line of a cell: the picture appears
    figure.save("curves.pdf")    # or .svg, .png
"""
