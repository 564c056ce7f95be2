"""The options of a solver in the layout of a paper's table of hyper-parameters."""

from __future__ import annotations

from click.testing import CliRunner

from invbench.cli import main


def test_the_hyper_parameters_of_a_benchmark_are_those_a_training_takes() -> None:
    result = CliRunner().invoke(main, ["table", "--paper", "12", "benchmark=photos", "--format", "csv"])
    assert result.exit_code == 0, result.output
    rows = {line.split(",")[0]: line.split(",")[1:] for line in result.output.splitlines() if "," in line}
    assert rows[""] == ["deblur", "sr4", "inpaint", "denoise", "colorize"]
    assert rows["iterations_K"] == ["6000", "3400", "2000", "2000", "2000"]
    assert rows["h"][0] == "0.03"
