"""Command line: one file for each family of commands."""

from app.commands.datasets import load_edges, seed, verify
from app.commands.operations import dead_letters, repair
from app.commands.settings import show

COMMANDS = (seed, load_edges, verify, repair, dead_letters, show)
