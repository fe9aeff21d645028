"""Serves the rules to the Pulumi command, which runs this folder as a program of its own."""

from pulumi_policy import EnforcementLevel, PolicyPack
from rules import RULES  # type: ignore[import-not-found]  # the folder itself is on the path there

PolicyPack(name="code-executor", policies=list(RULES), enforcement_level=EnforcementLevel.MANDATORY)
