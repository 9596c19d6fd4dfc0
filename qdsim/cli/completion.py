"""`qdsim completion`: print the completion script of a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_EXAMPLES = """\b
Examples:
  eval "$(qdsim completion bash)"                                  in ~/.bashrc
  eval "$(qdsim completion zsh)"                                   in ~/.zshrc
  qdsim completion fish > ~/.config/fish/completions/qdsim.fish    once
"""


@click.command(name="completion", epilog=_EXAMPLES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of SHELL."""
    from qdsim.cli import cli

    completion = get_completion_class(shell)
    if completion is None:
        raise ValueError(f"click knows no completion for {shell}")
    click.echo(completion(cli, {}, "qdsim", "_QDSIM_COMPLETE").source())
