"""The bytes of an exported policy depend on the run, not on what was built before it."""

from erlctl.training.factory import make_program
from tests.training.build import declare, make_run


def test_a_policy_has_the_same_bytes_whatever_was_built_before(tmp_path):
    run = make_run(algorithm=declare("mirror_descent_vi"), mode="graph")
    data = []
    for name in ("first", "second"):
        make_program(run).export_policy(str(tmp_path / name))
        data.append((tmp_path / name / "variables/variables.data-00000-of-00001").read_bytes())
    assert data[0] == data[1]
