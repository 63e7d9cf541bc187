"""Compile workflows from the source of Python functions to definitions."""

from duetto.authoring.compiler.definition import compile_workflow

__all__ = ["compile_workflow"]
