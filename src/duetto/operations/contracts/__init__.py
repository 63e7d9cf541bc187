"""Contracts: the schemas of events and boundaries, exported, committed and checked."""

from duetto.operations.contracts.asyncapi import asyncapi
from duetto.operations.contracts.checking import Compatibility, Report, Verdict, check
from duetto.operations.contracts.documents import Document, boundary_documents, event_documents
from duetto.operations.contracts.files import Written, export, read

__all__ = [
    "Compatibility",
    "Document",
    "Report",
    "Verdict",
    "Written",
    "asyncapi",
    "boundary_documents",
    "check",
    "event_documents",
    "export",
    "read",
]
