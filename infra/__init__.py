"""The deployment of the executor on Azure: its settings, and one Pulumi component for each part."""
