"""Takes over an app that Terraform, the Azure CLI or a person made: `python -m infra.adopt`."""
