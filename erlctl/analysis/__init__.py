"""From run directories to statistics, tables, figures and pages. NumPy, SciPy, matplotlib only.

Everything that the commands `compare`, `plot`, `report` and `export` do can be called from a
notebook; figures are `matplotlib.figure.Figure` objects, which a notebook shows by itself:

    from erlctl.analysis.load import load
    from erlctl.analysis.comparison import compare
    from erlctl.analysis.scores import Scoring
    from erlctl.analysis.figures.curves import curves

    loaded = load(["runs/cartpole-family"])
    comparison = compare(loaded, Scoring(last=3), baseline="dqn")
    comparison.blocks[0].pairs[0].probability
    curves(loaded.runs, show_seeds=True)

The unit of every interval and test is the run, never the episode.
"""
