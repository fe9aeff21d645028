"""A policy pack: `pulumi up --policy-pack policy`."""
