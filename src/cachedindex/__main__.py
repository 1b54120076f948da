"""The command, as a module of its own: what it needs is imported by a module of ours, and so not from this folder."""

from cachedindex.commands.line import command_line, main

__all__ = ["command_line", "main"]

if __name__ == "__main__":
    command_line()
