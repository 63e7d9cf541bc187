"""Duetto inside other asyncio programs."""
