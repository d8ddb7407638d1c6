"""Runs lm-evaluation-harness's own command line with our runs as its model `ingrain`.

.venv/bin/python -m train.evaluate.lm_eval run --model ingrain --model_args run=RUN --tasks TASK
"""

from train.evaluate.harness import register_runs


def main() -> None:
    """Register, then hand over."""
    from lm_eval.__main__ import cli_evaluate

    register_runs()
    cli_evaluate()


if __name__ == "__main__":
    main()
