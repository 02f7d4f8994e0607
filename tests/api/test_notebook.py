"""docs/notebook.ipynb runs, and a real kernel shows what it is meant to show."""

from __future__ import annotations

import json

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # of Jupyter's packages


@pytest.fixture(scope="module")
def cells(repository_notebook, tmp_path_factory):
    nbclient = pytest.importorskip("nbclient", reason="Jupyter is no dependency of ours")
    pytest.importorskip("ipykernel", reason="Jupyter is no dependency of ours")
    import nbformat

    notebook = nbformat.read(repository_notebook, as_version=4)
    folder = tmp_path_factory.mktemp("notebook")
    client = nbclient.NotebookClient(notebook, timeout=400, kernel_name="python3",
                                     resources={"metadata": {"path": str(folder)}})
    return [cell for cell in client.execute().cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def repository_notebook(request):
    return request.config.rootpath / "docs" / "notebook.ipynb"


def shown(cell, mime):
    return "".join(output["data"].get(mime, "") for output in cell.outputs if "data" in output)


def test_every_cell_of_the_notebook_shows_what_it_says(cells):
    train, _, table, compared, figure, policy, stopped = cells
    assert "4 of 4 runs done" in shown(train, "text/html")  # redrawn in place to the end
    assert "exit code 0" in shown(train, "text/plain")
    assert "<table" in shown(table, "text/html")
    assert "temperature=0.03" in shown(compared, "text/html")
    assert len(shown(figure, "image/png")) > 1000
    assert "float32 [4] -> 2 actions" in shown(policy, "text/plain")
    assert "complete at step 500 of 2000: stopped early" in shown(stopped, "text/plain")


def test_the_notebook_is_stored_without_outputs(repository_notebook):
    notebook = json.loads(repository_notebook.read_text())
    for cell in notebook["cells"]:
        assert not cell.get("outputs"), "clear the outputs before committing"
