"""Tests with the real Pulumi command, where it is on PATH, and a provider that stands in for Azure's."""
